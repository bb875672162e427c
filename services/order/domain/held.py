"""Orders that are at no venue: held until they are released, or worked through child orders."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.order.domain.links import ListRole
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import (
    Replace,
    ReplaceRequest,
    ReplaceStatus,
    as_released,
    begin,
    released,
    with_distance,
    with_instructions,
    with_terms,
)
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, TimeInForce

HELD_TYPES: Final = frozenset({OrderType.TRAILING_STOP, OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED})
"""Types that no venue is asked to hold."""
RELEASED_TYPES: Final = {
    OrderType.STOP: OrderType.MARKET,
    OrderType.STOP_LIMIT: OrderType.LIMIT,
    OrderType.TRAILING_STOP: OrderType.MARKET,
    OrderType.MARKET_IF_TOUCHED: OrderType.MARKET,
    OrderType.LIMIT_IF_TOUCHED: OrderType.LIMIT,
}
"""What an order is once it was released: the types that wait for a price."""


def stays_here(terms: OrderTerms) -> bool:
    """Tells whether an order does not go to a venue when it is placed."""
    instructions = terms.instructions
    if instructions is None:
        return False
    here = instructions.works_through_children or instructions.held_here
    return here or terms.type in HELD_TYPES or _waits_for_others(terms)


def kept_here(terms: OrderTerms) -> OrderTerms:
    """Returns the terms of an order whose venue does not hold orders of its type: it waits here."""
    if terms.instructions is None or terms.type not in RELEASED_TYPES:
        return terms
    return with_instructions(terms, terms.instructions.held())


def _waits_for_others(terms: OrderTerms) -> bool:
    """An exit waits for its entry. Of the legs that share a quantity, one may rest at a venue: the others wait here."""
    role = terms.role
    return role is ListRole.EXIT or (role is ListRole.LEG and terms.type is not OrderType.LIMIT)


def venue_terms(terms: OrderTerms) -> OrderTerms:
    """Returns the terms that a venue is told: of an order that was released here, what it has become."""
    instructions = terms.instructions
    if instructions is None or not instructions.triggered:
        return terms
    return as_sent(terms)


def as_sent(terms: OrderTerms) -> OrderTerms:
    """Returns the terms that a venue is told of an order which waits, once it is released here."""
    became = RELEASED_TYPES.get(terms.type)
    if became is None:
        return terms
    lives = terms.time_in_force
    if became is OrderType.MARKET and lives is not TimeInForce.FOK:
        lives = TimeInForce.IOC
    return as_released(terms, became, lives)


def keep_here(terms: OrderTerms, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event that an order begins with which does not go to a venue now."""
    if terms.instructions is not None and terms.instructions.works_through_children:
        order = Order(terms, OrderStatus.NEW, sequence=sequence, created_at_ns=at_ns, placed_sequence=0, accepted=True)
        return OrderEvent(ExecutionType.NEW, order)
    order = Order(terms, OrderStatus.SUSPENDED, sequence=sequence, created_at_ns=at_ns, placed_sequence=0)
    return OrderEvent(ExecutionType.SUSPENDED, order)


def release(order: Order, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event that sends a held order to its venue, or None when it is not held."""
    if not order.held:
        return None
    after = order.successor(OrderStatus.PENDING_NEW, live=True, sequence=sequence, at_ns=at_ns)
    after.placed_sequence = sequence
    if order.terms.instructions is not None and order.terms.instructions.waits:
        after.terms = released(order.terms)
    return OrderEvent(ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM, after)


def trigger(order: Order, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event of a held order whose price was reached while it may not be sent yet; None if it does not wait.

    It stays held: another order of its list must leave its venue first.
    """
    instructions = order.terms.instructions
    if not order.held or instructions is None or not instructions.waits:
        return None
    after = order.successor(OrderStatus.SUSPENDED, live=True, sequence=sequence, at_ns=at_ns)
    after.terms = released(order.terms)
    return OrderEvent(ExecutionType.RESTATED, after)


def restate(order: Order, terms: OrderTerms, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event of an order here whose terms follow the market or its list; None when it has ended."""
    if not order.live or order.at_venue:
        return None
    after = order.successor(order.status, live=True, sequence=sequence, at_ns=at_ns)
    after.terms = terms
    return OrderEvent(ExecutionType.RESTATED, after)


def progress(parent: Order, quantity: Decimal, notional: Decimal, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event of a parent whose children have traded; None when it has ended.

    Args:
        parent: The parent.
        quantity: What they traded.
        notional: Exact sum of price x quantity of it.
        sequence: Sequence of the event.
        at_ns: Time of the event.
    """
    if not parent.live:
        return None
    cumulative = parent.cumulative + quantity
    live = cumulative < parent.terms.quantity
    after = parent.successor(OrderStatus.FILLED, live=live, sequence=sequence, at_ns=at_ns)
    after.cumulative, after.notional = cumulative, parent.notional + notional
    if live:
        changing = parent.status in (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE)
        after.status = parent.status if changing else OrderStatus.PARTIALLY_FILLED
        # Why it is to end stays with it until it has.
        after.reason, after.text = parent.reason, parent.text
    return OrderEvent(ExecutionType.ORDER_STATUS, after, None, after.reason, after.text)


def end_here(
    order: Order, status: OrderStatus, sequence: int, at_ns: int, *, reason: str = "", text: str = ""
) -> OrderEvent | None:
    """Returns the event that ends an order which is at no venue; None when it has ended, or is at one."""
    if not order.live or order.at_venue:
        return None
    after = order.successor(status, live=False, sequence=sequence, at_ns=at_ns)
    after.reason, after.text = reason, text
    return OrderEvent(_ENDS[status], after, None, reason, text)


def cancel_held(order: Order, sequence: int, at_ns: int, *, reason: str = "", text: str = "") -> OrderEvent | None:
    """Returns the event that cancels a held order; None when it is not held."""
    if not order.held:
        return None
    return end_here(order, OrderStatus.CANCELED, sequence, at_ns, reason=reason, text=text)


def replace_here(order: Order, request: ReplaceRequest, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event of a replace that no venue has to be asked about."""
    event = _replaced(order, begin(request, order.terms, sequence), sequence, at_ns)
    if request.trailing is not None and request.tick_size is not None:
        event.order.terms = with_distance(event.order.terms, request.trailing, request.tick_size)
    return event


def complete_replace(parent: Order, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event that a parent's replace takes effect with, once no child is in its way; None without one."""
    replace = parent.replacing
    if replace is None or parent.at_venue or parent.status is not OrderStatus.PENDING_REPLACE:
        return None
    event = _replaced(parent, replace, sequence, at_ns)
    if event.order.live:
        event.order.status = parent.resting_status
    return event


def _replaced(order: Order, pending: Replace, sequence: int, at_ns: int) -> OrderEvent:
    replace = pending.decided(ReplaceStatus.REPLACED)
    live = replace.new_quantity > order.cumulative
    after = order.successor(order.status if live else OrderStatus.FILLED, live=live, sequence=sequence, at_ns=at_ns)
    quantity = replace.new_quantity if live else order.cumulative
    after.terms = with_terms(order.terms, quantity, replace.new_limit_price, replace.stop_price, replace.expire_at_ns)
    after.replace = replace
    return OrderEvent(ExecutionType.REPLACED, after)


_ENDS: Final = {
    OrderStatus.CANCELED: ExecutionType.CANCELED,
    OrderStatus.EXPIRED: ExecutionType.EXPIRED,
    OrderStatus.REJECTED: ExecutionType.REJECTED,
}
