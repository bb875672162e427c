"""Bytes that are no message of the contract, which gRPC itself would answer as a fault of the service."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import DecodeError

from services.kernel.errors import INVALID_FIELD, CodedError, FieldViolation, invalid

Deserialize = Callable[[bytes], Any]


class Unreadable:
    """Stands in for a request that could not be read, until an interceptor refuses it."""

    __slots__ = ()


def unreadable() -> CodedError:
    """Returns the error for bytes that are not the message; the field it names is the request as a whole."""
    text = "the request is not a message of its type, or holds text that is not UTF-8"
    return invalid(INVALID_FIELD, text, FieldViolation("", text))


def reads_one(deserialize: Deserialize) -> Deserialize:
    """Returns what reads the only request of a call.

    gRPC calls it outside of all interceptors, so that it must not raise: it returns an Unreadable.
    """

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            return Unreadable()

    return read


def reads_each(deserialize: Deserialize) -> Deserialize:
    """Returns what reads each request of a stream; it raises where the servicer asks for the next one."""

    def read(data: bytes) -> Any:
        try:
            return deserialize(data)
        except DecodeError:
            raise unreadable() from None

    return read
