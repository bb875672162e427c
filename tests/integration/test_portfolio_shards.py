"""PortfolioService behind two order logs: the fills of both booked once, each with a cursor of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ordermesh.event.v1 import event_log_service_pb2
from ordermesh.event.v1.event_log_service_pb2_grpc import add_EventLogServiceServicer_to_server
from ordermesh.portfolio.v1 import account_admin_pb2, position_query_pb2
from services.bus.connection import connect
from services.kernel.errors import CodedError
from services.mesh.service import TaskDiedError
from tests.fakes.order_log import FakeOrderLog
from tests.fakes.order_shards import account_of
from tests.fixtures.portfolio import PortfolioWorld, Running, portfolio_world
from tests.fixtures.serving import serving
from tests.fixtures.waiting import eventually

ACCOUNTS = (account_of(0), account_of(1))
INSTRUMENT = "AAPL.XNAS"


@pytest.fixture
async def world(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> AsyncIterator[tuple[PortfolioWorld, tuple[FakeOrderLog, FakeOrderLog]]]:
    """Everything that the service needs, with the log of a second shard."""
    redis = connect(redis_url)
    second = FakeOrderLog(redis, shard=1, shard_count=2)
    async with (
        portfolio_world(tmp_path, postgres_url, redis_url) as made,
        serving(add_EventLogServiceServicer_to_server, second) as side,
    ):
        made.orders.shard_count = 2
        addresses = (made.settings.order_address, side.address)
        made.settings = made.settings.model_copy(update={"order_shard_addresses": addresses})
        yield made, (made.orders, second)
    await redis.aclose()


async def trades(running: Running, account_id: str) -> tuple[int, int]:
    """Returns how many fills of an account are booked, and as of which sequence of its log; 0 of an unknown one."""
    request = position_query_pb2.ListPositionsRequest(account_id=account_id, include_closed=True)
    try:
        answer = await running.stub.ListPositions(request)
    except CodedError:
        return 0, 0
    return sum(position.trade_count for position in answer.positions), answer.as_of


async def booked(running: Running, *counts: int) -> None:
    """Waits until each account has so many fills, and its log is known to go no further."""

    async def counted() -> list[int]:
        return [(await trades(running, name))[0] for name in ACCOUNTS]

    await eventually(counted, lambda found: found == list(counts))


async def test_the_fills_of_both_logs_are_booked_once(
    world: tuple[PortfolioWorld, tuple[FakeOrderLog, FakeOrderLog]],
) -> None:
    """With the same sequences in both, over a restart, and while one log is away; the log of positions has no gap."""
    portfolio, logs = world
    async with portfolio.running() as running:
        for log, account_id in zip(logs, ACCOUNTS, strict=True):
            for _ in range(3):
                await log.fill(account_id, INSTRUMENT, "10", "100")
        await booked(running, 3, 3)
    for log, account_id in zip(logs, ACCOUNTS, strict=True):
        log.add(account_id, INSTRUMENT, "5", "100")
    logs[0].answers = False
    async with portfolio.running() as running:
        await booked(running, 3, 4)
        logs[0].answers = True
        await booked(running, 4, 4)
        logs[1].last_sequence += 20
        await eventually(lambda: trades(running, ACCOUNTS[1]), lambda told: told[1] >= logs[1].last_sequence)
        assert (await trades(running, ACCOUNTS[0]))[1] == logs[0].last_sequence == 4
        everyone = await running.stub.ListAccounts(account_admin_pb2.ListAccountsRequest())
        assert everyone.as_of == 0
        changes = (await running.log.ReadEvents(event_log_service_pb2.ReadEventsRequest())).events
        assert [event.sequence for event in changes] == list(range(1, 9))


async def test_a_log_that_begins_anew_lets_the_others_be_booked_again(
    world: tuple[PortfolioWorld, tuple[FakeOrderLog, FakeOrderLog]],
) -> None:
    """Positions are a function of all logs: those of the other one are there again, those of the lost one are gone."""
    portfolio, logs = world
    async with portfolio.running() as running:
        for log, account_id in zip(logs, ACCOUNTS, strict=True):
            await log.fill(account_id, INSTRUMENT, "10", "100")
        await booked(running, 1, 1)
        logs[1].begin_anew()
        await asyncio.wait([running.task], timeout=20)
        with pytest.raises(TaskDiedError, match="bookkeeper 1 died: the order log is"):
            running.task.result()
    await logs[1].unpublish()
    async with portfolio.running() as running:
        await booked(running, 1, 0)
        await logs[1].fill(ACCOUNTS[1], INSTRUMENT, "1", "100")
        await booked(running, 1, 1)


async def test_too_few_logs_are_not_followed(
    world: tuple[PortfolioWorld, tuple[FakeOrderLog, FakeOrderLog]],
) -> None:
    """A service that is told of one of two shards ends, rather than tell positions that lack fills."""
    portfolio, _ = world
    # It may end before it serves, or a moment later.
    with pytest.raises(TaskDiedError, match="there are 2 order logs, and this process is told of 1"):
        async with portfolio.running(order_shard_addresses=()) as running:
            await asyncio.wait_for(asyncio.shield(running.task), 20)
