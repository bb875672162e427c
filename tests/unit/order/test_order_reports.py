"""What venues report, on its way into the log: once each, in order, through a store that fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.order.domain.order import Order
from services.order.domain.values import OrderStatus
from services.order.domain.venue import VenueReportType
from services.order.pipeline.reports import VenueReports
from tests.fakes.order_pipeline import World, running, settled
from tests.fakes.order_store import Fault, lost_after, lost_before, refused
from tests.fakes.orders import report, terms


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline over an empty store, checked at the end of the test."""
    async with running() as running_world:
        yield running_world
        running_world.check()


async def test_reports_change_orders_and_move_the_cursor_in_one_transaction(world: World) -> None:
    """Several reports of one order in one batch become events one after the other."""
    order = await world.place_one(terms())
    await world.adopt()
    await world.tell(
        report(order, VenueReportType.ACCEPTED, sequence=1),
        report(order, VenueReportType.TRADE, sequence=2, quantity="40", price="187.25"),
        report(order, VenueReportType.TRADE, sequence=3, quantity="60", price="187.20"),
    )
    assert [e.order.status.name for e in world.store.entries] == [
        "PENDING_NEW",
        "NEW",
        "PARTIALLY_FILLED",
        "FILLED",
    ]
    assert world.store.cursors == {"simulation": ("e", 3)}
    assert world.book.find(("demo", order.terms.client_order_id)) is world.store.entries[-1].order


async def test_repeated_reports_are_dropped(world: World) -> None:
    """A report that the cursor is beyond changes nothing."""
    order = await world.place_one(terms())
    await world.adopt()
    accepted = report(order, VenueReportType.ACCEPTED, sequence=1)
    traded = report(order, VenueReportType.TRADE, sequence=2, quantity="1", price="1")
    await world.tell(accepted, traded)
    await world.tell(accepted, traded)
    assert len(world.store.entries) == 3


async def test_a_gap_in_reports_stops_the_batch_and_is_asked_for(world: World) -> None:
    """What comes after the gap is not taken; once it is sent again, all is."""
    order = await world.place_one(terms())
    await world.adopt()
    one, two, three = (
        report(order, VenueReportType.TRADE, sequence=number, quantity="1", price="1") for number in (1, 2, 3)
    )
    await world.tell(one, three)
    assert world.gaps == [(1, 3)]
    assert world.store.cursors["simulation"] == ("e", 1)
    await world.tell(two, three)
    assert world.book.live[order.terms.order_id].cumulative == 3


@pytest.mark.parametrize("fault", [refused, lost_before, lost_after])
async def test_reports_are_never_lost_and_never_booked_twice(world: World, fault: Fault) -> None:
    """Whatever happens to the transaction, each fill is in the log once."""
    order = await world.place_one(terms())
    await world.adopt()
    world.store.faults = [None, fault, fault]
    world.store.away = 3
    for number in (1, 2, 3):
        world.writer.put(
            VenueReports(
                "simulation",
                "e",
                [report(order, VenueReportType.TRADE, sequence=number, quantity="10", price="1")],
                world.metrics,
                on_gap=lambda *_: None,
                investigate=lambda _: None,
            )
        )
        await asyncio.sleep(0)
    await settled(lambda: world.book.cursors["simulation"] == ("e", 3))
    assert world.book.live[order.terms.order_id].cumulative == 30


async def test_a_report_of_an_order_that_is_not_live_is_looked_into(world: World) -> None:
    """It moves the cursor, and is handed on."""
    await world.adopt()
    await world.tell(report("someone-elses", VenueReportType.ACCEPTED, sequence=1))
    assert [stray.order_id for stray in world.strays] == ["someone-elses"]
    assert world.book.cursors["simulation"] == ("e", 1)


async def test_reports_of_another_epoch_are_dropped(world: World) -> None:
    """They come from a session that is over; the new one sends what counts."""
    order = await world.place_one(terms())
    await world.adopt("new")
    await world.tell(report(order, VenueReportType.ACCEPTED, sequence=1), epoch="old")
    assert world.book.live[order.terms.order_id].status is OrderStatus.PENDING_NEW


async def test_a_refusal_by_broker_itself_has_no_sequence_and_counts(world: World) -> None:
    """An order for a connection that does not exist is REJECTED without any venue having a say."""
    order = await world.place_one(terms(connection_id="nowhere"))
    await world.tell(report(order, VenueReportType.REJECTED, sequence=0, reason="UNKNOWN_CONNECTION"), epoch="")
    assert world.store.orders[order.terms.order_id].reason == "UNKNOWN_CONNECTION"
    assert "simulation" not in world.book.cursors


async def test_a_venue_that_lost_its_history_ends_the_orders_it_had_taken(world: World) -> None:
    """What it had accepted and does not know is CANCELED; what it knows, and what it never saw, stays."""
    taken, kept, unseen = await world.place(terms(), terms(), terms())
    assert isinstance(taken, Order)
    assert isinstance(kept, Order)
    assert isinstance(unseen, Order)
    assert await world.adopt("first") == []
    accepted = VenueReportType.ACCEPTED
    await world.tell(report(taken, accepted, sequence=1), report(kept, accepted, sequence=2), epoch="first")
    lost = await world.adopt("second", frozenset({kept.terms.order_id}))
    assert lost == [taken.terms.order_id]
    assert world.book.cursors["simulation"] == ("second", 0)
    assert set(world.book.live) == {kept.terms.order_id, unseen.terms.order_id}
