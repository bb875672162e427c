"""A parent and its children: what follows when one of them changes, and which child a parent has room for.

A parent that is to end is PENDING_CANCEL until its children have ended, and then ends as the reason says that it keeps.
A parent that is to be replaced is PENDING_REPLACE until no child is left that its new terms have no room for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.kernel.decimals import ZERO
from services.order.domain.consequences import Cancel, CompleteReplace, Consequence, End
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, Side

OUT_OF_TIME: Final = "ALGORITHM_ENDED"
"""Why a parent expires rather than is canceled."""

_ORPHANED: Final = "its parent order has ended"
_ENDING: Final = "its parent order is being canceled"
_EXPIRING: Final = "the time of its parent order is over"
_REPLACING: Final = "its parent order is being replaced"
_WORKING: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


def follow_parent(members: Mapping[str, Order]) -> Sequence[Consequence]:
    """Says what follows for a parent and its children; the parent's own progress is not a matter of this rule.

    Args:
        members: The parent, unless it ended before, and its children that are live or ended just now.
    """
    parent = next((order for order in members.values() if not order.terms.parent_order_id), None)
    children = [order for order in members.values() if order.terms.parent_order_id and order.live]
    if parent is None or not parent.live:
        return _cancel(children, _ORPHANED)
    if parent.status is OrderStatus.PENDING_REPLACE:
        return _follow_replace(parent, children)
    if parent.status is not OrderStatus.PENDING_CANCEL:
        return ()
    expires = parent.reason == OUT_OF_TIME
    if not children:
        status = OrderStatus.EXPIRED if expires else OrderStatus.CANCELED
        return (End(parent.terms.order_id, status, parent.reason, parent.text),)
    return _cancel(children, _EXPIRING if expires else _ENDING)


def has_no_room(child: OrderTerms, members: Mapping[str, Order]) -> str:
    """Returns why a parent cannot take a child as it stands; empty when it can.

    Args:
        child: The child that is about to begin.
        members: The parent and its children, as they stand.
    """
    parent = members.get(child.parent_order_id)
    if parent is None or parent.status not in _WORKING:
        return "its parent order takes no more children"
    if _beyond(child, parent.terms.limit_price):
        return "its price is beyond the limit of its parent order"
    live = [order for order in members.values() if order is not parent and order.live]
    if child.quantity > parent.leaves - _leaves(live):
        return "its parent order has less than its quantity left"
    return ""


def _follow_replace(parent: Order, children: Sequence[Order]) -> Sequence[Consequence]:
    replace = parent.replacing
    if replace is None:
        return ()
    wrong = {id(child) for child in children if _beyond(child.terms, replace.new_limit_price)}
    over = _leaves(child for child in children if id(child) not in wrong) - (replace.new_quantity - parent.cumulative)
    for child in reversed(children):
        if over > ZERO and id(child) not in wrong:
            wrong.add(id(child))
            over -= child.leaves
    if not wrong:
        return (CompleteReplace(parent.terms.order_id),)
    return _cancel([child for child in children if id(child) in wrong], _REPLACING)


def _beyond(child: OrderTerms, limit: Decimal | None) -> bool:
    """Tells whether a child could trade at a worse price than its parent may."""
    if limit is None:
        return False
    price = child.limit_price
    if price is None:
        return True
    return price > limit if child.side is Side.BUY else price < limit


def _leaves(orders: Iterable[Order]) -> Decimal:
    return sum((order.leaves for order in orders), ZERO)


def _cancel(children: Sequence[Order], text: str) -> Sequence[Consequence]:
    return [
        Cancel(order.terms.order_id, text=text) for order in children if order.status is not OrderStatus.PENDING_CANCEL
    ]
