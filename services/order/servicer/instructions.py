"""What requests ask for beyond price and quantity, and how their numbers are read."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from services.kernel.decimals import parse_positive
from services.kernel.errors import invalid_field
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links

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


def instructions_of_request(request: PlaceOrderRequest) -> Instructions:
    """Returns what a request asks for beyond price and quantity.

    Raises:
        CodedError: INVALID_FIELD.
    """
    stop_price, display_quantity = request.stop_price, request.display_quantity
    return Instructions(
        stop_price=number(stop_price, "stop_price") if stop_price else None,
        expire_at_ns=_nanoseconds(request.expire_at) if request.HasField("expire_at") else None,
        post_only=request.post_only,
        display_quantity=number(display_quantity, "display_quantity") if display_quantity else None,
        links=Links(strategy_id=request.strategy_id) if request.strategy_id else None,
    )


def _nanoseconds(at: Timestamp) -> int:
    # The seconds are within the contract's bounds; the nanoseconds have none there.
    if not 0 <= at.nanos < _BILLION:
        raise invalid_field("expire_at", "nanos must be from 0 to 999999999")
    return at.seconds * _BILLION + at.nanos
