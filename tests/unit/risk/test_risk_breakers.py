"""Circuit breakers: what trips them, what resets them, and how they and the book are kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.risk.v1 import circuit_breaker_pb2, risk_service_pb2
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.risk.domain.alert import AlertKind
from tests.fakes.reserve_client import fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world

OPEN = circuit_breaker_pb2.CIRCUIT_BREAKER_STATE_OPEN
CLOSED = circuit_breaker_pb2.CIRCUIT_BREAKER_STATE_CLOSED
BREAKER_OPEN = error_pb2.ERROR_REASON_CIRCUIT_BREAKER_OPEN
EXCEEDED = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED
ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def lose(world: RiskWorld, stream: Any) -> None:
    """Lets account demo lose 100 dollars on paper."""
    await stream.sync()
    await stream.settle(fill(1, 1, world.clock))
    await stream.one("settled")
    world.aapl.quote("", "", "90")
    world.clock.advance(timedelta(seconds=1))


async def breaker_of(world: RiskWorld, account_id: str = "demo") -> circuit_breaker_pb2.CircuitBreaker:
    request = risk_service_pb2.GetCircuitBreakerRequest(account_id=account_id)
    told: circuit_breaker_pb2.CircuitBreaker = (await world.risk.GetCircuitBreaker(request)).circuit_breaker
    return told


async def test_daily_loss_trips_the_breaker(world: RiskWorld) -> None:
    """Once the day's loss reaches its limit the breaker opens: orders are refused, and an alert comes."""
    world.limit(max_daily_loss="100")
    async with world.stream() as stream:
        await lose(world, stream)
        first, second = await stream.reserve(reservation(2), reservation(3))
        assert (await stream.one(4, account_id="other")).reason == ACCEPTED
    assert first.reason == second.reason == BREAKER_OPEN
    assert first.breach.rule == risk_breach_pb2.RISK_RULE_CIRCUIT_BREAKER
    breaker = await breaker_of(world)
    assert (breaker.state, breaker.enabled, breaker.version) == (OPEN, True, 1)
    assert (breaker.cause.rule, breaker.cause.limit, breaker.cause.observed, breaker.cause.unit) == (
        risk_breach_pb2.RISK_RULE_MAX_DAILY_LOSS,
        "100",
        "100",
        "USD",
    )
    tripped, refused = await world.told(2)
    assert (tripped.kind, refused.kind) == (AlertKind.CIRCUIT_BREAKER_TRIPPED, AlertKind.ORDER_REFUSED)
    assert refused.reason == "CIRCUIT_BREAKER_OPEN"


async def test_breaker_stays_open_over_restart_and_day(world: RiskWorld) -> None:
    """An open breaker is open after a restart and on the next day, though the loss is over."""
    world.limit(max_daily_loss="100")
    async with world.stream() as stream:
        await lose(world, stream)
        await stream.one(2)
    await world.keeper.save()
    world.clock.advance(timedelta(days=1))
    async with risk_world(world.store, world.clock) as again, again.stream() as stream:
        await stream.sync()
        assert (await stream.one(3)).reason == BREAKER_OPEN
        assert (await breaker_of(again)).state == OPEN


async def test_reset_closes_only_when_the_cause_is_gone(world: RiskWorld) -> None:
    """A reset fails while the loss stands; with a higher limit it closes the breaker, and orders go on."""
    world.limit(max_daily_loss="100")
    request = risk_service_pb2.ResetCircuitBreakerRequest(account_id="demo", text="looked into")
    async with world.stream() as stream:
        await lose(world, stream)
        await stream.one(2)
        with pytest.raises(CodedError) as failure:
            await world.risk.ResetCircuitBreaker(request)
        assert (failure.value.kind, failure.value.reason) == (ErrorKind.PRECONDITION, "CIRCUIT_BREAKER_OPEN")
        [detail] = failure.value.details
        assert isinstance(detail, risk_breach_pb2.RiskBreach)
        assert detail.rule == risk_breach_pb2.RISK_RULE_MAX_DAILY_LOSS
        world.limit(max_daily_loss="1000")
        closed = (await world.risk.ResetCircuitBreaker(request)).circuit_breaker
        again = (await world.risk.ResetCircuitBreaker(request)).circuit_breaker
        assert (await stream.one(3)).reason == ACCEPTED
    assert (closed.state, closed.reset_text, closed.version) == (CLOSED, "looked into", 2)
    assert again == closed
    assert world.store.breakers["demo"].is_open is False
    assert (await world.told(3))[2].kind == AlertKind.CIRCUIT_BREAKER_RESET


async def test_reset_that_cannot_be_stored_leaves_it_open(world: RiskWorld) -> None:
    """A reset counts only once stored."""
    world.limit(max_daily_loss="100")
    async with world.stream() as stream:
        await lose(world, stream)
        await stream.one(2)
        world.limit(max_daily_loss="1000")
        world.store.broken = True
        with pytest.raises(CodedError) as failure:
            await world.risk.ResetCircuitBreaker(risk_service_pb2.ResetCircuitBreakerRequest(account_id="demo"))
        assert (await stream.one(3)).reason == BREAKER_OPEN
    assert failure.value.reason == "STORE_UNAVAILABLE"


async def test_breaker_switched_off_refuses_only_while_the_loss_stands(world: RiskWorld) -> None:
    """Without a breaker an order is refused by the loss itself, and accepted again when the loss is gone."""
    world.limit(max_daily_loss="100", circuit_breaker_enabled=False)
    async with world.stream() as stream:
        await lose(world, stream)
        refused = await stream.one(2)
        world.aapl.quote("", "", "100")
        world.clock.advance(timedelta(seconds=1))
        assert (await stream.one(3)).reason == ACCEPTED
    assert (refused.reason, refused.breach.rule) == (EXCEEDED, risk_breach_pb2.RISK_RULE_MAX_DAILY_LOSS)
    assert (await breaker_of(world)).state == CLOSED


async def test_watch_trips_without_an_order(world: RiskWorld) -> None:
    """The market's move alone opens the breaker, once, and tells the limit that is exceeded."""
    world.limit(max_daily_loss="100")
    async with world.stream() as stream:
        await lose(world, stream)
    for _ in range(3):
        await world.watcher.look()
        world.clock.advance(timedelta(seconds=1))
    assert (await breaker_of(world)).state == OPEN
    alerts = await world.told(2)
    assert [alert.kind for alert in alerts] == [AlertKind.CIRCUIT_BREAKER_TRIPPED, AlertKind.LIMIT_EXCEEDED]


async def test_refusals_trip_the_breaker_when_told_to(world: RiskWorld) -> None:
    """So many refusals within a minute open the breaker; slower ones do not; without the parameter none do."""
    world.limit(max_order_size="1", circuit_breaker_refusals=3)
    world.limit("other", max_order_size="1")
    async with world.stream() as stream:
        await stream.sync()
        for number in range(6):
            assert (await stream.one(number)).reason == EXCEEDED
            world.clock.advance(timedelta(seconds=31))
        for number in range(20):
            assert (await stream.one(f"o{number}", account_id="other")).reason == EXCEEDED
        reasons = [decision.reason for decision in await stream.reserve(*(reservation(f"x{n}") for n in range(4)))]
    assert reasons == [EXCEEDED, EXCEEDED, BREAKER_OPEN, BREAKER_OPEN]


async def test_book_that_cannot_be_saved_is_saved_later(world: RiskWorld) -> None:
    """Nothing is lost while the store is away: the next save has it all."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, 1, world.clock))
        await stream.one(2)
        world.store.broken = True
        with pytest.raises(CodedError):
            await world.keeper.save()
        await stream.settle(fill(2, 2, world.clock))
        await stream.one(3)
        world.store.broken = False
        await world.keeper.save()
    assert world.store.exposures["demo", "AAPL.XNAS"].position == 20
    assert world.store.cursors[0].sequence == 2
    assert world.store.days["demo"].trades == 2


async def test_a_save_that_is_broken_off_is_made_by_the_next(world: RiskWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the service is told to stop in the middle of it: its last save follows."""
    reached = asyncio.Event()

    async def hangs(_breakers: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    world.limit(max_daily_loss="100")
    async with world.stream() as stream:
        await lose(world, stream)
        with monkeypatch.context() as patched:
            patched.setattr(world.store, "save_breakers", hangs)
            assert (await stream.one(2)).reason == BREAKER_OPEN
            saving = asyncio.create_task(world.keeper.save())
            await reached.wait()
            saving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await saving
        await world.keeper.save()
    assert world.store.breakers["demo"].is_open
