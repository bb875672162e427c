"""CheckOrder: the decision that Reserve would make, and nothing held, tripped or told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.risk.v1 import reservation_service_pb2, reservation_service_pb2_grpc
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.kernel.errors import CodedError
from services.risk.domain.trading import KillSwitch, TradingState
from tests.fakes.reserve_client import fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
EXCEEDED = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED
UNAVAILABLE = error_pb2.ERROR_REASON_RISK_UNAVAILABLE


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def check(world: RiskWorld, shard: int = 0, **values: Any) -> reservation_service_pb2.CheckOrderResponse:
    """Checks an order without reserving."""
    stub: Any = reservation_service_pb2_grpc.ReservationServiceStub(world.channel)
    request = reservation_service_pb2.CheckOrderRequest(shard=shard, order=reservation("", **values))
    response: reservation_service_pb2.CheckOrderResponse = await stub.CheckOrder(request)
    return response


async def test_checks_use_nothing_up(world: RiskWorld) -> None:
    """However often it is asked, the whole limit is left to the order that is placed."""
    world.limit(max_position_size="10")
    async with world.stream() as stream:
        await stream.sync()
        for _ in range(5):
            assert (await check(world)).decision.reason == ACCEPTED
        assert world.book.reservations == 0
        assert (await stream.one(1)).reason == ACCEPTED
        refused = (await check(world, quantity="1")).decision
        assert (refused.reason, refused.breach.observed) == (EXCEEDED, "11")
        assert world.book.reservations == 1


@pytest.mark.parametrize(
    ("limits", "order"),
    [
        ({"max_order_size": "5"}, {}),
        ({"max_order_value": "999"}, {}),
        ({"price_band_percent": "5"}, {"limit_price": "106"}),
        ({"max_position_size": "9"}, {}),
        ({"max_position_value": "900"}, {"side": trading_pb2.SIDE_SELL}),
        ({"max_daily_volume": "1"}, {}),
        ({"max_daily_trades": 1}, {}),
        ({}, {"account_id": "nobody"}),
        ({}, {"instrument": "NONE.XNAS"}),
        ({"max_order_value": "1009"}, {"type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": ""}),
        ({}, {}),
    ],
)
async def test_it_says_what_reserve_says(world: RiskWorld, limits: dict[str, Any], order: dict[str, Any]) -> None:
    """The same reason, breach and words, for each rule."""
    async with world.stream() as stream:
        await stream.sync(reservation("open", quantity="1"))
        world.limit(**limits)
        looked = (await check(world, **order)).decision
        assert looked == await stream.one("new", **order)


async def test_a_refusal_that_was_only_looked_at_is_told_to_nobody(world: RiskWorld) -> None:
    """No alert, no count towards the circuit breaker, no metric."""
    world.limit(max_order_size="5", circuit_breaker_refusals=2)
    async with world.stream() as stream:
        await stream.sync()
        for _ in range(5):
            assert (await check(world)).decision.reason == EXCEEDED
        assert not world.reserving.decided
        assert world.breakers.open_count == 0
        assert (await stream.one(1)).reason == EXCEEDED
        alerts = await world.told(1)
        assert len(alerts) == 1


async def test_a_loss_that_was_only_looked_at_trips_nothing(world: RiskWorld) -> None:
    """The open breaker is foreseen; it opens when an order comes."""
    world.limit(max_daily_loss="50")
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "f", world.clock, last_quantity="10", last_price="110"))
        world.aapl.quote("99", "101", "100")
        looked = await check(world, quantity="1")
        assert looked.as_of == 1
        assert looked.decision.reason == error_pb2.ERROR_REASON_CIRCUIT_BREAKER_OPEN
        assert looked.decision.breach.rule == risk_breach_pb2.RISK_RULE_CIRCUIT_BREAKER
        assert (world.breakers.open_count, world.store.alerts) == (0, [])
        assert await stream.one(1, quantity="1") == looked.decision
        assert world.breakers.open_count == 1
        assert (await check(world, quantity="1")).decision == looked.decision


async def test_exposures_stay_as_they_are(world: RiskWorld) -> None:
    """Positions, reserved quantities and what is to be saved are the same before and after."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "f", world.clock))
        assert (await stream.one(1)).reason == ACCEPTED
        world.book.take_changes()
        account = world.book.accounts["demo"]
        exposure = account.exposures["AAPL.XNAS"]
        before = (
            exposure.position,
            exposure.most_long,
            exposure.most_short,
            account.open_orders,
            account.open_quantity,
        )
        for side in (trading_pb2.SIDE_BUY, trading_pb2.SIDE_SELL):
            await check(world, side=side)
            await check(world, side=side, instrument="ESZ6.XCME")
        assert set(account.exposures) == {"AAPL.XNAS"}
        after = (exposure.position, exposure.most_long, exposure.most_short, account.open_orders, account.open_quantity)
        assert after == before
        assert world.book.take_changes() is None


async def test_nothing_is_decided_before_the_sync(world: RiskWorld) -> None:
    """Without a stream, before its sync, and for another shard: RISK_UNAVAILABLE."""
    assert (await check(world)).decision.reason == UNAVAILABLE
    async with world.stream() as stream:
        assert (await check(world)).decision.reason == UNAVAILABLE
        await stream.sync()
        assert (await stream.one(1)).reason == ACCEPTED
        assert (await check(world)).decision.reason == ACCEPTED
        assert (await check(world, shard=1)).decision.reason == UNAVAILABLE


async def test_peers_that_do_not_answer(world: RiskWorld) -> None:
    """An account that nobody can be asked about gives RISK_UNAVAILABLE; an empty request is refused."""
    world.accounts.reachable = False
    async with world.stream() as stream:
        await stream.sync()
        assert (await check(world, account_id="other")).decision.reason == UNAVAILABLE
    stub: Any = reservation_service_pb2_grpc.ReservationServiceStub(world.channel)
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        await stub.CheckOrder(reservation_service_pb2.CheckOrderRequest())


async def test_a_kill_switch_is_foreseen(world: RiskWorld) -> None:
    """Halted: the same refusal as an order's; alone it is neither counted nor told."""
    async with world.stream() as stream:
        await stream.sync()
        world.book.switches.set(KillSwitch("demo", state=TradingState.HALTED))
        looked = (await check(world)).decision
        assert looked.reason == error_pb2.ERROR_REASON_TRADING_HALTED
        assert not world.reserving.decided
        assert looked == await stream.one(1)
