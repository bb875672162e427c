"""A parent and its children: the children of an order that is to end are canceled, and it ends after the last one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from services.order.domain.consequences import Cancel, Consequence, End
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus

_ORPHANED: Final = "its parent order has ended"
_ENDING: Final = "its parent order is being canceled"


def follow_parent(members: Mapping[str, Order]) -> Sequence[Consequence]:
    """Says what follows for a parent and its children; the parent's own progress is not a matter of this rule.

    Args:
        members: The parent, unless it ended before, and its children that are live or ended just now.
    """
    parent = next((order for order in members.values() if not order.terms.parent_order_id), None)
    children = [order for order in members.values() if order.terms.parent_order_id and order.live]
    if parent is None or not parent.live:
        return _cancel(children, _ORPHANED)
    if parent.status is not OrderStatus.PENDING_CANCEL:
        return ()
    if not children:
        return (End(parent.terms.order_id, OrderStatus.CANCELED, parent.reason, parent.text),)
    return _cancel(children, _ENDING)


def _cancel(children: Sequence[Order], text: str) -> Sequence[Consequence]:
    return [
        Cancel(order.terms.order_id, text=text) for order in children if order.status is not OrderStatus.PENDING_CANCEL
    ]
