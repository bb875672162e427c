"""Trailing stops between the contract's message and the domain's value."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import trailing_stop_pb2
from services.kernel.decimals import format_decimal
from services.order.domain.trailing import TrailingStop

_BILLION = 1_000_000_000


def trailing_message(trailing: TrailingStop) -> trailing_stop_pb2.TrailingStop:
    """Returns the message of a trailing stop."""
    message = trailing_stop_pb2.TrailingStop()
    if trailing.ticks is not None:
        message.ticks = trailing.ticks
    elif trailing.percent is not None:
        message.percent = format_decimal(trailing.percent)
    elif trailing.amount is not None:
        message.amount = format_decimal(trailing.amount)
    if trailing.reference_price is not None:
        message.reference_price = format_decimal(trailing.reference_price)
    if trailing.as_of_ns is not None:
        seconds, nanos = divmod(trailing.as_of_ns, _BILLION)
        message.as_of.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
    return message


def trailing_of(message: trailing_stop_pb2.TrailingStop) -> TrailingStop:
    """Returns the trailing stop of a message."""
    told = message.HasField("as_of")
    return TrailingStop(
        amount=Decimal(message.amount) if message.HasField("amount") else None,
        percent=Decimal(message.percent) if message.HasField("percent") else None,
        ticks=message.ticks if message.HasField("ticks") else None,
        reference_price=Decimal(message.reference_price) if message.reference_price else None,
        as_of_ns=message.as_of.seconds * _BILLION + message.as_of.nanos if told else None,
    )
