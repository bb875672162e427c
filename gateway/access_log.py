"""The access log: one JSON line for each request, with its trace and its user; never a token, never a query."""

from __future__ import annotations

from typing import Any

from gateway.settings import Settings
from gateway.tokens import CLAIMS, TOKENS

_LINE = {
    "time": "%START_TIME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "trace": "%TRACE_ID%",
    "user": f"%DYNAMIC_METADATA({TOKENS}:{CLAIMS}:sub)%",
    "address": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(X-ENVOY-ORIGINAL-METHOD?:METHOD)%",
    "path": "%REQ_WITHOUT_QUERY(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "tls": "%DOWNSTREAM_TLS_VERSION%",
    "status": "%RESPONSE_CODE%",
    "grpc_status": "%GRPC_STATUS%",
    "flags": "%RESPONSE_FLAGS%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "duration_ms": "%DURATION%",
    "received_bytes": "%BYTES_RECEIVED%",
    "sent_bytes": "%BYTES_SENT%",
}


def access_log(settings: Settings) -> dict[str, Any]:
    """The connection manager's part of it; nothing without a file."""
    if not settings.access_log:
        return {}
    formatter = {
        "name": "envoy.formatter.req_without_query",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery"
        },
    }
    logger = {
        "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
        "path": settings.access_log,
        "log_format": {"json_format": _LINE, "formatters": [formatter]},
    }
    return {"access_log": [{"name": "envoy.access_loggers.file", "typed_config": logger}]}


def tracing(settings: Settings) -> dict[str, Any]:
    """Spans go to the collector where there is one; without it, each call still has a trace that all logs name."""
    config = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "gateway",
        "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
    }
    sampling = {"random_sampling": {"value": 100 if settings.otlp is not None else 0}}
    return {"tracing": {"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config}, **sampling}}
