"""How an order begins, and how a request to cancel or to replace changes it."""

from __future__ import annotations

from typing import Final

from services.order.domain.breach import RiskBreach
from services.order.domain.held import cancel_held, keep_here, replace_here, stays_here
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, begin
from services.order.domain.terms import OrderTerms
from services.order.domain.values import CHANGING, ON_REQUEST, ExecutionType, OrderStatus

_ON_REQUEST_TEXT: Final = "canceled on request"


def place(terms: OrderTerms, sequence: int, at_ns: int) -> OrderEvent:
    """Returns the event that an order begins with: on its way to a venue, held here, or worked through child orders."""
    if terms.instructions is not None and stays_here(terms):
        return keep_here(terms, sequence, at_ns)
    order = Order(terms, OrderStatus.PENDING_NEW, sequence=sequence, created_at_ns=at_ns)
    return OrderEvent(ExecutionType.PENDING_NEW, order)


def refuse(
    terms: OrderTerms, sequence: int, at_ns: int, *, reason: str, text: str, breach: RiskBreach | None
) -> OrderEvent:
    """Returns the only event of an order that risk refuses."""
    order = Order(
        terms,
        OrderStatus.REJECTED,
        sequence=sequence,
        created_at_ns=at_ns,
        reason=reason,
        text=text,
        breach=breach,
    )
    return OrderEvent(ExecutionType.REJECTED, order, reason=reason, text=text)


def request_cancel(order: Order, sequence: int, at_ns: int, *, reason: str = "", text: str = "") -> OrderEvent | None:
    """Returns the event of a request to cancel, or None when the order has ended or one is on its way.

    Reason and text are given when it is not the client's own request.
    """
    if not order.live or order.status is OrderStatus.PENDING_CANCEL:
        return None
    if not order.at_venue and not reason:
        # No venue will say so.
        reason, text = ON_REQUEST, _ON_REQUEST_TEXT
    if order.held:
        return cancel_held(order, sequence, at_ns, reason=reason, text=text)
    after = order.successor(OrderStatus.PENDING_CANCEL, live=True, sequence=sequence, at_ns=at_ns)
    if order.at_venue:
        after.cancel_sequence = sequence
    if reason:
        # Its venue, or the end of its children, answers later: by then it must be known why.
        after.reason, after.text = reason, text
    return OrderEvent(ExecutionType.PENDING_CANCEL, after, reason=reason, text=text)


def request_replace(order: Order, request: ReplaceRequest, sequence: int, at_ns: int) -> OrderEvent | None:
    """Returns the event of a request to replace, or None when the order has ended or another change is on its way."""
    if not order.live or order.status in CHANGING:
        return None
    if order.held:
        return replace_here(order, request, sequence, at_ns)
    # A parent's takes effect once no child is in its way: in the same transaction if none is.
    after = order.successor(OrderStatus.PENDING_REPLACE, live=True, sequence=sequence, at_ns=at_ns)
    after.replace = begin(request, order.terms, sequence)
    return OrderEvent(ExecutionType.PENDING_REPLACE, after)
