"""Lists of orders: exits follow their entry, and orders that share a quantity never fill more than it together."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.kernel.decimals import ZERO
from services.order.domain.contingency import armed
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, Side
from tests.fakes.order_desk import DeskOfOrders
from tests.fakes.orders import terms

ENTRY, LEG, EXIT = ListRole.ENTRY, ListRole.LEG, ListRole.EXIT
LIST_ID = "22222222-0000-7000-8000-000000000001"


def member(role: ListRole, type_: OrderType = OrderType.LIMIT, quantity: str = "100") -> OrderTerms:
    """Returns the terms of an order of a list."""
    links = Links(LIST_ID, role, ordered=Decimal(quantity))
    stop = Decimal(95) if type_ in (OrderType.STOP, OrderType.STOP_LIMIT) else None
    return terms(
        side=Side.BUY if role is ENTRY else Side.SELL,
        type=type_,
        quantity=quantity,
        limit_price=None if type_ is OrderType.STOP else "110",
        instructions=Instructions(stop_price=stop, links=links),
    )


class Listed:
    """A list on a desk: its entry, the take-profit and the stop-loss."""

    def __init__(self, *, entry: bool) -> None:
        self.desk = DeskOfOrders()
        role = EXIT if entry else LEG
        self.terms = [member(role), member(role, OrderType.STOP)]
        if entry:
            self.terms.insert(0, member(ENTRY))
        self.desk.place(*self.terms)

    @property
    def orders(self) -> list[Order]:
        return [self.desk.orders[each.order_id] for each in self.terms]

    @property
    def statuses(self) -> list[OrderStatus]:
        return [order.status for order in self.orders]

    def id(self, index: int) -> str:
        return self.terms[index].order_id


def test_exits_wait_here_until_their_entry_fills_and_take_what_it_has_filled() -> None:
    """An entry that is filled in two parts arms its exits with the first, and gives them the rest with the second."""
    bracket = Listed(entry=True)
    assert bracket.statuses == [OrderStatus.PENDING_NEW, OrderStatus.SUSPENDED, OrderStatus.SUSPENDED]
    bracket.desk.fill(bracket.id(0), Decimal(40))
    assert [order.terms.quantity for order in bracket.orders] == [100, 40, 40]
    assert bracket.statuses[1:] == [OrderStatus.PENDING_NEW, OrderStatus.SUSPENDED]
    bracket.desk.fill(bracket.id(0), Decimal(60))
    assert bracket.statuses[1] is OrderStatus.PENDING_REPLACE
    bracket.desk.answer(bracket.id(1), agree=True)
    assert [order.terms.quantity for order in bracket.orders] == [100, 100, 100]


def test_what_the_take_profit_fills_is_taken_from_the_stop_loss() -> None:
    """A take-profit that is filled in two parts leaves the stop-loss the rest, then nothing: it is canceled."""
    bracket = Listed(entry=True)
    bracket.desk.fill(bracket.id(0), Decimal(100))
    bracket.desk.fill(bracket.id(1), Decimal(30))
    assert bracket.orders[2].terms.quantity == 70
    bracket.desk.fill(bracket.id(1), Decimal(70))
    assert bracket.statuses == [OrderStatus.FILLED, OrderStatus.FILLED, OrderStatus.CANCELED]


def test_a_stop_loss_waits_until_the_take_profit_has_left_its_venue() -> None:
    """A stop-loss whose price is reached calls the take-profit back, and is sent with what that has left of it."""
    pair = Listed(entry=False)
    assert pair.statuses == [OrderStatus.PENDING_NEW, OrderStatus.SUSPENDED]
    pair.desk.trigger(pair.id(1))
    assert pair.statuses == [OrderStatus.PENDING_CANCEL, OrderStatus.SUSPENDED]
    pair.desk.fill(pair.id(0), Decimal(30))
    pair.desk.answer(pair.id(0), agree=True)
    assert pair.statuses == [OrderStatus.CANCELED, OrderStatus.PENDING_NEW]
    assert pair.desk.venue[pair.id(1)].quantity == 70
    released = pair.desk.entries[-1]
    assert released.event.type is ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM
    assert released.order.placed_sequence == released.sequence


def test_exits_end_with_an_entry_that_ends_unfilled() -> None:
    """An entry that its venue ends without a fill takes its exits with it."""
    bracket = Listed(entry=True)
    bracket.desk.end(bracket.id(0))
    assert bracket.statuses == [OrderStatus.EXPIRED, OrderStatus.CANCELED, OrderStatus.CANCELED]


def test_an_exit_that_is_filled_ends_the_entry() -> None:
    """A take-profit that has sold all there was cancels the rest of the entry; the stop-loss stays for late fills."""
    bracket = Listed(entry=True)
    bracket.desk.fill(bracket.id(0), Decimal(40))
    bracket.desk.fill(bracket.id(1), Decimal(40))
    assert bracket.statuses == [OrderStatus.PENDING_CANCEL, OrderStatus.FILLED, OrderStatus.SUSPENDED]
    bracket.desk.fill(bracket.id(0), Decimal(10))
    assert bracket.orders[2].terms.quantity == 10
    bracket.desk.answer(bracket.id(0), agree=True)
    assert bracket.statuses[0] is OrderStatus.CANCELED
    assert bracket.statuses[2] is OrderStatus.SUSPENDED


def test_an_order_that_its_venue_does_not_resize_is_canceled() -> None:
    """A take-profit that cannot grow with its entry is called back, and the stop-loss keeps the whole quantity."""
    bracket = Listed(entry=True)
    bracket.desk.fill(bracket.id(0), Decimal(40))
    bracket.desk.fill(bracket.id(0), Decimal(60))
    bracket.desk.answer(bracket.id(1), agree=False)
    assert bracket.statuses[1] is OrderStatus.PENDING_CANCEL
    bracket.desk.answer(bracket.id(1), agree=True)
    assert (bracket.statuses[1], bracket.orders[2].terms.quantity) == (OrderStatus.CANCELED, 100)


@pytest.mark.parametrize("entry", [True, False])
def test_a_list_stays_in_memory_while_one_of_it_lives(entry: bool) -> None:
    """What ended orders of a list have filled is known until the last of them has ended."""
    listed = Listed(entry=entry)
    for each in reversed(listed.terms):
        assert len(listed.desk.book.group(LIST_ID)) == len(listed.terms)
        listed.desk.cancel(each.order_id)
        if each.order_id in listed.desk.venue:
            listed.desk.answer(each.order_id, agree=True)
    assert not listed.desk.book.groups


class ListMachine(RuleBasedStateMachine):
    """Leads a list through anything that venue, market and caller can do."""

    @initialize(entry=st.booleans())
    def list_is_placed(self, entry: bool) -> None:
        self.listed = Listed(entry=entry)
        self.desk = self.listed.desk

    def at_venue(self) -> list[str]:
        return [order_id for order_id, held in self.desk.venue.items() if held.open]

    @precondition(lambda self: self.at_venue())
    @rule(data=st.data())
    def venue_fills(self, data: st.DataObject) -> None:
        order_id = data.draw(st.sampled_from(self.at_venue()))
        most = int(self.desk.venue[order_id].leaves)
        self.desk.fill(order_id, Decimal(data.draw(st.integers(1, most))))

    @precondition(lambda self: any(held.asked for held in self.desk.venue.values()))
    @rule(data=st.data(), agree=st.booleans())
    def venue_answers(self, data: st.DataObject, agree: bool) -> None:
        asked = [order_id for order_id, held in self.desk.venue.items() if held.asked]
        self.desk.answer(data.draw(st.sampled_from(asked)), agree=agree)

    @precondition(lambda self: self.at_venue())
    @rule(data=st.data())
    def venue_ends(self, data: st.DataObject) -> None:
        self.desk.end(data.draw(st.sampled_from(self.at_venue())))

    @rule(data=st.data())
    def price_is_reached(self, data: st.DataObject) -> None:
        members = self.desk.book.group(LIST_ID)
        waiting = [order for order in members.values() if order.held and armed(order, members)]
        if waiting:
            self.desk.trigger(data.draw(st.sampled_from(waiting)).terms.order_id)

    @rule(data=st.data())
    def caller_cancels(self, data: st.DataObject) -> None:
        self.desk.cancel(data.draw(st.sampled_from(self.listed.terms)).order_id)

    @invariant()
    def never_more_than_the_quantity(self) -> None:
        """What shares a quantity has not filled more than it, nor could what is at the venue now."""
        sharing = [order for order in self.listed.orders if order.terms.role is not ENTRY]
        entry = next((order for order in self.listed.orders if order.terms.role is ENTRY), None)
        most = Decimal(100) if entry is None else entry.cumulative
        filled = sum((order.cumulative for order in sharing), ZERO)
        open_ = [self.desk.venue[order.terms.order_id] for order in sharing if order.terms.order_id in self.at_venue()]
        assert filled + sum((held.leaves for held in open_), ZERO) <= most
        assert len(open_) <= 1

    @invariant()
    def quantity_is_what_traded_and_what_may(self) -> None:
        for order in self.listed.orders:
            assert not order.live or order.terms.quantity == order.cumulative + order.leaves

    def teardown(self) -> None:
        """Once the venue has answered all, and everything at it is over, nothing of the list can wait for ever."""
        if not hasattr(self, "desk"):
            return
        for _ in range(100):
            open_ = self.at_venue()
            for order_id, held in list(self.desk.venue.items()):
                while held.asked:
                    self.desk.answer(order_id, agree=True)
            for order_id in open_:
                if self.desk.venue[order_id].open:
                    self.desk.fill(order_id, self.desk.venue[order_id].leaves)
            members = self.desk.book.group(LIST_ID)
            for order in list(members.values()):
                if order.held and armed(order, members):
                    self.desk.trigger(order.terms.order_id)
            if not self.desk.book.groups:
                break
        assert all(not order.live for order in self.listed.orders)


TestLists = ListMachine.TestCase
