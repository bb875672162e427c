"""How numbers, times and durations of requests are read."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.decimals import parse_positive
from services.kernel.errors import invalid_field

_BILLION = 1_000_000_000


def number(text: str, field: str) -> Decimal:
    """Returns a number of a request, whose pattern has been checked: digits and a point are what it is.

    Raises:
        CodedError: INVALID_FIELD.
    """
    if "." not in text and text.isascii() and text.isdigit():
        return Decimal(text)
    # Zeros at the end are taken off.
    return parse_positive(text.rstrip("0").rstrip(".") if "." in text else text, field)


def nanoseconds_of(at: Timestamp, field: str = "expire_at") -> int:
    """Returns the nanoseconds since 1970 of a time, whose seconds have been checked: they are within 64 bits.

    Raises:
        CodedError: INVALID_FIELD.
    """
    # The nanoseconds have no bounds in the contract.
    if not 0 <= at.nanos < _BILLION:
        raise invalid_field(field, "nanos must be from 0 to 999999999")
    return at.seconds * _BILLION + at.nanos
