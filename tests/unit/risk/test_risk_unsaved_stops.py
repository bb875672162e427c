"""Stops that hold before they are stored: all of them are in the audit in the end, each with who has made it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from services.kernel.errors import CodedError
from services.mesh.context import enter_call
from services.mesh.names import Key
from services.risk.domain.trading import TradingState
from services.risk.pipeline.trading import MOST_UNSAVED
from tests.fakes.access import call_of, caller
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

HALTED, REDUCING = TradingState.HALTED, TradingState.REDUCING


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def test_every_stop_while_the_store_is_away_is_recorded(world: RiskWorld) -> None:
    """Each with who has set it, in their order, once the store is back; the last holds."""
    world.store.broken = True
    for number, state in enumerate((HALTED, REDUCING, HALTED)):
        enter_call(call_of(replace(caller("risk_manager"), name=f"user-{number}")))
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await world.trading.stop("demo", state, f"reason {number}", cancels=True)
    enter_call(None)
    world.store.broken = False
    await world.keeper.save()
    told = [(state, text, by.user_id) for state, text, by in world.store.recorded if by is not None]
    assert told == [(HALTED, "reason 0", "user-0"), (REDUCING, "reason 1", "user-1"), (HALTED, "reason 2", "user-2")]
    assert world.store.switches["demo"] == world.book.switches.get("demo")


async def test_so_many_stops_are_kept_and_the_last_always(world: RiskWorld) -> None:
    """Whoever sets a switch often while the store is away fills no memory; the log tells the rest, and whose."""
    world.store.broken = True
    with capture_logs() as logged:
        for number in range(MOST_UNSAVED + 10):
            enter_call(call_of(replace(caller("risk_manager"), name=f"user-{number}")))
            with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
                await world.trading.stop("demo", HALTED, f"reason {number}", cancels=True)
        enter_call(None)
    lost = range(MOST_UNSAVED - 1, MOST_UNSAVED + 9)
    assert [each[Key.CALLER] for each in logged] == [f"user-{number}" for number in lost]
    assert all(each["switch"].endswith(f"reason {number}") for each, number in zip(logged, lost, strict=True))
    world.store.broken = False
    await world.keeper.save()
    texts = [text for _, text, _ in world.store.recorded]
    assert texts == [*(f"reason {number}" for number in range(MOST_UNSAVED - 1)), f"reason {MOST_UNSAVED + 9}"]
    assert world.store.switches["demo"] == world.book.switches.get("demo")


async def test_every_stop_during_a_resumption_is_recorded(world: RiskWorld) -> None:
    """The store is slow: the resumption is stored, and then the stops that were made meanwhile, which hold."""
    await world.trading.stop("demo", HALTED, "before", cancels=True)
    world.store.slow = asyncio.Event()
    resuming = asyncio.create_task(world.trading.resume("demo", "go on"))
    await asyncio.sleep(0)
    stops = [
        asyncio.create_task(world.trading.stop("demo", state, text, cancels=True))
        for state, text in ((REDUCING, "first"), (HALTED, "second"))
    ]
    await eventually(lambda: world.book.switches.get("demo").text, lambda text: text == "second")
    world.store.slow.set()
    with pytest.raises(CodedError, match="VERSION_MISMATCH"):
        await resuming
    await asyncio.gather(*stops)
    assert [text for _, text, _ in world.store.recorded] == ["before", "go on", "first", "second"]
    assert world.store.switches["demo"] == world.book.switches.get("demo")
    assert world.store.switches["demo"].state == HALTED
