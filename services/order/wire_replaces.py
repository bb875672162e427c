"""Replaces between the contract's messages and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import order_replace_pb2
from ordermesh.order.v1.order_replace_pb2 import OrderReplace
from services.kernel.decimals import format_decimal
from services.order.domain.replacing import Replace, ReplaceStatus
from services.order.wire_trailing import trailing_message, trailing_of

_BILLION = 1_000_000_000


def replace_message(replace: Replace) -> OrderReplace:
    """Returns the message of a replace."""
    message = OrderReplace(
        replace_id=replace.replace_id,
        quantity=_text(replace.quantity),
        limit_price=_text(replace.limit_price),
        original_quantity=format_decimal(replace.original_quantity),
        original_limit_price=_text(replace.original_limit_price),
        replace_status=order_replace_pb2.ReplaceStatus.ValueType(replace.status),
        sequence=replace.sequence,
        stop_price=_text(replace.stop_price),
        original_stop_price=_text(replace.original_stop_price),
        expire_at=_time(replace.expire_at_ns),
        original_expire_at=_time(replace.original_expire_at_ns),
    )
    if replace.trailing is not None:
        message.trailing_stop.CopyFrom(trailing_message(replace.trailing))
    if replace.original_trailing is not None:
        message.original_trailing_stop.CopyFrom(trailing_message(replace.original_trailing))
    return message


def replace_of(message: OrderReplace) -> Replace:
    """Returns the replace of a message."""
    return Replace(
        message.replace_id,
        _number(message.quantity),
        _number(message.limit_price),
        Decimal(message.original_quantity),
        _number(message.original_limit_price),
        message.sequence,
        ReplaceStatus(message.replace_status),
        _number(message.stop_price),
        _number(message.original_stop_price),
        _nanoseconds(message.expire_at) if message.HasField("expire_at") else None,
        _nanoseconds(message.original_expire_at) if message.HasField("original_expire_at") else None,
        trailing=trailing_of(message.trailing_stop) if message.HasField("trailing_stop") else None,
        original_trailing=(
            trailing_of(message.original_trailing_stop) if message.HasField("original_trailing_stop") else None
        ),
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _time(at_ns: int | None) -> Timestamp | None:
    if at_ns is None:
        return None
    seconds, nanos = divmod(at_ns, _BILLION)
    return Timestamp(seconds=seconds, nanos=nanos)


def _nanoseconds(at: Timestamp) -> int:
    return at.seconds * _BILLION + at.nanos


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
