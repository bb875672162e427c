"""PortfolioService as a process that is killed in the middle of booking, again and again."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest_asyncio

from deploy.embedded.component import Component, start
from deploy.embedded.ports import unused_port
from deploy.embedded.probes import grpc_serves
from deploy.embedded.process import Process
from ordermesh.event.v1 import event_log_service_pb2
from ordermesh.event.v1.event_log_service_pb2_grpc import EventLogServiceStub
from ordermesh.order.v1 import order_pb2
from ordermesh.portfolio.v1 import account_admin_pb2, position_query_pb2
from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceStub
from services.kernel.errors import CodedError
from services.mesh.client import Channels
from tests.fixtures.forking import ready_to_fork, service_command
from tests.fixtures.portfolio import SERVICE, PortfolioWorld, portfolio_world
from tests.fixtures.waiting import PATIENCE_SECONDS, eventually

if TYPE_CHECKING:
    from ordermesh.event.v1.event_log_service_pb2_grpc import EventLogServiceAsyncStub
    from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceAsyncStub

REPOSITORY = Path(__file__).resolve().parents[2]
INSTRUMENTS = ("AAPL.XNAS", "BTC-USDT.BINANCE", "ESZ6.XCME")
FILLS = 3_000
KILLS = 3


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[PortfolioWorld]:
    """Everything that the service needs."""
    async with portfolio_world(tmp_path, postgres_url, redis_url) as made:
        yield made


def component(world: PortfolioWorld, address: str) -> Component:
    """Returns the service as a process."""
    settings = world.settings
    variables = {
        "ORDERMESH_PORTFOLIO_ADDRESS": address,
        "ORDERMESH_ORDER_ADDRESS": settings.order_address,
        "ORDERMESH_MARKETDATA_ADDRESS": settings.marketdata_address,
        "ORDERMESH_POSTGRES_URL": settings.postgres_url.get_secret_value(),
        "ORDERMESH_REDIS_URL": settings.redis_url.get_secret_value(),
    }
    command = service_command("services.portfolio", world.directory / "portfolio.log", variables)
    return Component("portfolio", "PortfolioService", command, partial(grpc_serves, address), prepare=ready_to_fork)


async def as_of(stub: PortfolioServiceAsyncStub) -> int:
    """Returns how far the books are; -1 while nobody answers."""
    try:
        answer = await stub.GetAccount(account_admin_pb2.GetAccountRequest(account_id="demo"))
    except CodedError:
        return -1
    return int(answer.as_of)


async def until_booked(stub: PortfolioServiceAsyncStub, sequence: int, seconds: float = PATIENCE_SECONDS) -> None:
    """Waits until the books are so far."""
    await eventually(lambda: as_of(stub), lambda done: done >= sequence, seconds)


async def test_killed_while_booking_it_books_each_fill_once(world: PortfolioWorld) -> None:
    """After several kills at places that differ, positions, cash and log are those of one undisturbed run."""
    for number in range(FILLS):
        quantity = str(number % 5 + 1) if number % 3 else f"-{number % 4 + 1}"
        world.orders.add("demo", INSTRUMENTS[number % 3], quantity, str(10 + number % 17), fee="0.01")
    address = f"127.0.0.1:{unused_port()}"
    channels = Channels()
    stub = PortfolioServiceStub(channels.to(address, SERVICE))
    process = await start(component(world, address))
    try:
        for kill in range(1, KILLS + 1):
            # The bus has some of it, the log all of it.
            for event in world.orders.events[(kill - 1) * 100 : kill * 100]:
                await world.orders.publish(event)
            await until_booked(stub, kill * 100)
            await kill_at_once(process)
            process = await start(component(world, address))
        await until_booked(stub, FILLS, seconds=60)
        await compare(world, stub, EventLogServiceStub(channels.to(address, SERVICE)))
    finally:
        await channels.close()
        await process.stop()


async def compare(world: PortfolioWorld, stub: PortfolioServiceAsyncStub, log: EventLogServiceAsyncStub) -> None:
    """Compares with plain sums over the fills."""
    request = position_query_pb2.ListPositionsRequest(account_id="demo", include_closed=True)
    positions = {p.instrument: p for p in (await stub.ListPositions(request)).positions}
    trades = [event.trade for event in world.orders.events]
    for name in INSTRUMENTS:
        own = [trade for trade in trades if trade.instrument == name]
        assert positions[name].trade_count == len(own)
        assert Decimal(positions[name].quantity) == sum(signed(trade) for trade in own)
        assert Decimal(positions[name].fees) == Decimal("0.01") * len(own)
    account = (await stub.GetAccount(account_admin_pb2.GetAccountRequest(account_id="demo"))).account
    cash = {balance.currency: Decimal(balance.amount) for balance in account.balances}
    multipliers = {"ESZ6.XCME": 50}
    paid = sum(
        signed(trade) * Decimal(trade.price) * multipliers.get(trade.instrument, 1) + Decimal(trade.fee)
        for trade in trades
        if trade.instrument != "BTC-USDT.BINANCE"
    )
    assert cash["USD"] == 1_000_000 - paid
    booked = await log.ReadEvents(event_log_service_pb2.ReadEventsRequest(limit=2 * FILLS))
    assert [e.sequence for e in booked.events] == list(range(1, FILLS + 1))
    assert [e.position_change.trade_id for e in booked.events] == [trade.trade_id for trade in trades]


async def kill_at_once(process: Process) -> None:
    """Ends a process without any warning."""
    process.send(signal.SIGKILL)
    await process.wait()


def signed(trade: order_pb2.Trade) -> Decimal:
    """Returns a fill's quantity, negative when sold."""
    return Decimal(trade.quantity) * (1 if trade.side == 1 else -1)
