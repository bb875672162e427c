"""Orders at no venue: held until they are released, replaced and canceled here, parents that children fill."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.order.domain import held
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, ReplaceStatus
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, TimeInForce
from tests.fakes.order_desk import DeskOfOrders
from tests.fakes.orders import event, terms

LIST_ID = "22222222-0000-7000-8000-000000000001"


def stop(type_: OrderType = OrderType.STOP, lives: TimeInForce = TimeInForce.GTC) -> OrderTerms:
    """Returns the terms of a stop order that its list holds."""
    links = Links(LIST_ID, ListRole.LEG, ordered=Decimal(100))
    limit = "94" if type_ is OrderType.STOP_LIMIT else None
    waiting = Instructions(stop_price=Decimal(95), links=links)
    return terms(type=type_, time_in_force=lives, limit_price=limit, instructions=waiting)


def suspended() -> Order:
    """Returns a held order."""
    return place(stop(), 1, 1).order


def parent(quantity: str = "100") -> OrderTerms:
    """Returns the terms of an order that its children fill."""
    return terms(quantity=quantity, instructions=Instructions(works_through_children=True))


def child(of: OrderTerms, quantity: str) -> OrderTerms:
    """Returns the terms of a child order."""
    return terms(quantity=quantity, instructions=Instructions(links=Links(parent_order_id=of.order_id)))


def test_a_held_order_begins_suspended_and_at_no_venue() -> None:
    """Its first event is SUSPENDED; nothing numbers a command for it."""
    made = place(stop(), 7, 1)
    assert (made.type, made.order.status) == (ExecutionType.SUSPENDED, OrderStatus.SUSPENDED)
    assert (made.order.at_venue, made.order.live, made.order.leaves) == (False, True, 100)


@pytest.mark.parametrize(
    ("type_", "lives", "told"),
    [
        (OrderType.STOP, TimeInForce.GTC, (OrderType.MARKET, TimeInForce.IOC)),
        (OrderType.STOP, TimeInForce.FOK, (OrderType.MARKET, TimeInForce.FOK)),
        (OrderType.STOP_LIMIT, TimeInForce.GTC, (OrderType.LIMIT, TimeInForce.GTC)),
    ],
)
def test_a_released_order_goes_to_its_venue_as_what_it_has_become(
    type_: OrderType, lives: TimeInForce, told: tuple[OrderType, TimeInForce]
) -> None:
    """Released, it is PENDING_NEW, numbered by its release, and a market or limit order without a stop price."""
    after = event(held.release(place(stop(type_, lives), 1, 1).order, 9, 2))
    assert after.type is ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM
    assert (after.order.status, after.order.placed_sequence) == (OrderStatus.PENDING_NEW, 9)
    venue = held.venue_terms(after.order.terms)
    assert (venue.type, venue.time_in_force) == told
    assert venue.instructions is not None
    assert venue.instructions.stop_price is None
    assert after.order.terms.type is type_
    assert held.release(after.order, 10, 3) is None


def test_a_cancel_of_a_held_order_is_done_at_once() -> None:
    """No venue has to be asked: it is CANCELED."""
    made = event(request_cancel(suspended(), 2, 2, reason="R", text="why"))
    assert (made.type, made.order.status, made.order.text) == (ExecutionType.CANCELED, OrderStatus.CANCELED, "why")
    assert held.release(made.order, 3, 3) is None


def test_a_replace_of_a_held_order_is_done_at_once() -> None:
    """It has its new terms, is still held, and its replace is told as done."""
    request = ReplaceRequest("o", "r-1", None, None, stop_price=Decimal(96))
    made = event(request_replace(suspended(), request, 2, 2))
    assert (made.type, made.order.status) == (ExecutionType.REPLACED, OrderStatus.SUSPENDED)
    assert made.order.terms.instructions is not None
    assert made.order.terms.instructions.stop_price == 96
    assert made.order.replace is not None
    assert made.order.replace.status is ReplaceStatus.REPLACED


def test_a_parent_takes_over_what_its_children_fill() -> None:
    """Fills of children are the parent's progress, told as ORDER_STATUS with the exact average; the last fills it."""
    desk = DeskOfOrders()
    whole = parent()
    first, second = child(whole, "40"), child(whole, "60")
    desk.place(whole, first)
    assert (desk.orders[whole.order_id].status, whole.order_id in desk.venue) == (OrderStatus.NEW, False)
    desk.fill(first.order_id, Decimal(40), "10")
    told = desk.entries[-1]
    assert (told.event.type, told.order.terms.order_id) == (ExecutionType.ORDER_STATUS, whole.order_id)
    assert (told.order.status, told.order.cumulative) == (OrderStatus.PARTIALLY_FILLED, 40)
    desk.place(second)
    desk.fill(second.order_id, Decimal(60), "20")
    order = desk.orders[whole.order_id]
    assert (order.status, order.average) == (OrderStatus.FILLED, 16)
    assert not desk.book.groups


def test_a_canceled_parent_ends_after_its_last_child() -> None:
    """A cancel calls the children back; what they fill meanwhile counts; then the parent is CANCELED."""
    desk = DeskOfOrders()
    whole = parent()
    part = child(whole, "40")
    desk.place(whole, part)
    desk.cancel(whole.order_id)
    assert [desk.orders[each.order_id].status for each in (whole, part)] == [OrderStatus.PENDING_CANCEL] * 2
    desk.fill(part.order_id, Decimal(10))
    desk.answer(part.order_id, agree=True)
    order = desk.orders[whole.order_id]
    assert (order.status, order.cumulative, order.leaves) == (OrderStatus.CANCELED, 10, 0)


def test_a_child_that_comes_after_its_parents_end_is_called_back() -> None:
    """A child on its way in when its parent ends is canceled in the transaction that it begins in."""
    desk = DeskOfOrders()
    whole = parent()
    desk.place(whole)
    desk.cancel(whole.order_id)
    assert desk.orders[whole.order_id].status is OrderStatus.CANCELED
    late = child(whole, "40")
    desk.place(late)
    assert desk.orders[late.order_id].status is OrderStatus.PENDING_CANCEL


def test_what_is_not_held_is_neither_released_nor_restated() -> None:
    """An order at a venue is that venue's."""
    sent = place(terms(), 1, 1).order
    events: list[OrderEvent | None] = [
        held.release(sent, 2, 2),
        held.trigger(sent, 2, 2),
        held.restate(sent, sent.terms, 2, 2),
        held.end_here(sent, OrderStatus.EXPIRED, 2, 2),
        held.cancel_held(sent, 2, 2),
    ]
    assert events == [None] * 5
