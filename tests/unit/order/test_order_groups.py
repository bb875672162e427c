"""Transactions that change many groups of orders, such as a mass cancel: each costs what its own orders cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.order.domain.contingency import follow_list
from services.order.domain.events import place, request_cancel
from services.order.domain.instructions import Instructions
from services.order.domain.order_lists import ContingencyType, ListRecord, link
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, OrderType
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.reactions import Reactions
from tests.fakes.orders import CountingIdentifiers, terms


def pair(identifiers: CountingIdentifiers) -> list[OrderTerms]:
    """Returns a take-profit and the stop-loss beside it."""
    record = ListRecord(identifiers.new_id(), "l", "demo", ContingencyType.ONE_CANCELS_THE_OTHER)
    stop = Instructions(stop_price=Decimal(9))
    return link(record, [terms(), terms(type=OrderType.STOP, limit_price=None, instructions=stop)])


def cancel_all(lists: int, looks: list[OrderTerms]) -> Draft:
    """Places lists and cancels them all in one transaction; returns that, and which terms it has looked at."""
    book, identifiers, reactions = Book(epoch="e"), CountingIdentifiers(), Reactions(follow_list)
    book.load_accounts({"demo": 0})
    placing = Draft(book, 1)
    for _ in range(lists):
        for each in pair(identifiers):
            placing.append(place(each, placing.next_sequence, 1), identifiers.new_id())
    book.install(placing)
    looks.clear()
    draft = Draft(book, 2)
    for order in draft.live_orders("demo"):
        event = request_cancel(order, draft.next_sequence, 2)
        assert event is not None
        draft.append(event, identifiers.new_id())
    reactions.react(draft, identifiers)
    return draft


def test_a_mass_cancel_of_lists_costs_what_its_orders_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times as many lists: ten times as many looks at what order belongs to which, not a hundred times."""
    looks: list[OrderTerms] = []
    group_id: Any = OrderTerms.group_id

    def counted(self: OrderTerms) -> str:
        looks.append(self)
        return str(group_id.fget(self))

    monkeypatch.setattr(OrderTerms, "group_id", property(counted))
    few = cancel_all(10, looks)
    looks_at_few = len(looks)
    many = cancel_all(100, looks)
    assert len(looks) == 10 * looks_at_few
    assert len(many.entries) == 10 * len(few.entries)


def test_a_group_is_told_as_the_draft_leaves_it() -> None:
    """Orders that were committed and orders that begin with the draft, each once, in their newest state."""
    book, identifiers = Book(epoch="e"), CountingIdentifiers()
    book.load_accounts({"demo": 0})
    first, second = pair(identifiers)
    committed = Draft(book, 1)
    committed.append(place(first, 1, 1), identifiers.new_id())
    book.install(committed)
    draft = Draft(book, 2)
    draft.append(place(second, draft.next_sequence, 2), identifiers.new_id())
    order = draft.order(first.order_id)
    event = None if order is None else request_cancel(order, draft.next_sequence, 2)
    assert event is not None
    draft.append(event, identifiers.new_id())
    told = draft.group(first.group_id)
    assert list(told) == [first.order_id, second.order_id]
    assert [each.status for each in told.values()] == [OrderStatus.PENDING_CANCEL, OrderStatus.SUSPENDED]
    assert not draft.group("another")
