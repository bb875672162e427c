"""What an order that is held here waits for: a price, one that follows the market, the end of its time."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.order.domain.order import Order
from services.order.domain.replacing import with_instructions
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import better
from services.order.domain.values import OrderType, Side, TimeInForce

TOUCHED_TYPES: Final = (OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED)
"""Types that wait for the market to come to them, where stop orders wait for it to go past them."""
_DAY_NS: Final = 86_400 * 1_000_000_000


def waits(order: Order) -> bool:
    """Tells whether an order is held here and waits for a price."""
    instructions = order.terms.instructions
    return order.held and instructions is not None and instructions.waits


def rises_to(terms: OrderTerms) -> bool:
    """Tells whether an order waits for trades at its price or above; else it waits for those at its price or below."""
    return (terms.side is Side.BUY) != (terms.type in TOUCHED_TYPES)


def reached(terms: OrderTerms, price: Decimal) -> bool:
    """Tells whether a trade at a price releases an order that waits."""
    stop_price = None if terms.instructions is None else terms.instructions.stop_price
    if stop_price is None:
        return False
    return price >= stop_price if rises_to(terms) else price <= stop_price


def followed(terms: OrderTerms, reference_price: Decimal, as_of_ns: int, tick_size: Decimal) -> OrderTerms:
    """Returns the terms of a trailing stop order after some trades; the same ones when its stop price stays.

    Args:
        terms: The order.
        reference_price: The best of these trades: the highest for a sell, the lowest for a buy order.
        as_of_ns: When the last of them was made.
        tick_size: Tick of the instrument.
    """
    instructions = terms.instructions
    if instructions is None or instructions.trailing is None:
        return terms
    trailing, before = instructions.trailing, instructions.stop_price
    best = better(terms.side, trailing.reference_price, reference_price) or reference_price
    stop_price = better(terms.side, before, trailing.stop_price(terms.side, best, tick_size))
    if stop_price == before:
        return terms
    return with_instructions(terms, instructions.trailed(trailing.following(best, as_of_ns), stop_price))


def expires_at_ns(order: Order) -> int | None:
    """Returns when an order that is held here expires, nanoseconds since 1970; None for never.

    A venue has its own end of the day; what is at none has that of the UTC day in which it was placed.
    """
    time_in_force = order.terms.time_in_force
    if time_in_force is TimeInForce.DAY:
        return (order.created_at_ns // _DAY_NS + 1) * _DAY_NS
    instructions = order.terms.instructions
    if time_in_force is not TimeInForce.GTD or instructions is None:
        return None
    return instructions.expire_at_ns
