"""Encoding once what many readers get: stream handlers may yield a message, or the bytes of one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
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
    """Remembers the bytes that a group of states made, for as long as other readers are likely to want the same group.

    Readers in step want the same states with nothing folded; readers that are behind by as much as one another share as
    well.
    """

    __slots__ = ("_alone", "_encode", "_made")

    def __init__(self, encode: Callable[[Sequence[tuple[V, int]]], Message]) -> None:
        """Begins with nothing made.

        Args:
            encode: Makes the message of states, each with the number of states folded into it.
        """
        self._encode = encode
        # The states themselves are the key: they are compared by identity, and kept alive by being in it.
        self._made: dict[tuple[tuple[V, int], ...], bytes] = {}
        self._alone: dict[V, bytes] = {}

    def bytes_of_one(self, state: V) -> bytes:
        """Returns the message of one state with nothing folded into it: what readers in step want most."""
        made = self._alone.get(state)
        if made is None:
            made = self._alone[state] = self.bytes_of(((state, 0),))
        return made

    def bytes_of(self, states: Iterable[tuple[V, int]]) -> bytes:
        """Returns the message of these states, encoded now or before."""
        key = tuple(states)
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = self._encode(key).SerializeToString()
        return made

    def forget(self) -> None:
        """Forgets all, because states are newer now."""
        self._made, self._alone = {}, {}


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
