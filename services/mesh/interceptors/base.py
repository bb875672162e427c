"""The shape of an interceptor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
from google.protobuf.descriptor import Descriptor

Context = grpc.aio.ServicerContext[Any, Any]
UnaryHandler = Callable[[Any, Context], Awaitable[Any]]
"""Answers with one message. Its request is a message, or an iterator of them."""
StreamHandler = Callable[[Any, Context], AsyncIterator[Any]]
"""Answers with messages. Its request is a message, or an iterator of them."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a service.

    Attributes:
        service: Full name of the service, such as `ordermesh.order.v1.OrderService`.
        name: Name of the method within it.
        request_streaming: Whether the caller sends any number of messages.
        response_streaming: Whether the server does.
        request_type: Descriptor of the request; None for a service that is not in the descriptor pool.
    """

    service: str
    name: str
    request_streaming: bool
    response_streaming: bool
    request_type: Descriptor | None

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.service}/{self.name}"


class Interceptor(Protocol):
    """Wraps handlers. Wrapping happens once; what it returns is run at every call."""

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Returns the handler to run instead, for a method that answers with one message."""
        ...

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Returns the handler to run instead, for a method that answers with a stream."""
        ...


def wrap_unary(method: Method, handler: UnaryHandler, interceptors: Sequence[Interceptor]) -> UnaryHandler:
    """Returns the handler inside of all interceptors, the first outermost."""
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap_unary(method, handler)
    return handler


def wrap_stream(method: Method, handler: StreamHandler, interceptors: Sequence[Interceptor]) -> StreamHandler:
    """Returns the handler inside of all interceptors, the first outermost."""
    for interceptor in reversed(interceptors):
        handler = interceptor.wrap_stream(method, handler)
    return handler
