"""The way of orders into the log, with a store that fails at every point; what memory keeps of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.kernel.errors import CodedError
from services.order.domain.order import Order
from services.order.domain.venue import VenueReportType
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import LogDivergedError
from tests.fakes.order_pipeline import World, running, settled
from tests.fakes.order_store import Fault, lost_after, lost_before, refused
from tests.fakes.orders import report, terms


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline over an empty store, checked at the end of the test."""
    async with running() as running_world:
        yield running_world
        running_world.check()


@pytest.mark.parametrize("fault", [refused, lost_before])
async def test_a_transaction_that_was_not_made_leaves_nothing(world: World, fault: Fault) -> None:
    """The caller hears STORE_UNAVAILABLE; the number is used for the next order, the reservation let go."""
    world.store.faults = [fault]
    assert (await world.refuse_one(terms("a"))).reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    assert not world.risk.reserved
    order = await world.place_one(terms("a"))
    assert order.sequence == 1


async def test_a_transaction_that_was_made_without_word_of_it_counts(world: World) -> None:
    """The caller hears STORE_UNAVAILABLE; listeners hear of the order, and a repetition gets it."""
    world.store.faults = [lost_after]
    assert (await world.refuse_one(terms("a"))).reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    assert [e.sequence for e in world.heard.entries] == [1]
    order = await world.place_one(terms("a"))
    assert order.sequence == 1
    assert len(world.store.entries) == 1
    assert world.risk.reserved == {order.terms.order_id}


async def test_while_the_store_is_away_orders_are_refused_at_once(world: World) -> None:
    """What waits for the writer is refused, and so is whatever comes; then all goes on."""
    world.store.faults, world.store.away = [lost_before], 50
    waiting = asyncio.create_task(world.place(terms("a")))
    await settled(lambda: not world.writer.available)
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await world.place(terms("b"))
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await world.orders.cancel_all(CancelFilter("demo"))
    (outcome,) = await waiting
    assert isinstance(outcome, CodedError)
    await settled(lambda: world.writer.available)
    await world.place_one(terms("a"))


async def test_an_order_checked_while_the_store_is_away_is_let_go(world: World) -> None:
    """Risk has reserved it by then; the reservation does not stay."""
    world.risk.gate = asyncio.Event()
    checked = asyncio.create_task(world.place(terms("late")))
    await settled(lambda: world.placing.in_flight == 1)
    world.store.faults, world.store.away = [lost_before], 50
    adopting = asyncio.create_task(world.adopt())
    await settled(lambda: not world.writer.available)
    world.risk.gate.set()
    (outcome,) = await checked
    assert isinstance(outcome, CodedError)
    assert outcome.reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    await adopting
    assert not world.risk.reserved


async def test_a_log_that_somebody_else_has_written_to_ends_the_writer() -> None:
    """Memory cannot be trusted any more: the process ends, and the next one reads the log."""
    async with running() as world:
        world.store.faults = [lost_before]
        async with running() as other:
            await other.place(terms(), terms())
        waiting = asyncio.create_task(world.place(terms()))
        world.store.entries += other.store.entries
        with pytest.raises(LogDivergedError):
            await world.writing
        await asyncio.gather(waiting, return_exceptions=True)


async def test_time_in_the_log_never_goes_back(world: World) -> None:
    """A clock that steps back an hour does not take the log with it."""
    before = await world.place_one(terms())
    world.clock.advance(-timedelta(hours=1))
    after = await world.place_one(terms())
    assert after.created_at_ns == before.created_at_ns


async def test_memory_holds_live_orders_and_a_bounded_number_of_ended_ones() -> None:
    """Ended orders beyond the bound are found in the store alone."""
    async with running() as world:
        world.book._most_remembered = 2
        orders = [
            order for order in await world.place(*(terms(f"m-{n}") for n in range(5))) if isinstance(order, Order)
        ]
        await world.adopt()
        await world.tell(*(report(o, VenueReportType.CANCELED, sequence=n) for n, o in enumerate(orders, 1)))
        assert not world.book.live
        assert not world.book._keys
        assert not world.book._by_account
        assert [world.book.find(("demo", f"m-{n}")) is not None for n in range(5)] == [False] * 3 + [True] * 2
        assert (await world.place_one(terms("m-0"))).terms.order_id == orders[0].terms.order_id
