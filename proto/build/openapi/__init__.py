"""Writes the OpenAPI document of the REST face from the contracts.

Own code, since the generators there are need a Go toolchain, and none describes what our gateway does: event streams,
error bodies and query parameters exactly as Envoy's transcoder takes them.
"""

from proto.build.openapi.document import openapi_file

__all__ = ["openapi_file"]
