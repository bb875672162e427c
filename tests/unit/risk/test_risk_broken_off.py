"""Changes that are broken off between the store and its answer: what holds is what is stored, in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from services.kernel.clock import from_ns
from services.kernel.errors import CodedError, unavailable
from services.kernel.identifiers import UuidV7
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.breach import Breach, Rule
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters
from services.risk.domain.trading import TradingState
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.ports import Changes, SwitchSet
from services.risk.pipeline.trading import ITSELF
from tests.fakes.broken_off import broken_off
from tests.fakes.clock import FakeClock
from tests.fakes.reserve_client import fill
from tests.fakes.risk_store import FakeRiskStore
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

LOSS = Breach(Rule.MAX_DAILY_LOSS, text="too much is lost")


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def test_a_stop_outlives_a_resumption_that_is_broken_off(
    world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on, and is stored over the resumption: by the service itself, whoever calls just then."""
    await world.trading.stop("demo", TradingState.HALTED, "", cancels=True)
    await broken_off(monkeypatch, world.store, "save_switches", world.trading.resume("demo", ""))
    assert world.store.switches["demo"].state == TradingState.ACTIVE
    assert world.book.switches.get("demo").state == TradingState.HALTED
    await world.keeper.save()
    assert (world.store.switches["demo"].state, world.store.set_by["demo"]) == (TradingState.HALTED, ITSELF)
    async with risk_world(world.store, world.clock) as again:
        assert again.book.switches.get("demo").state == TradingState.HALTED


async def test_a_stop_is_stored_before_what_ends_it(world: RiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that could not be stored when it was made is in the audit all the same."""
    world.store.broken = True
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await world.trading.stop("demo", TradingState.HALTED, "", cancels=True)
    world.store.broken = False
    stored: list[TradingState] = []
    save = world.store.save_switches

    async def noting(changes: Sequence[SwitchSet]) -> None:
        stored.extend(each.switch.state for each in changes)
        await save(changes)

    monkeypatch.setattr(world.store, "save_switches", noting)
    await world.trading.resume("demo", "")
    assert stored == [TradingState.HALTED, TradingState.ACTIVE]


async def test_a_breaker_outlives_a_reset_that_is_broken_off(world: RiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays open, and is stored over the reset; the next reset closes it."""
    world.breakers.trip("demo", LOSS, world.clock.now_ns())
    await world.keeper.save()
    await broken_off(monkeypatch, world.store, "save_breakers", world.breakers.reset("demo", ""))
    assert not world.store.breakers["demo"].is_open
    assert world.breakers.get("demo").is_open
    await world.keeper.save()
    async with risk_world(world.store, world.clock) as again:
        assert again.breakers.get("demo").is_open
        await again.breakers.reset("demo", "")
        assert not again.store.breakers["demo"].is_open


async def test_a_reset_does_not_close_a_breaker_that_tripped_after_it(
    world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two at once, the answer to one may come long after that to the other."""
    world.breakers.trip("demo", LOSS, world.clock.now_ns())
    await world.keeper.save()
    answers, save = [asyncio.Event(), asyncio.Event()], world.store.save_breakers
    asked: list[asyncio.Event] = []

    async def slow(breakers: Sequence[Breaker]) -> None:
        answer = answers[len(asked)]
        asked.append(answer)
        await save(breakers)
        await answer.wait()

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "save_breakers", slow)
        first, second = (asyncio.create_task(world.breakers.reset("demo", "")) for _ in range(2))
        await eventually(lambda: asked)
        answers[0].set()
        await first
        world.breakers.trip("demo", LOSS, world.clock.now_ns())
        answers[1].set()
        await second
    assert world.breakers.get("demo").is_open


async def test_parameters_are_changed_after_a_change_that_is_broken_off(
    world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is stored is looked at first: else every change would be one of an old version, until a restart."""
    change = world.parameters.update(Parameters("demo", max_order_size=Decimal(1)))
    await broken_off(monkeypatch, world.store, "save_parameters", change)
    with pytest.raises(CodedError, match="at version 1, not 7"):
        await world.parameters.update(Parameters("demo", max_order_size=Decimal(2), version=7))
    assert world.book.limits.of("demo").order_size == 1
    changed = await world.parameters.update(Parameters("demo", max_order_size=Decimal(2)))
    assert (changed.version, world.book.limits.of("demo").order_size) == (2, 2)


async def test_alerts_after_a_commit_that_is_broken_off_are_numbered_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the service is told to stop in the middle of it: all are stored and told, each once."""
    store, clock, told = FakeRiskStore(), FakeClock(), list[str]()
    log = AlertLog(store, UuidV7(clock), [lambda alerts: told.extend(alert.text for alert in alerts)])

    def add(text: str) -> None:
        log.add(Alert("demo", AlertKind.LIMIT_EXCEEDED, text, from_ns(clock.now_ns())))

    add("first")
    await broken_off(monkeypatch, store, "append_alerts", log.run())
    add("second")
    await log.flush()
    assert [(alert.sequence, alert.text) for alert in store.alerts] == [(1, "first"), (2, "second")]
    assert told == ["first", "second"]


async def test_a_save_that_fails_while_the_log_begins_anew_is_forgotten(
    world: RiskWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The positions of the old log are no longer there to be saved; those of the new one are."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def fails(_changes: Changes) -> None:
        asked.set()
        await answered.wait()
        raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")

    async def book(epoch: int, **values: Any) -> None:
        async with world.stream(epoch=str(UUID(int=epoch))) as stream:
            await stream.sync()
            await stream.settle(fill(1, 1, world.clock, **values))
            await stream.one(2, quantity="1", **values)

    await book(1)
    with monkeypatch.context() as patched:
        patched.setattr(world.store, "save", fails)
        saving = asyncio.create_task(world.keeper.save())
        await asked.wait()
        await book(2, instrument="ESZ6.XCME")
        answered.set()
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await saving
    await world.keeper.save()
    assert set(world.store.exposures) == {("demo", "ESZ6.XCME")}
