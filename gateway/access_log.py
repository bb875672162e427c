"""The access log: one JSON line for each request, with its trace and its user; never a token, never a query.

`grpc_status` is the number that the caller is told. Of what was made REST again, Envoy itself knows the HTTP status
alone, and would guess the other by it: so the service's is kept aside before the transcoder takes it away.
"""

from __future__ import annotations

from typing import Any

from gateway.local_replies import CHECK_NAMESPACE, all_of, from_grpc, from_rest, status_is
from gateway.settings import Settings
from gateway.tokens import CLAIMS, TOKENS

_STATUS = "grpc_status"
"""What the status is called among what the gateway notes of a call."""
_LINE: dict[str, Any] = {
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
    _STATUS: None,
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

    def logger(grpc_status: str | None, of: dict[str, Any]) -> dict[str, Any]:
        line = {name: value for name, value in (_LINE | {_STATUS: grpc_status}).items() if value is not None}
        return {
            "name": "envoy.access_loggers.file",
            "filter": of,
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog",
                "path": settings.access_log,
                "log_format": {"json_format": line, "formatters": [formatter]},
            },
        }

    seen = {"or_filter": {"filters": [from_grpc(), all_of(status_is(200, "EQ"), _kept(there=False))]}}
    return {
        "access_log": [
            logger(f"%DYNAMIC_METADATA({CHECK_NAMESPACE}:{_STATUS})%", all_of(from_rest(), _kept(there=True))),
            logger("%GRPC_STATUS_NUMBER%", seen),
            # Envoy has answered itself: no service was asked, or none has said anything.
            logger(None, all_of(from_rest(), _kept(there=False), status_is(200, "NE"))),
        ]
    }


def status_filter() -> dict[str, Any]:
    """The filter, next to the service, that keeps the status aside with which it refuses a call."""
    kept = {"metadata_namespace": CHECK_NAMESPACE, "key": _STATUS, "type": "NUMBER"}
    return {
        "name": "envoy.filters.http.header_to_metadata",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.header_to_metadata.v3.Config",
            "response_rules": [{"header": "grpc-status", "on_header_present": kept}],
        },
    }


def _kept(*, there: bool) -> dict[str, Any]:
    # What is there must be a number that no status is, or it is not there: Envoy's filter does not heed `invert`.
    value = {"present_match": True} if there else {"double_match": {"exact": -1}}
    matcher = {"filter": CHECK_NAMESPACE, "path": [{"key": _STATUS}], "value": value}
    return {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": not there}}


def tracing(settings: Settings) -> dict[str, Any]:
    """Spans go to the collector where there is one; without it, each call still has a trace that all logs name."""
    config = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "service_name": "gateway",
        "grpc_service": {"envoy_grpc": {"cluster_name": "otlp"}, "timeout": "1s"},
    }
    sampling = {"random_sampling": {"value": 100 if settings.otlp is not None else 0}}
    return {"tracing": {"provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config}, **sampling}}
