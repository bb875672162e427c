"""What pages of other origins may do (CORS)."""

from __future__ import annotations

from typing import Any

from gateway.settings import Settings

CORS = "envoy.filters.http.cors"

REQUEST_HEADERS = (
    "authorization",
    "content-type",
    "grpc-timeout",
    "last-event-id",
    "traceparent",
    "x-grpc-web",
    "x-ordermesh-account",
    "x-request-id",
    "x-user-agent",
)
_READABLE_HEADERS = (
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "retry-after",
    "www-authenticate",
    "x-ratelimit-limit",
    "x-ratelimit-remaining",
    "x-ratelimit-reset",
    "x-request-id",
)


def cors(settings: Settings) -> dict[str, Any]:
    """The policy: tokens are shown in a header, so that no cookie or other credential of a browser is asked for."""
    own = {"safe_regex": {"regex": r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?"}}
    others = [
        {"safe_regex": {"regex": ".*"}} if origin == "*" else {"exact": origin} for origin in settings.cors_origins
    ]
    return {
        "@type": "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy",
        "allow_origin_string_match": [own, *others],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE, OPTIONS",
        "allow_headers": ", ".join(REQUEST_HEADERS),
        "expose_headers": ", ".join(_READABLE_HEADERS),
        "max_age": "86400",
        # A preflight of others ends here, without permission, and reaches no service.
        "forward_not_matching_preflights": False,
    }
