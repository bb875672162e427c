"""The clock of the machine goes back an hour under load, and comes right again: no order lost, none twice."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import asyncpg
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_query_pb2 import ListTradesRequest
from ordermesh.order.v1.trade_query_pb2 import GetTradeRequest
from tests.fakes.machine_clock import MachineClock
from tests.faults.load import Load
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.waiting import answered

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

HOUR = 3_600


@dataclass(frozen=True, slots=True)
class Timed:
    """A mesh whose services and engine have a clock that can be stepped; its stores have the true one."""

    mesh: Mesh
    clock: MachineClock


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def timed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Timed]:
    """A mesh of these tests' own."""
    folder = tmp_path_factory.mktemp("clock")
    clock = MachineClock.at(folder / "clock")
    async with AsyncExitStack() as stack:
        mesh = running_mesh(folder / "mesh", WITHOUT_AGENTS, clock.environment())
        yield Timed(await stack.enter_async_context(mesh), clock)


async def entries(mesh: Mesh, load: Load) -> list[asyncpg.Record]:
    """Returns the time of each entry of the load's orders, and the true time, in the order of the log."""
    connection = await asyncpg.connect(mesh.postgres_url)
    accounts = [someone.account_id for someone in load.traders]
    query = """
        select order_id::text, extract(epoch from at)::float8 as at, extract(epoch from now())::float8 as true
        from orders.events where account_id = any($1) order by sequence
    """
    try:
        return await connection.fetch(query, accounts)
    finally:
        await connection.close()


LONG = [pytest.param(part, marks=pytest.mark.long) for part in ("risk", "broker", "portfolio", "marketdata", "engine")]


@pytest.mark.parametrize("part", [None, "order", *LONG])
async def test_a_clock_that_steps_back_an_hour_costs_no_order(timed: Timed, part: str | None) -> None:
    """Orders go on at once; what starts anew by the wrong time too; times in the log and ids stay near the truth."""
    mesh, clock = timed.mesh, timed.clock
    async with Load.open(mesh, seed=44, accounts=4) as load:
        async with load.running(orders=400):
            await load.until_placed(80)
            clock.step_to(-HOUR)
            try:
                await load.until_placed(160)
                if part is not None:
                    await mesh.kill(part)
                await load.until_placed(240)
            finally:
                clock.step_to(0)
        if part is not None:
            await mesh.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()
        log = await entries(mesh, load)
        assert all(first["at"] <= second["at"] for first, second in pairwise(log))
        assert all(abs(entry["at"] - entry["true"]) < HOUR / 2 for entry in log)
        assert all(abs(time_of(entry["order_id"]) - entry["true"]) < HOUR / 2 for entry in log)
        await assert_fills_are_found(load)


async def assert_fills_are_found(load: Load) -> None:
    """Compares each fill of an account with the one that is found by its id, which is looked for by the time in it."""
    someone = load.traders[0]
    listed = await answered(lambda: someone.orders.ListTrades(ListTradesRequest(account_id=someone.account_id)))
    assert listed.trades
    for trade in listed.trades:
        request = GetTradeRequest(trade_id=trade.trade_id)
        assert (await answered(partial(someone.orders.GetTrade, request))).trade == trade


def time_of(order_id: str) -> float:
    """Returns the time within an order's id, in seconds since 1970."""
    return (uuid.UUID(order_id).int >> 80) / 1_000
