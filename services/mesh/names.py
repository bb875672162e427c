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
    CLIENT_CALLS: Final = "ordermesh_client_calls_total"
    STREAM_ENDED: Final = "ordermesh_streams_ended_total"
    BATCH_SIZE: Final = "ordermesh_batch_size_items"
    BATCH_SECONDS: Final = "ordermesh_batch_seconds"
    BUS_PUBLISHED: Final = "ordermesh_bus_published_total"
    BUS_RETRIES: Final = "ordermesh_bus_retries_total"
    BUILD: Final = "ordermesh_build"


class Label:
    """Labels of metrics."""

    METHOD: Final = "method"
    CODE: Final = "code"
    REASON: Final = "reason"
    NAME: Final = "name"
    TOPIC: Final = "topic"
    SERVICE: Final = "service"
    VERSION: Final = "version"


class Attribute:
    """Attributes of spans, beside those of OpenTelemetry's own conventions."""

    ACCOUNT_ID: Final = "ordermesh.account_id"
    ORDER_ID: Final = "ordermesh.order_id"
    INSTRUMENT: Final = "ordermesh.instrument"
    BATCH_SIZE: Final = "ordermesh.batch_size"
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
