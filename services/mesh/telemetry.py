"""Logs (structlog, JSON lines on stderr), metrics (Prometheus over HTTP) and traces (OpenTelemetry)."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from threading import Thread
from types import ModuleType
from typing import TYPE_CHECKING, Any, TextIO, cast
from wsgiref.simple_server import WSGIServer

import grpc
import structlog
from opentelemetry import trace
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, start_http_server

from services.mesh.context import current_call
from services.mesh.names import Key

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

OTEL_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"

# Without the values of local variables: they may be anything, secrets among them.
_tracebacks = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


@dataclass(slots=True)
class Telemetry:
    """What a service tells about itself.

    Attributes:
        service: Name of the service.
        registry: Its metrics.
        provider: Its traces; None when there is nowhere to send them.
    """

    service: str
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    provider: TracerProvider | None = None

    @classmethod
    def start(cls, service: str, otel_endpoint: str = "") -> Telemetry:
        """Returns telemetry with the metrics of the process, and traces if an endpoint is named."""
        telemetry = cls(service)
        ProcessCollector(registry=telemetry.registry)
        PlatformCollector(registry=telemetry.registry)
        GCCollector(registry=telemetry.registry)
        if endpoint := otel_endpoint or os.environ.get(OTEL_ENDPOINT, ""):
            telemetry.provider = _tracing().provider(service, endpoint)
        return telemetry

    def server_interceptors(self) -> list[grpc.aio.ServerInterceptor]:
        """Returns what gRPC shall ask at each call: OpenTelemetry when traces are sent, else nothing, which is free."""
        if self.provider is None:
            return []
        return cast("list[grpc.aio.ServerInterceptor]", _tracing().server_interceptors(self.provider))

    def client_interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """Returns the same for channels."""
        if self.provider is None:
            return []
        return cast("list[grpc.aio.ClientInterceptor]", _tracing().client_interceptors(self.provider))

    def serve_metrics(self, host: str, port: int) -> MetricsServer:
        """Serves the metrics at `http://host:port/metrics`; port 0 lets the system choose.

        Raises:
            OSError: The address cannot be listened on.
        """
        try:
            server, _ = start_http_server(port, addr=host, registry=self.registry)
        except OSError as error:
            raise OSError(f"cannot listen on {host}:{port} for metrics: {error}") from error
        return MetricsServer(server)

    def close(self) -> None:
        """Sends what is left of traces."""
        if self.provider is not None:
            self.provider.shutdown()


@dataclass(frozen=True, slots=True)
class MetricsServer:
    """The HTTP server of metrics, in a thread of its own."""

    server: WSGIServer

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server.server_port)

    def close(self) -> None:
        """Stops serving, soon: its thread looks for that twice a second, and nobody waits for it."""
        Thread(target=self._close, name="end of metrics", daemon=True).start()

    def _close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def configure_logging(service: str, level: str = "info", stream: TextIO | None = None) -> None:
    """Makes each log line, the standard library's too, one JSON object with the service, the trace and the time."""
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Callable[[Any, str, MutableMapping[str, Any]], Any]] = [
        _add_service(service),
        _add_trace,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _tracebacks,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=str),
            ],
        )
    )
    logging.basicConfig(handlers=[handler], level=number, force=True)


def _tracing() -> ModuleType:
    # Loaded only where traces are sent: OpenTelemetry takes a third of the time that a service needs to start.
    return importlib.import_module("services.mesh.tracing")


def _add_service(service: str) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def add(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event[Key.SERVICE] = service
        return event

    return add


def _add_trace(_logger: Any, _name: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event[Key.TRACE_ID], event[Key.SPAN_ID] = f"{span.trace_id:032x}", f"{span.span_id:016x}"
    elif (call := current_call()) is not None:
        event[Key.TRACE_ID], event[Key.SPAN_ID] = call.trace_id, call.span_id
    return event
