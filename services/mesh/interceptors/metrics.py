"""Counts calls and their time, per method and code."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler
from services.mesh.names import Label, Metric

_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_NAME_OF_NUMBER = {code.value[0]: code.name for code in grpc.StatusCode}


class MetricsInterceptor:
    """Counts finished calls by code, calls in progress, and the seconds that answers with one message took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        labels = (Label.METHOD, Label.CODE)
        self._calls = Counter(Metric.SERVER_CALLS, "Finished calls.", labels, registry=registry)
        self._seconds = Histogram(
            Metric.SERVER_CALL_SECONDS, "Time to answer.", (Label.METHOD,), registry=registry, buckets=_SECONDS
        )
        self._open = Gauge(Metric.SERVER_OPEN_CALLS, "Streams in progress.", (Label.METHOD,), registry=registry)

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Counts and times the call."""
        count = _Counts(self._calls, method.path)
        observe = self._seconds.labels(method.path).observe
        clock = time.perf_counter

        async def handle(request: Any, context: Context) -> Any:
            start = clock()
            try:
                response = await handler(request, context)
            except BaseException:
                count.failed(context)
                raise
            finally:
                observe(clock() - start)
            count.succeeded()
            return response

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Counts the call, also while it lasts."""
        count = _Counts(self._calls, method.path)
        running = self._open.labels(method.path)

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            running.inc()
            try:
                async for response in handler(request, context):
                    yield response
            except BaseException:
                count.failed(context)
                raise
            finally:
                running.dec()
            count.succeeded()

        return handle


class _Counts:
    """The counters of one method, looked up once per code."""

    def __init__(self, calls: Counter, path: str) -> None:
        self._calls, self._path = calls, path
        self._children: dict[str, Counter] = {}
        self.succeeded = calls.labels(path, grpc.StatusCode.OK.name).inc

    def failed(self, context: Context) -> None:
        """Counts a call that ended with the code set on its context; with none set, the caller went away."""
        code = context.code()
        name = _NAME_OF_NUMBER.get(code, "") if isinstance(code, int) else getattr(code, "name", "")
        name = "CANCELLED" if name in ("", "OK") else name
        if (child := self._children.get(name)) is None:
            child = self._children[name] = self._calls.labels(self._path, name)
        child.inc()
