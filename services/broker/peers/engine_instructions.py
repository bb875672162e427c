"""Instructions in the engine's terms, and back."""

from __future__ import annotations

from typing import Final

from ordermesh.engine.v1 import order_pb2
from services.broker.domain.messages import Instructions, OrderType
from services.broker.domain.terms import Scale, Terms
from services.kernel.errors import CodedError

OUT_OF_BAND: Final = 2**63 - 1
"""Ticks that no price band of the engine holds."""
_NO_LOTS: Final = -1

_TYPE: Final[dict[int, OrderType]] = {
    order_pb2.ORDER_TYPE_LIMIT: OrderType.LIMIT,
    order_pb2.ORDER_TYPE_MARKET: OrderType.MARKET,
    order_pb2.ORDER_TYPE_STOP: OrderType.STOP,
    order_pb2.ORDER_TYPE_STOP_LIMIT: OrderType.STOP_LIMIT,
}


def add_instructions(message: order_pb2.NewOrder, instructions: Instructions, terms: Terms) -> None:
    """Writes instructions into an order; what cannot be told in ticks and lots in a form that the engine refuses."""
    if instructions.stop_price:
        message.stop_price_ticks = stop_ticks(terms, instructions.stop_price)
    message.expire_time_ns = instructions.expire_at_ns
    message.post_only = instructions.post_only
    if instructions.display_quantity:
        message.display_quantity_lots = _count(
            terms.quantities, instructions.display_quantity, "display_quantity", _NO_LOTS
        )


def stop_ticks(terms: Terms, stop_price: str) -> int:
    """Returns a stop price in ticks; one that is off the tick lies outside of every band."""
    return _count(terms.prices, stop_price, "stop_price", OUT_OF_BAND)


def instructions_of(order: order_pb2.OpenOrder, terms: Terms) -> Instructions | None:
    """Returns the instructions of an order that is open in the engine; None when it has none."""
    stop, display = order.stop_price_ticks, order.display_quantity_lots
    instructions = Instructions(
        terms.prices.text(stop) if stop else "",
        order.expire_time_ns,
        order.post_only,
        terms.quantities.text(display) if display else "",
    )
    return instructions if any(instructions) else None


def type_of(order: order_pb2.OpenOrder) -> OrderType:
    """Returns how the price of an order that is open in the engine is set now."""
    return _TYPE[order.order_type]


def _count(scale: Scale, text: str, field: str, refused: int) -> int:
    try:
        return scale.count(text, field)
    except CodedError:
        return refused
