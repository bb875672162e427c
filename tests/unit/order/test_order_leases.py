"""Leases of accounts: who holds them, when they run out, and what is on record at any time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from services.kernel.errors import CodedError
from services.order.domain import refusals
from services.order.pipeline.leases import Leases
from tests.fakes.order_leases import FakeMassCancel, FakeRecord
from tests.fixtures.waiting import eventually

LONG = 3600.0


@dataclass
class World:
    """Leases with everything around them."""

    orders: FakeMassCancel = field(default_factory=FakeMassCancel)
    record: FakeRecord = field(default_factory=FakeRecord)
    leases: Leases = field(init=False)

    def __post_init__(self) -> None:
        self.leases = Leases(self.orders, self.record, retry_seconds=0)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Leases]:
        """Starts as a process does."""
        await self.leases.start()
        task = asyncio.create_task(self.leases.run())
        try:
            yield self.leases
        finally:
            task.cancel()
            await asyncio.wait([task])


async def turns() -> None:
    """Lets other tasks do what they can."""
    for _ in range(50):
        await asyncio.sleep(0)


async def test_a_lost_stream_cancels_after_its_grace() -> None:
    """And the lease is gone, from memory and record, until the next one is opened."""
    world = World()
    async with world.running() as leases:
        hold = await leases.open("demo", 0.01)
        assert world.record.leases == {"demo": 0.01}
        await turns()
        assert world.orders.canceled == []
        leases.lost(hold)
        await eventually(lambda: world.orders.canceled == ["demo"])
        await eventually(lambda: not len(leases))
        assert world.record.leases == {}
        leases.lost(await leases.open("demo", 0))
        await eventually(lambda: world.orders.canceled == ["demo", "demo"])


async def test_closing_in_order_cancels_nothing() -> None:
    """The end of a stream that was closed says nothing new."""
    world = World()
    async with world.running() as leases:
        hold = await leases.open("demo", 0)
        await leases.close(hold)
        leases.lost(hold)
        await turns()
    assert (world.orders.canceled, world.record.leases, len(leases)) == ([], {}, 0)


async def test_the_last_stream_of_an_account_decides() -> None:
    """With one still open nothing runs out; the grace is that of the one opened last."""
    world = World()
    async with world.running() as leases:
        first, second = await leases.open("demo", LONG), await leases.open("demo", 0)
        assert world.record.leases == {"demo": 0}
        leases.lost(first)
        await turns()
        assert world.orders.canceled == []
        leases.lost(second)
        await eventually(lambda: world.orders.canceled == ["demo"])
        third, fourth = await leases.open("demo", 0), await leases.open("demo", 0)
        leases.lost(third)
        await leases.close(fourth)
        await turns()
    assert (world.orders.canceled, world.record.leases) == (["demo"], {})


async def test_coming_back_within_the_grace_stops_it() -> None:
    """Also when it is over while the new stream's lease is being put on record."""
    world = World()
    async with world.running() as leases:
        leases.lost(await leases.open("demo", LONG))
        back = await leases.open("demo", 0)
        world.record.gate = asyncio.Event()
        opening = asyncio.create_task(leases.open("demo", LONG))
        await turns()
        leases.lost(back)
        await turns()
        world.record.gate.set()
        hold = await opening
        await turns()
        assert world.orders.canceled == []
        await leases.close(hold)
    assert world.record.leases == {}


async def test_a_lease_waits_for_orders_on_their_way_in() -> None:
    """What was begun before the end of the stream is waited for, then canceled with the rest."""
    world = World()
    gate = asyncio.Event()

    async def placing() -> None:
        await gate.wait()

    async with world.running() as leases:
        leases.lost(await leases.open("demo", 0), [asyncio.create_task(placing())])
        await turns()
        assert world.orders.canceled == []
        gate.set()
        await eventually(lambda: world.orders.canceled == ["demo"])


async def test_what_cannot_be_canceled_now_is_tried_again() -> None:
    """Until it is canceled and off the record."""
    world = World()
    world.orders.errors = [refusals.store_unavailable(), refusals.overloaded(9)]
    async with world.running() as leases:
        hold = await leases.open("demo", 0)
        world.record.errors = [refusals.store_unavailable()]
        leases.lost(hold)
        await eventually(lambda: not len(leases))
    assert (world.orders.canceled, world.record.leases) == (["demo", "demo"], {})


async def test_leases_on_record_run_out_from_the_start_on() -> None:
    """Those of the process before: each has its grace, in which its client can come back."""
    world = World()
    world.record.leases = {"away": 0, "back": LONG, "later": LONG}
    async with world.running() as leases:
        await eventually(lambda: world.orders.canceled == ["away"])
        await leases.close(await leases.open("back", 0))
        await eventually(lambda: world.record.leases == {"later": LONG})
    assert world.orders.canceled == ["away"]


async def test_an_open_that_cannot_be_recorded_is_refused_and_counts_as_lost() -> None:
    """The caller knows that it has no lease that would survive a crash; whoever wanted one is gone."""
    world = World()
    async with world.running() as leases:
        world.record.errors = [refusals.store_unavailable()]
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await leases.open("demo", 0)
        await eventually(lambda: world.orders.canceled == ["demo"])
        await eventually(lambda: not len(leases))


async def test_a_lease_that_is_off_the_record_by_accident_is_put_back() -> None:
    """A close whose client went away in the middle of it leaves the lease to run out, also over a crash."""
    world = World()
    async with world.running() as leases:
        hold = await leases.open("demo", LONG)
        closing = asyncio.create_task(leases.close(hold))
        await eventually(lambda: not world.record.leases)
        closing.cancel()
        await asyncio.wait([closing])
        world.record.errors = [refusals.store_unavailable()]
        leases.lost(hold)
        await eventually(lambda: world.record.leases == {"demo": LONG})
        await leases.close(await leases.open("demo", 0))
    assert (world.orders.canceled, world.record.leases) == ([], {})
