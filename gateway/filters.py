"""Envoy's HTTP connection manager and its filters."""

from __future__ import annotations

import base64
from typing import Any

from gateway.clusters import sharded
from gateway.local_replies import local_reply_config
from gateway.request_check import check_script, shard_script
from gateway.routes import CHECK, CORS, TRANSCODER
from gateway.settings import Settings
from gateway.tables import GEN, Tables

SHARDS = "ordermesh.filters.http.shards"
_NETWORK_TYPES = "type.googleapis.com/envoy.extensions.filters.network"
_TYPES = "type.googleapis.com/envoy.extensions.filters.http"
# Envoy holds a direct response in memory; its default of 4 KiB is smaller than the OpenAPI document.
_MOST_PAGE_BYTES = 4 << 20
# Where a caller is, whatever they write themselves. Not `x-forwarded-for`, in which Envoy hides its own machine.
_CALLER = {
    "header": {"key": "x-ordermesh-caller-address", "value": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"},
    "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
}
# A caller that vanished without a word is found out: the services behind see Envoy, which always answers.
_KEEPALIVE = {"interval": "20s", "timeout": "10s"}


def connection_manager(settings: Settings, tables: Tables, host: dict[str, Any]) -> dict[str, Any]:
    """One connection manager for gRPC, grpc-web, REST, event streams and pages."""
    routes = {
        "name": "ordermesh",
        "virtual_hosts": [host],
        "max_direct_response_body_size_bytes": _MOST_PAGE_BYTES,
        "request_headers_to_add": [_CALLER],
    }
    return {
        "@type": f"{_NETWORK_TYPES}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gateway",
        "codec_type": "AUTO",
        "route_config": routes,
        "http_filters": _filters(settings, tables),
        "local_reply_config": local_reply_config(),
        "http2_protocol_options": {"max_concurrent_streams": 10_000, "connection_keepalive": _KEEPALIVE},
        # A stream's final status is in its trailers; HTTP/1 callers that ask for them (TE: trailers) see it too.
        "http_protocol_options": {"enable_trailers": True},
        # A path is what the service sees: dots resolved, slashes single, an escaped slash no separator.
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "use_remote_address": True,
        "server_name": "ordermesh",
        # Streams are quiet between heartbeats; their own routes have no timeout, and an idle connection is harmless.
        "stream_idle_timeout": "0s",
        "request_headers_timeout": "10s",
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        **_access_log(settings),
        **_tracing(settings),
    }


def _filters(settings: Settings, tables: Tables) -> list[dict[str, Any]]:
    script = {"default_source_code": {"inline_string": check_script()}}
    shards = len(settings.order_shards)
    hint = [_filter(SHARDS, "lua.v3.Lua", {"default_source_code": {"inline_string": shard_script(shards)}})]
    return [
        _filter(CORS, "cors.v3.Cors", {}),
        _filter("envoy.filters.http.grpc_web", "grpc_web.v3.GrpcWeb", {}),
        *(hint if sharded(settings) else ()),
        _filter(CHECK, "lua.v3.Lua", script),
        _filter(TRANSCODER, "grpc_json_transcoder.v3.GrpcJsonTranscoder", _transcoder(settings, tables)),
        _filter("envoy.filters.http.router", "router.v3.Router", {"suppress_envoy_headers": True}),
    ]


def _filter(name: str, type_name: str, config: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "typed_config": {"@type": f"{_TYPES}.{type_name}", **config}}


def _transcoder(settings: Settings, tables: Tables) -> dict[str, Any]:
    descriptors = (GEN / "descriptors" / "ordermesh.binpb").read_bytes()
    return {
        "proto_descriptor_bin": base64.b64encode(descriptors).decode(),
        "services": [service.name for service in tables.services],
        "print_options": {
            "always_print_primitive_fields": True,
            "preserve_proto_field_names": True,
            "stream_sse_style_delimited": True,
        },
        # The REST route keeps its timeout; by default the gRPC path would be routed anew.
        "match_incoming_request_route": True,
        "convert_grpc_status": True,
        "request_validation_options": {
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
        "max_request_body_size": settings.max_request_bytes,
        "max_response_body_size": settings.max_response_bytes,
    }


def _access_log(settings: Settings) -> dict[str, Any]:
    if not settings.access_log:
        return {}
    line = {
        "time": "%START_TIME%",
        "request_id": "%REQ(X-REQUEST-ID)%",
        "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
        "path": "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
        "protocol": "%PROTOCOL%",
        "status": "%RESPONSE_CODE%",
        "grpc_status": "%GRPC_STATUS%",
        "details": "%RESPONSE_CODE_DETAILS%",
        "upstream": "%UPSTREAM_CLUSTER%",
        "duration_ms": "%DURATION%",
        "received_bytes": "%BYTES_RECEIVED%",
        "sent_bytes": "%BYTES_SENT%",
        "trace": "%REQ(TRACEPARENT)%",
    }
    formatter = {
        "name": "envoy.formatter.req_without_query",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
        },
    }
    logger = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": settings.access_log,
        "log_format": {"json_format": line, "formatters": [formatter]},
    }
    return {"access_log": [{"name": "envoy.access_loggers.file", "typed_config": logger}]}


def _tracing(settings: Settings) -> dict[str, Any]:
    if settings.otlp is None:
        return {}
    config = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
        "service_name": "gateway",
    }
    return {"tracing": {"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config}}}
