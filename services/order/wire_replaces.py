"""Replaces between the contract's messages and the domain's values."""

from __future__ import annotations

from decimal import Decimal

from ordermesh.order.v1.order_replace_pb2 import OrderReplace
from services.kernel.decimals import format_decimal
from services.order.domain.replacing import Replace, ReplaceStatus
from services.order.wire_trailing import trailing_message, trailing_of


def replace_message(replace: Replace) -> OrderReplace:
    """Returns the message of a replace."""
    message = OrderReplace(
        replace_id=replace.replace_id,
        quantity=_text(replace.quantity),
        limit_price=_text(replace.limit_price),
        original_quantity=format_decimal(replace.original_quantity),
        original_limit_price=_text(replace.original_limit_price),
        replace_status=replace.status,  # type: ignore[arg-type]
        sequence=replace.sequence,
        stop_price=_text(replace.stop_price),
        original_stop_price=_text(replace.original_stop_price),
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
        trailing=trailing_of(message.trailing_stop) if message.HasField("trailing_stop") else None,
        original_trailing=(
            trailing_of(message.original_trailing_stop) if message.HasField("original_trailing_stop") else None
        ),
    )


def _text(value: Decimal | None) -> str:
    return "" if value is None else format_decimal(value)


def _number(text: str) -> Decimal | None:
    return Decimal(text) if text else None
