"""The orders of a list: what one fills is taken from the others, and exits follow what their entry has filled.

FIX calls these One Cancels the Other, One Triggers the Other and their combination, the bracket (tag 1385), with
quantities that are updated by partial fills (One Updates the Other).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from services.kernel.decimals import ZERO
from services.order.domain.consequences import Cancel, Consequence, Release, Resize
from services.order.domain.links import ListRole
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceStatus
from services.order.domain.values import OrderStatus

_DONE: Final = "the other orders of its list have filled their quantity"
_NO_ENTRY: Final = "the entry order of its list has ended without a fill"
_OTHER_TRIGGERED: Final = "another order of its list was triggered"
_EXITED: Final = "an exit of its list is filled"
_NOT_RESIZED: Final = "its venue refused the quantity that its list leaves it"
_BY_LIST: Final = "CANCELED_BY_LIST"
_CHANGING: Final = (OrderStatus.PENDING_CANCEL, OrderStatus.PENDING_REPLACE)


def armed(order: Order, members: Mapping[str, Order]) -> bool:
    """Tells whether an order of a list may be triggered: an exit may once its entry has filled something."""
    if order.terms.role is not ListRole.EXIT:
        return True
    entry = _entry(members)
    return entry is None or entry.cumulative > ZERO


def follow_list(members: Mapping[str, Order]) -> Sequence[Consequence]:
    """Says what follows for the orders of a list from how they stand.

    At most one of the orders that share a quantity is at a venue, so that no two of them can fill the same quantity;
    the next goes there once the one before has left.

    Args:
        members: The orders of the list by id, ended ones too.
    """
    entry = _entry(members)
    sharing = [order for order in members.values() if order is not entry]
    traded = sum((order.cumulative for order in sharing), ZERO)
    left = (_ordered(sharing) if entry is None else entry.cumulative) - traded
    if left <= ZERO and (entry is None or not entry.live):
        return _cancel(sharing, _DONE if traded else _NO_ENTRY)
    consequences = [*_end_entry(entry, sharing)]
    if left > ZERO:
        consequences += _resize(sharing, left) or _send(sharing)
    return consequences


def _entry(members: Mapping[str, Order]) -> Order | None:
    return next((order for order in members.values() if order.terms.role is ListRole.ENTRY), None)


def _ordered(sharing: Sequence[Order]) -> Decimal:
    """Returns the quantity that the legs of a list share: each was ordered with the whole of it."""
    instructions = sharing[0].terms.instructions
    links = None if instructions is None else instructions.links
    return sharing[0].terms.quantity if links is None or links.ordered is None else links.ordered


def _cancel(orders: Sequence[Order], text: str) -> list[Consequence]:
    return [
        Cancel(order.terms.order_id, _BY_LIST, text)
        for order in orders
        if order.live and order.status is not OrderStatus.PENDING_CANCEL
    ]


def _end_entry(entry: Order | None, sharing: Sequence[Order]) -> list[Consequence]:
    """An exit that has sold all there was says that the way in is over: what is left of the entry is canceled."""
    if entry is None or not entry.live or not any(order.status is OrderStatus.FILLED for order in sharing):
        return []
    return _cancel((entry,), _EXITED)


def _resize(sharing: Sequence[Order], left: Decimal) -> list[Consequence]:
    """Gives each order what is left for it; one that is being changed is looked at again when that is decided."""
    return [
        _resized(order, order.cumulative + left)
        for order in sharing
        if order.live and order.status not in _CHANGING and order.terms.quantity != order.cumulative + left
    ]


def _resized(order: Order, quantity: Decimal) -> Consequence:
    replace = order.replace
    if replace is not None and replace.status is ReplaceStatus.REJECTED and replace.new_quantity == quantity:
        # Asked again it would be refused again, for ever.
        return Cancel(order.terms.order_id, _BY_LIST, _NOT_RESIZED)
    return Resize(order.terms.order_id, quantity)


def _send(sharing: Sequence[Order]) -> list[Consequence]:
    """Sends the next order to its venue, or calls back the one that is there for one whose price was reached."""
    ready = [order for order in sharing if order.held and not _waits(order)]
    if not ready:
        return []
    chosen = next(_triggered(ready), None)
    working = [order for order in sharing if order.live and order.at_venue]
    if not working:
        return [Release((chosen or ready[0]).terms.order_id)]
    return _cancel(working, _OTHER_TRIGGERED) if chosen is not None else []


def _waits(order: Order) -> bool:
    return order.terms.instructions is not None and order.terms.instructions.waits


def _triggered(orders: Sequence[Order]) -> Iterator[Order]:
    return (order for order in orders if order.terms.instructions is not None and order.terms.instructions.triggered)
