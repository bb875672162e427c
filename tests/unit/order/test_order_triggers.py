"""Held orders in the pipeline: watched by what the log says, released by the market."""

from __future__ import annotations

import asyncio
from decimal import Decimal

from services.kernel.clock import to_ns
from services.order.domain.instructions import Instructions
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import ExecutionType, OrderStatus, OrderType
from services.order.pipeline.metrics import RELEASE_SECONDS
from tests.fakes.clock import FakeClock
from tests.fakes.order_store import FakeStore, lost_after, lost_before, refused
from tests.fakes.orders import AAPL, terms
from tests.fakes.trigger_desk import Desk, OnlySimple, desk, stop, trailing
from tests.fixtures.waiting import eventually

SUSPENDED, PENDING_NEW = OrderStatus.SUSPENDED, OrderStatus.PENDING_NEW
RELEASED, RESTATED = ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM, ExecutionType.RESTATED


async def test_an_order_waits_and_is_released_by_a_trade() -> None:
    """Its instrument is followed while anything waits in it, and no longer."""
    async with desk() as world:
        order = stop()
        await world.place(order)
        assert (world.feed.followed, world.triggers.watched, world.triggers.held) == ([AAPL.name], 1, 1)
        await world.begin("96")
        await world.trade("95.01", "97")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED]
        await world.trade("95", "97", "94")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]
        released = world.store.orders[order.order_id]
        assert (released.status, released.placed_sequence) == (PENDING_NEW, released.sequence)
        assert (world.feed.followed, world.triggers.watched, world.triggers.held) == ([], 0, 0)
        assert world.registry.get_sample_value(f"{RELEASE_SECONDS}_count") == 1


async def test_only_what_a_venue_does_not_take_is_held() -> None:
    """A stop order waits at its venue unless that takes none; a limit order goes there in any case."""
    native, plain = terms(type=OrderType.STOP, limit_price=None, instructions=Instructions(Decimal(95))), terms()
    async with desk() as world:
        await world.place(native)
        assert world.status(native.order_id) is PENDING_NEW
    held = terms(type=OrderType.STOP, limit_price=None, instructions=Instructions(Decimal(195)))
    async with desk(venue_types=OnlySimple()) as world:
        await world.place(held, plain)
        assert (world.status(held.order_id), world.status(plain.order_id)) == (SUSPENDED, PENDING_NEW)
        await world.place(held)
        assert len(world.store.entries) == 2


async def test_a_price_that_is_reached_already_releases_at_once() -> None:
    """When it is placed, and when it is replaced to it."""
    async with desk() as world:
        first, second = stop(), stop("90")
        await world.place(first, second)
        await world.begin("94")
        assert (world.status(first.order_id), world.status(second.order_id)) == (PENDING_NEW, SUSPENDED)
        third = stop("94.5")
        await world.place(third)
        await world.replace(second.order_id, stop_price=Decimal(94))
        await world.through()
        assert (world.status(second.order_id), world.status(third.order_id)) == (PENDING_NEW, PENDING_NEW)


async def test_an_order_is_looked_at_again_before_it_is_released() -> None:
    """A replace and a cancel that are committed first count; one that waits for another price is watched for it."""
    async with desk() as world:
        replaced, canceled = stop(), stop()
        await world.place(replaced, canceled)
        await world.begin("96")
        replacing = asyncio.create_task(world.replace(replaced.order_id, stop_price=Decimal(90)))
        canceling = asyncio.create_task(world.orders.cancel(canceled.order_id))
        await asyncio.sleep(0)
        world.triggers.traded(AAPL.name, world.made("94"))
        await replacing
        await canceling
        await world.through()
        assert world.types(replaced.order_id) == [ExecutionType.SUSPENDED, ExecutionType.REPLACED]
        assert world.types(canceled.order_id) == [ExecutionType.SUSPENDED, ExecutionType.CANCELED]
        await world.trade("90")
        assert world.types(replaced.order_id)[-1] is RELEASED


async def test_where_a_stop_price_has_followed_the_market_to_is_logged() -> None:
    """After it has moved, and always before the release."""
    async with desk() as world:
        order = trailing(amount=Decimal(2))
        await world.place(order)
        await world.begin("100")
        await world.trade("103")
        told = world.store.orders[order.order_id].terms.instructions
        assert told is not None
        assert told.stop_price == 101
        assert told.trailing is not None
        assert (told.trailing.reference_price, told.trailing.as_of_ns) == (103, world.clock.now_ns())
        before = len(world.types(order.order_id))
        await world.trade("105", "103")
        assert world.types(order.order_id)[before:] == [RESTATED, RELEASED]
        told = world.store.orders[order.order_id].terms.instructions
        assert told is not None
        assert (told.stop_price, told.triggered) == (103, True)


async def test_a_new_distance_is_that_of_the_trade_that_is_followed() -> None:
    """Also when the stop price is further from the market then; it follows on at the new one."""
    async with desk() as world:
        order = trailing(amount=Decimal(2))
        await world.place(order)
        await world.begin("100")
        await world.trade("103")
        await world.replace(order.order_id, trailing=TrailingStop(ticks=500), tick_size=AAPL.tick_size)
        await world.trade("102", "101")
        told = world.store.orders[order.order_id]
        assert told.terms.instructions is not None
        assert (told.status, told.terms.instructions.stop_price) == (SUSPENDED, 98)
        assert told.replace is not None
        assert told.replace.original_trailing is not None
        assert told.replace.original_trailing.amount == 2
        await world.trade("104", "99")
        assert world.status(order.order_id) is PENDING_NEW


async def until_released(world: Desk, order_id: str) -> None:
    await eventually(lambda: world.status(order_id) is not SUSPENDED and not world.triggers.held, seconds=10)


async def test_a_release_survives_a_store_that_fails() -> None:
    """Refused, lost and lost but committed: it is released exactly once."""
    for fault in (refused, lost_before, lost_after):
        async with desk() as world:
            order = stop()
            await world.place(order)
            await world.begin("96")
            world.store.faults.append(fault)
            world.triggers.traded(AAPL.name, world.made("94"))
            await until_released(world, order.order_id)
            assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]


async def test_a_process_that_dies_before_the_commit_decides_the_same_again() -> None:
    """The trade that reached the price is among those that the next process is told, and released once."""
    store, clock = FakeStore(), FakeClock()
    order = stop()
    async with desk(store, clock) as world:
        await world.place(order)
        await world.begin("96")
        clock.advance_ns(1_000)
        store.gate = asyncio.Event()
        world.triggers.traded(AAPL.name, world.made("94"))
        await asyncio.sleep(0)
    store.gate = None
    assert world.status(order.order_id) is SUSPENDED
    async with desk(store, clock) as world:
        await world.begin("96", "94", "97")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]


async def test_orders_that_wait_while_trades_may_be_missing_are_decided_afterwards() -> None:
    """By what was made since; the market going away loses no order."""
    async with desk() as world:
        order = stop()
        await world.place(order)
        await world.begin("96")
        world.triggers.lost(AAPL.name)
        world.clock.advance_ns(1_000)
        later = stop("90")
        await world.place(later)
        assert world.triggers.missing(AAPL.name)[1] == world.clock.now_ns()
        await world.begin("95", "91")
        assert [world.status(each.order_id) for each in (order, later)] == [PENDING_NEW, SUSPENDED]
        assert to_ns(world.clock.now()) <= world.clock.now_ns()
