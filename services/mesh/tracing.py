"""Traces by OpenTelemetry, for a process that has somewhere to send them."""

from __future__ import annotations

import grpc
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.grpc import aio_client_interceptors, aio_server_interceptor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


def provider(service: str, endpoint: str) -> TracerProvider:
    """Returns what makes spans and sends them; `OTEL_TRACES_SAMPLER` says which calls are recorded."""
    made = TracerProvider(resource=Resource.create({"service.name": f"ordermesh.{service}"}))
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=not endpoint.startswith("https://"))
    made.add_span_processor(BatchSpanProcessor(exporter))
    return made


def server_interceptors(spans: TracerProvider) -> list[grpc.aio.ServerInterceptor]:
    """Returns what makes a span of each call served."""
    return [aio_server_interceptor(tracer_provider=spans)]  # type: ignore[no-untyped-call]  # OpenTelemetry leaves it untyped


def client_interceptors(spans: TracerProvider) -> list[grpc.aio.ClientInterceptor]:
    """Returns what makes a span of each call made, and hands the trace on."""
    return list(aio_client_interceptors(tracer_provider=spans))  # type: ignore[no-untyped-call]  # OpenTelemetry leaves it untyped
