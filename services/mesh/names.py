"""Every name that telemetry uses, declared once: metrics, their labels, span attributes, keys of log lines."""

from __future__ import annotations

from typing import Final

DOMAIN: Final = "ordermesh.dev"
"""Domain of every `google.rpc.ErrorInfo`."""


class Metric:
    """Names of Prometheus metrics, with their unit at the end."""

    SERVER_CALLS: Final = "ordermesh_server_calls_total"
    SERVER_CALL_SECONDS: Final = "ordermesh_server_call_seconds"
    SERVER_OPEN_CALLS: Final = "ordermesh_server_open_calls"


class Label:
    """Labels of metrics."""

    METHOD: Final = "method"
    CODE: Final = "code"
    REASON: Final = "reason"


class Attribute:
    """Attributes of spans, beside those of OpenTelemetry's own conventions."""

    REASON: Final = "ordermesh.reason"


class Key:
    """Keys of log lines."""

    SERVICE: Final = "service"
    TRACE_ID: Final = "trace_id"
    SPAN_ID: Final = "span_id"
    METHOD: Final = "method"
    CODE: Final = "code"
    REASON: Final = "reason"
    ERROR_ID: Final = "error_id"
    SECONDS: Final = "seconds"
    ADDRESS: Final = "address"
    TASK: Final = "task"
    TOPIC: Final = "topic"
    SEQUENCE: Final = "sequence"
    ERROR: Final = "error"
    COUNT: Final = "count"
    SIGNAL: Final = "signal"
    SESSION: Final = "session_id"
    CALLER: Final = "caller"
