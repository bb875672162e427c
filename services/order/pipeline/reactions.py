"""What follows for other orders from what is about to be committed: it is committed with it, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import structlog

from services.kernel.decimals import ZERO
from services.kernel.identifiers import Identifiers
from services.order.domain import held
from services.order.domain.adjusting import AdjustmentEvent, adjust_parent
from services.order.domain.consequences import Cancel, CompleteReplace, Consequence, End, Release, Resize, Rule
from services.order.domain.events import request_cancel, request_replace
from services.order.domain.family import follow_parent
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.replacing import ReplaceRequest, with_quantity
from services.order.pipeline.entries import Draft

_log = structlog.stdlib.get_logger(__name__)

_MOST_ROUNDS: Final = 20
"""A rule that is not content after so many rounds never will be."""


class Reactions:
    """Carries what happens to one order over to those that it belongs with: a list, a parent and its children.

    It works on the draft, so that cause and consequence are one transaction: no crash can part them. What follows is
    decided from how the orders of a group stand, never from what has happened, so that the same is decided after a
    restart, and nothing twice.
    """

    def __init__(self, follow_list: Rule) -> None:
        self._follow_list = follow_list

    def react(self, draft: Draft, identifiers: Identifiers) -> None:
        """Adds to a draft what follows from its entries."""
        if not draft.grouped:
            return
        self._roll_up(draft, identifiers)
        for group_id in dict.fromkeys(entry.order.terms.group_id for entry in draft.grouped):
            self.settle(draft, group_id, identifiers)

    def settle(self, draft: Draft, group_id: str, identifiers: Identifiers) -> None:
        """Adds to a draft what follows from how the orders of a group stand."""
        for _ in range(_MOST_ROUNDS):
            members = draft.group(group_id)
            rule = self._follow_list if _is_list(members) else follow_parent
            consequences = rule(members)
            if not consequences:
                return
            for consequence in consequences:
                event = _event(consequence, members[consequence.order_id], draft)
                if event is not None:
                    draft.append(event, identifiers.new_id())
        _log.error("orders that belong together do not come to rest", group=group_id)

    def _roll_up(self, draft: Draft, identifiers: Identifiers) -> None:
        """Lets parents take over what their children have traded, and what became of their trades."""
        traded: dict[str, tuple[Decimal, Decimal]] = {}
        adjusted: set[str] = set()
        for entry in draft.grouped:
            parent_order_id = entry.order.terms.parent_order_id
            difference = _difference(entry.event) if parent_order_id else None
            if difference is None:
                continue
            so_far, notional = traded.get(parent_order_id, (ZERO, ZERO))
            traded[parent_order_id] = (so_far + difference[0], notional + difference[1])
            if not entry.event.is_fill:
                adjusted.add(parent_order_id)
        for parent_order_id, (quantity, notional) in traded.items():
            parent = None if parent_order_id in adjusted else draft.order(parent_order_id)
            event = parent and held.progress(parent, quantity, notional, draft.next_sequence, draft.at_ns)
            if event:
                draft.append(event, identifiers.new_id())
            else:
                _adjust_parent(draft, parent_order_id, quantity, notional, identifiers)


def _difference(event: OrderEvent) -> tuple[Decimal, Decimal] | None:
    """Returns how much more an order has traded by an event, in quantity and price x quantity; None for others."""
    if event.is_fill:
        price, quantity = fill_of(event)
        return quantity, quantity * price
    if isinstance(event, AdjustmentEvent):
        now, before = event.adjustment, event.adjustment.before
        return now.quantity - before.quantity, now.quantity * now.price - before.quantity * before.price
    return None


def _adjust_parent(
    draft: Draft, parent_order_id: str, quantity: Decimal, notional: Decimal, identifiers: Identifiers
) -> None:
    """Lets a parent follow what its children have traded once it or they may have ended, perhaps long ago.

    A trade was canceled or corrected, or made anew, or filled beyond what the parent had left.
    """
    history = draft.history(parent_order_id)
    if history is None:
        return  # It is looked up now, and the draft prepared again.
    event = adjust_parent(history.order, quantity, notional, draft.next_sequence, draft.at_ns)
    draft.append(event, identifiers.new_id())


def _is_list(members: Mapping[str, Order]) -> bool:
    return any(order.terms.role is not None for order in members.values())


def _event(consequence: Consequence, order: Order, draft: Draft) -> OrderEvent | None:
    sequence, at_ns = draft.next_sequence, draft.at_ns
    match consequence:
        case Release():
            return held.release(order, sequence, at_ns)
        case Cancel(_, reason, text):
            return request_cancel(order, sequence, at_ns, reason=reason, text=text)
        case End(_, status, reason, text):
            return held.end_here(order, status, sequence, at_ns, reason=reason, text=text)
        case CompleteReplace():
            return held.complete_replace(order, sequence, at_ns)
        case Resize(_, quantity):
            return _resize(order, quantity, sequence, at_ns)


def _resize(order: Order, quantity: Decimal, sequence: int, at_ns: int) -> OrderEvent | None:
    if not order.at_venue:
        return held.restate(order, with_quantity(order.terms, quantity), sequence, at_ns)
    # The sequence makes an id that no other replace of the order has.
    request = ReplaceRequest(order.terms.order_id, f"list-{sequence}", quantity, None)
    return request_replace(order, request, sequence, at_ns)
