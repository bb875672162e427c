"""RiskService on a real Postgres and Redis, between accounts and market data that are played."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from pydantic import SecretStr

from ordermesh.event.v1 import event_pb2
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc
from ordermesh.risk.v1 import (
    circuit_breaker_pb2,
    risk_parameters_pb2,
    risk_service_pb2,
    risk_service_pb2_grpc,
    trading_state_admin_pb2,
    trading_state_pb2,
)
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.bus.connection import connect
from services.bus.topics import FIELD, stream_key
from services.kernel.errors import CodedError
from services.risk.__main__ import main
from services.risk.config import RiskSettings
from tests.fakes.accounts import FakePortfolio
from tests.fakes.clock import FakeClock
from tests.fakes.engine import serving
from tests.fakes.market_data import FakeMarketData
from tests.fakes.reserve_client import ReserveClient, fill, reservation
from tests.fixtures.services import RunningService, running_service
from tests.fixtures.waiting import eventually

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
EXCEEDED = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED
BREAKER_OPEN = error_pb2.ERROR_REASON_CIRCUIT_BREAKER_OPEN
NO_PRICE = error_pb2.ERROR_REASON_NO_REFERENCE_PRICE
MARKET = {"type": trading_pb2.ORDER_TYPE_MARKET, "limit_price": ""}


@dataclass
class World:
    """What RiskService lives in."""

    settings: RiskSettings
    market: FakeMarketData
    portfolio: FakePortfolio
    portfolio_side: AsyncExitStack
    clock: FakeClock = field(default_factory=FakeClock)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RunningService]:
        """Runs RiskService."""
        assert self.settings.port_file is not None
        async with running_service(self.settings, main, self.settings.port_file) as running:
            yield running


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[World]:
    market, portfolio = FakeMarketData(), FakePortfolio("demo", "other")
    market.quote("AAPL.XNAS", "99", "101", "100")
    async with AsyncExitStack() as stack, AsyncExitStack() as portfolio_side:
        add_market = market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server
        add_portfolio = portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server
        market_port = await stack.enter_async_context(serving(add_market, market))
        portfolio_port = await portfolio_side.enter_async_context(serving(add_portfolio, portfolio))
        settings = RiskSettings(
            postgres_url=SecretStr(postgres_url),
            redis_url=SecretStr(redis_url),
            marketdata_address=f"127.0.0.1:{market_port}",
            portfolio_address=f"127.0.0.1:{portfolio_port}",
            save_interval_seconds=0.05,
            watch_interval_seconds=0.05,
            price_age_seconds=0,
            port_file=tmp_path / "risk-port",
            drain_seconds=0,
        )
        yield World(settings, market, portfolio, portfolio_side)


def stub_of(running: RunningService) -> Any:
    return risk_service_pb2_grpc.RiskServiceStub(running.channel)


async def limit(running: RunningService, account_id: str = "demo", **values: Any) -> None:
    """Sets parameters of an account."""
    parameters = risk_parameters_pb2.RiskParameters(account_id=account_id, **values)
    await stub_of(running).UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest(parameters=parameters))


async def saved(world: World, sequence: int) -> None:
    """Waits until the cursor on the order log is saved."""
    connection = await asyncpg.connect(world.settings.postgres_url.get_secret_value())
    try:
        cursor = partial(connection.fetchval, "select max(sequence) from risk.log_cursor")
        await eventually(cursor, lambda saved: saved == sequence, 10)
    finally:
        await connection.close()


async def test_defaults_let_the_demo_account_trade(world: World) -> None:
    """With the limits of a new installation ordinary orders are accepted, and absurd ones are not."""
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync()
        await eventually(lambda: world.market.readers)
        assert (await stream.one(1, quantity="100")).reason == ACCEPTED
        assert (
            await stream.one(2, instrument="BTC-USDT.BINANCE", limit_price="60000", quantity="1")
        ).reason == ACCEPTED
        assert (await stream.one(3, quantity="1000000")).reason == EXCEEDED
        assert (await stream.one(4, limit_price="200")).reason == EXCEEDED
        assert (await stream.one(5, account_id="nobody")).reason == error_pb2.ERROR_REASON_UNKNOWN_ACCOUNT
        firm = await stub_of(running).GetRiskParameters(risk_service_pb2.GetRiskParametersRequest())
    assert (firm.parameters.version, firm.parameters.price_band_percent) == (1, "20")


async def test_positions_and_parameters_survive_a_restart(world: World) -> None:
    """After a restart the log is wanted from the saved cursor, and limits and positions are what they were."""
    async with world.running() as running:
        await limit(running, max_position_size="25", max_daily_trades=3)
        async with ReserveClient(running.channel) as stream:
            await stream.sync()
            await stream.settle(fill(1, 1, world.clock), fill(2, 2, world.clock, last_price="100.5", fee="0.25"))
            await saved(world, 2)
            await stream.settle(fill(3, 3, world.clock, instrument="ESZ6.XCME", last_quantity="1"))
            # Messages are handled in their order: the answer says that the fill is booked.
            await stream.one(4, quantity="1")
    async with world.running() as running, ReserveClient(running.channel) as stream:
        assert stream.opened == 3
        await stream.sync(sequence=3)
        assert (await stream.one(4, quantity="6")).reason == EXCEEDED
        told = await stub_of(running).GetRiskMetrics(risk_service_pb2.GetRiskMetricsRequest(account_id="demo"))
        assert {each.instrument: each.position for each in told.metrics.exposures} == {
            "AAPL.XNAS": "20",
            "ESZ6.XCME": "1",
        }
        assert told.as_of == 3
        # The fills are of the fake clock's day, which is over: today has no trades.
        assert (await stream.one(5, quantity="5")).reason == ACCEPTED


async def test_breaker_and_alerts_survive_a_restart(world: World) -> None:
    """A breaker tripped by the market's move is open after a restart; its alert is listed and on the bus, once."""
    clock = world.clock
    clock.advance_ns(time.time_ns() - clock.now_ns())
    async with world.running() as running:
        await limit(running, max_daily_loss="50")
        async with ReserveClient(running.channel) as stream:
            await stream.sync()
            await stream.settle(fill(1, 1, clock))
            await eventually(lambda: world.market.readers)
            world.market.quote("AAPL.XNAS", "90", "91", "90")
            redis = connect(world.settings.redis_url.get_secret_value())
            key = stream_key(0, "risk.limit.exceeded")
            try:
                entries: Any = await eventually(partial(redis.xrange, key), lambda found: len(found) >= 2, 10)
            finally:
                await redis.aclose()
            assert (await stream.one(2)).reason == BREAKER_OPEN
    events = [event_pb2.Event.FromString(fields[FIELD]) for _, fields in entries]
    assert [(event.sequence, event.previous_sequence) for event in events[:2]] == [(1, 0), (2, 1)]
    assert events[0].risk_alert.account_id == "demo"
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync(sequence=1)
        assert (await stream.one(3)).reason == BREAKER_OPEN
        stub = stub_of(running)
        breaker = await stub.GetCircuitBreaker(risk_service_pb2.GetCircuitBreakerRequest(account_id="demo"))
        listed = await stub.ListAlerts(risk_service_pb2.ListAlertsRequest(account_id="demo"))
    assert breaker.circuit_breaker.state == circuit_breaker_pb2.CIRCUIT_BREAKER_STATE_OPEN
    assert [alert.sequence for alert in listed.alerts] == list(range(len(listed.alerts), 0, -1))
    assert listed.alerts[-1].breach.limit == "50"


async def test_dead_feed_refuses_market_orders(world: World) -> None:
    """While quotes do not come market orders are refused; they are accepted once quotes come again."""
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync()
        await eventually(lambda: world.market.readers)
        number = 0

        async def decided(reason: int) -> None:
            nonlocal number
            async with asyncio.timeout(10):
                while True:
                    number += 1
                    if (await stream.one(number, **MARKET)).reason == reason:
                        return

        await decided(ACCEPTED)
        world.market.refusing = True
        world.market.cut()
        await decided(NO_PRICE)
        world.market.refusing = False
        await decided(ACCEPTED)


async def test_portfolio_that_is_away_fails_closed(world: World) -> None:
    """An account nobody can vouch for is refused; one that traded before goes on."""
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync()
        assert (await stream.one(1)).reason == ACCEPTED
        await world.portfolio_side.aclose()
        unknown = await stream.one(2, account_id="other")
        assert (await stream.one(3)).reason == ACCEPTED
    assert unknown.reason == error_pb2.ERROR_REASON_RISK_UNAVAILABLE


async def test_accounts_that_have_traded_are_known_after_a_restart(world: World) -> None:
    """Nobody is asked for them: with PortfolioService away their orders are checked, those of others are refused."""
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync()
        await stream.settle(fill(1, 1, world.clock))
        await saved(world, 1)
    await world.portfolio_side.aclose()
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync(sequence=1)
        await eventually(lambda: world.market.readers)
        assert (await stream.one(2)).reason == ACCEPTED
        assert (await stream.one(3, account_id="other")).reason == error_pb2.ERROR_REASON_RISK_UNAVAILABLE


async def test_concurrent_updates_of_one_version_have_one_winner(world: World) -> None:
    """Of many updates that name the same version one succeeds."""
    async with world.running() as running:
        await limit(running, max_order_size="1")
        stub = stub_of(running)
        requests = [
            risk_service_pb2.UpdateRiskParametersRequest(
                parameters=risk_parameters_pb2.RiskParameters(account_id="demo", version=1, max_order_size=str(size))
            )
            for size in range(1, 9)
        ]
        answers = await asyncio.gather(*(stub.UpdateRiskParameters(each) for each in requests), return_exceptions=True)
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
        told = await stub.GetRiskParameters(risk_service_pb2.GetRiskParametersRequest(account_id="demo"))
    assert told.parameters.version == 2


async def test_an_empty_request_leaves_the_limits_of_the_firm(world: World) -> None:
    """It is refused, naming the field; an account may go back to the firm's limits by setting none."""
    async with world.running() as running:
        stub = stub_of(running)
        before = await stub.GetRiskParameters(risk_service_pb2.GetRiskParametersRequest())
        with pytest.raises(CodedError) as caught:
            await limit(running, account_id="")
        assert [violation.field for violation in caught.value.violations] == ["parameters"]
        assert await stub.GetRiskParameters(risk_service_pb2.GetRiskParametersRequest()) == before
        await limit(running, max_order_size="1")
        await limit(running)
        told = await stub.GetRiskParameters(risk_service_pb2.GetRiskParametersRequest(account_id="demo"))
    assert told.effective.max_order_size == before.effective.max_order_size


async def test_second_stream_goes_on_where_the_first_was(world: World) -> None:
    """A reconnecting OrderService is told the cursor in memory, before it is saved, and books nothing twice."""
    async with world.running() as running:
        async with ReserveClient(running.channel) as stream:
            await stream.sync()
            await stream.settle(fill(7, 1, world.clock))
            await stream.one(1)
        async with ReserveClient(running.channel) as stream:
            assert stream.opened == 7
            await stream.settle(fill(7, 1, world.clock))
            await stream.sync(reservation(9), sequence=7)
            await stream.one(2)
            told = await stub_of(running).GetRiskMetrics(risk_service_pb2.GetRiskMetricsRequest(account_id="demo"))
    [exposure] = told.metrics.exposures
    assert (exposure.position, exposure.open_orders) == ("10", 2)


async def test_kill_switches_survive_a_restart_and_are_on_the_bus(world: World) -> None:
    """In force before the first check, told of open orders after the sync, until they are resumed for good."""
    halted = trading_state_pb2.TRADING_STATE_HALTED
    async with world.running() as running:
        stub = stub_of(running)
        stop = trading_state_admin_pb2.EmergencyStopRequest(firm=True, state=halted, text="storm")
        assert (await stub.EmergencyStop(stop)).kill_switch.version == 1
        stop = trading_state_admin_pb2.EmergencyStopRequest(account_id="demo", state=halted)
        assert (await stub.EmergencyStop(stop)).effective_state == halted
        await stub.Resume(trading_state_admin_pb2.ResumeRequest(account_id="demo"))
        redis = connect(world.settings.redis_url.get_secret_value())
        try:
            key = stream_key(0, "risk.limit.exceeded")
            entries: Any = await eventually(partial(redis.xrange, key), lambda found: len(found) >= 3, 10)
        finally:
            await redis.aclose()
    events = [event_pb2.Event.FromString(fields[FIELD]).risk_alert for _, fields in entries]
    assert [(each.account_id, each.trading_state) for each in events] == [("", halted), ("demo", halted), ("demo", 1)]
    async with world.running() as running, ReserveClient(running.channel) as stream:
        number = await stream.submit(reservation(1))
        await stream.sync(reservation(2))
        await eventually(lambda: number in stream.decisions)
        assert stream.withdrawn == ["2"]
        assert stream.decisions[number][0].reason == error_pb2.ERROR_REASON_TRADING_HALTED
        await stub_of(running).Resume(trading_state_admin_pb2.ResumeRequest(firm=True, text="over"))
    async with world.running() as running, ReserveClient(running.channel) as stream:
        await stream.sync(reservation(2))
        assert (await stream.one(1)).reason == ACCEPTED
        assert stream.withdrawn == []
        told = await stub_of(running).GetTradingState(trading_state_admin_pb2.GetTradingStateRequest())
    assert (told.firm.text, told.firm.version) == ("over", 2)
