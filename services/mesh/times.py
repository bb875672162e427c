"""Times that callers send: read, and refused where they are out of bounds."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from services.kernel.errors import invalid_field

Span = tuple[datetime | None, datetime | None]
"""From, inclusive, and to, exclusive; None where the caller set no bound."""


def moment(stamp: Timestamp, field: str) -> datetime:
    """Returns a time in UTC, cut to microseconds.

    Raises:
        CodedError: INVALID_FIELD, when it is before the year 1 or after 9999.
    """
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise invalid_field(field, "must be a time between the years 1 and 9999") from None


def span(request: Message) -> Span:
    """Returns the bounds `from` and `to` of a list.

    Raises:
        CodedError: INVALID_FIELD, when a bound is no time, or the span ends before it begins.
    """
    begin, end = _bound(request, "from"), _bound(request, "to")
    if begin is not None and end is not None and end < begin:
        raise invalid_field("to", "must not be before from")
    return begin, end


def _bound(request: Message, field: str) -> datetime | None:
    return moment(getattr(request, field), field) if request.HasField(field) else None
