"""Encoding once what many readers get: stream handlers may yield a message, or the bytes of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import grpc
from google.protobuf.message import Message

from ordermesh.marketdata.v1 import market_data_service_pb2_grpc

V = TypeVar("V", bound=Hashable)

Wire = Message | bytes
"""What a stream handler yields."""


def register(servicer: market_data_service_pb2_grpc.MarketDataServiceServicer, server: Any) -> None:
    """Adds the servicer to a server, in the way of the generated function, but lets streams yield bytes."""
    registrar: Any = _Registrar(server)
    market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server(servicer, registrar)


def serialize(message: Wire) -> bytes:
    """Returns the bytes of a message; bytes stay what they are."""
    return message if isinstance(message, bytes) else message.SerializeToString()


class SharedEncoding(Generic[V]):
    """Remembers the bytes that a group of values made, for as long as others are likely to want the same group."""

    __slots__ = ("_encode", "_made")

    def __init__(self, encode: Callable[[Sequence[V]], Message]) -> None:
        self._encode = encode
        # The values themselves are the key: they are compared by identity, and kept alive by being in it.
        self._made: dict[tuple[V, ...], bytes] = {}

    def bytes_of(self, values: Sequence[V]) -> bytes:
        """Returns the message of these values, encoded now or before."""
        key = tuple(values)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._encode(values).SerializeToString()
        return made

    def forget(self) -> None:
        """Forgets all, because values are newer now."""
        self._made = {}


class _Registrar:
    """Stands in for the server in generated code."""

    def __init__(self, server: Any) -> None:
        self._server = server

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        passing = {name: _passing_bytes(handler) for name, handler in handlers.items()}
        self._server.add_registered_method_handlers(service, passing)

    def add_generic_rpc_handlers(self, _handlers: object) -> None:
        """The same handlers again, in a form that cannot be changed."""


def _passing_bytes(handler: Any) -> Any:
    if not handler.response_streaming:
        return handler
    return grpc.unary_stream_rpc_method_handler(handler.unary_stream, handler.request_deserializer, serialize)
