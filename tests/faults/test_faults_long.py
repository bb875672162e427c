"""Faults at random instants, round after round; run by `make faults`.

A round that failed is repeated by its seed: `make faults SEEDS=17 ARGS='-k "killed and broker"'`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import asyncpg
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from deploy.embedded.mesh import Mesh
from deploy.embedded.plan import Ports
from ordermesh.order.v1 import order_stream_pb2
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from tests.fakes.line import Line
from tests.faults.load import PATIENT, Load, Manner
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh

pytestmark = [
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(300),
    pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("SEEDS", "1 2 3").split()]),
]

ORDERS, ACCOUNTS = 600, 6
PARTS = ("order", "risk", "broker", "portfolio", "marketdata", "identity", "engine", "redis", "postgres")
SUSPENDED = ("risk", "broker", "portfolio", "marketdata", "identity", "engine", "redis")
LINES = {
    "risk": "ORDERMESH_ORDER_RISK_ADDRESS",
    "broker": "ORDERMESH_ORDER_BROKER_ADDRESS",
    "engine": "ORDERMESH_BROKER_ENGINE_ADDRESS",
}
"""What can be cut: the settings that say where the one end finds the other."""


@dataclass(frozen=True, slots=True)
class Breakable:
    """A mesh whose parts can be killed, and the lines between some of them cut."""

    mesh: Mesh
    lines: dict[str, Line]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def breakable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Breakable]:
    """A mesh of these tests' own."""
    ports = Ports.unused()
    async with AsyncExitStack() as stack:
        lines = {name: await stack.enter_async_context(Line.to(ports.address(name))) for name in LINES}
        settings = {LINES[name]: line.address for name, line in lines.items()}
        mesh = running_mesh(tmp_path_factory.mktemp("faults"), WITHOUT_AGENTS, settings, ports)
        yield Breakable(await stack.enter_async_context(mesh), lines)


async def _check(load: Load) -> None:
    await load.settle()
    await load.assert_counts_agree()


async def _instants(load: Load, draw: Random, count: int) -> AsyncIterator[None]:
    """Yields at random instants: when so many of the orders were answered."""
    for answered in sorted(draw.sample(range(ORDERS * 9 // 10), count)):
        await load.until_placed(answered)
        yield


@pytest.mark.parametrize("part", PARTS)
async def test_a_part_killed_twice_costs_no_order(breakable: Breakable, part: str, seed: int) -> None:
    """Kill -9 at two instants, the second perhaps while the part is starting again."""
    draw, mesh = Random(seed), breakable.mesh
    async with Load.open(mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            async for _ in _instants(load, draw, 2):
                await mesh.kill(part)
        await mesh.until_serving(part)
        await _check(load)


async def test_all_parts_killed_one_after_the_other(breakable: Breakable, seed: int) -> None:
    """Kill -9 of everything, in a random order, each before the one before needs to be back."""
    draw, mesh = Random(seed), breakable.mesh
    async with Load.open(mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            await load.until_placed(draw.randrange(ORDERS // 2))
            for part in draw.sample(PARTS, len(PARTS)):
                await mesh.kill(part)
                await asyncio.sleep(draw.uniform(0, 0.3))
        for part in PARTS:
            await mesh.until_serving(part)
        await _check(load)


@pytest.mark.parametrize("part", SUSPENDED)
async def test_a_part_that_answers_late_costs_no_order(breakable: Breakable, part: str, seed: int) -> None:
    """Stopped where it stands for up to three seconds: its connections stay open, and nobody is answered."""
    draw, mesh = Random(seed), breakable.mesh
    async with Load.open(mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            await load.until_placed(draw.randrange(ORDERS * 9 // 10))
            mesh.suspend(part)
            try:
                await asyncio.sleep(draw.uniform(0.1, 3.0))
            finally:
                mesh.resume(part)
        await _check(load)


@pytest.mark.parametrize("line", LINES)
async def test_a_connection_cut_again_and_again_costs_no_order(breakable: Breakable, line: str, seed: int) -> None:
    """Commands and reports that were on their way come again, and count once."""
    draw = Random(seed)
    async with Load.open(breakable.mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            async for _ in _instants(load, draw, 5):
                breakable.lines[line].cut()
        assert breakable.lines[line].cuts
        await _check(load)


@pytest.mark.parametrize("line", LINES)
async def test_a_peer_that_never_answers_costs_no_order(breakable: Breakable, line: str, seed: int) -> None:
    """Its connections stay open and carry nothing any more: they are given up, and new ones take their place."""
    draw = Random(seed)
    async with Load.open(breakable.mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            await load.until_placed(draw.randrange(ORDERS // 2))
            breakable.lines[line].mute()
        assert breakable.lines[line].muted
        await _check(load)


@pytest.mark.parametrize("manner", [Manner((0.002, 0.2)), Manner(racing=2), Manner((0.01, 0.5), racing=3)], ids=str)
async def test_requests_sent_again_at_any_time_are_one_order(breakable: Breakable, manner: Manner, seed: int) -> None:
    """Impatient clients, and clients racing on one client order id, are told one order for one request."""
    async with Load.open(breakable.mesh, seed, ACCOUNTS, manner) as load:
        async with load.running(ORDERS // 3):
            pass
        await _check(load)


async def test_a_flushed_bus_costs_no_order(breakable: Breakable, seed: int) -> None:
    """Everything that Redis holds is deleted under load; positions still come to all fills."""
    draw, mesh = Random(seed), breakable.mesh
    redis = Redis.from_url(mesh.redis_url)
    async with Load.open(mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            async for _ in _instants(load, draw, 3):
                await redis.flushall()
        await _check(load)
    await redis.aclose()


async def test_a_read_only_database_costs_no_order(breakable: Breakable, seed: int) -> None:
    """While Postgres takes no writes, as on a full disk, orders are refused and none is half made; then it goes on."""
    draw, mesh = Random(seed), breakable.mesh
    database = await asyncpg.connect(mesh.postgres_url)
    async with Load.open(mesh, seed, ACCOUNTS) as load:
        async with load.running(ORDERS):
            # Postgres' processes hear of it one by one: there must be orders left by then.
            await load.until_placed(draw.randrange(ORDERS // 2))
            await _let_write(database, allowed=False)
            try:
                told = len(load.placed)
                await load.until_refused("UNAVAILABLE")
                assert len(load.placed) <= told + ACCOUNTS, "orders were taken that could not be committed"
            finally:
                await _let_write(database, allowed=True)
        await _check(load)
    await database.close()


async def _let_write(database: asyncpg.Connection, *, allowed: bool) -> None:
    await database.execute("set default_transaction_read_only = off")
    await database.execute(f"alter system set default_transaction_read_only = {'off' if allowed else 'on'}")
    await database.execute("select pg_reload_conf()")


async def test_a_reader_that_stands_still_harms_nobody(breakable: Breakable, seed: int) -> None:
    """Streams that nobody reads stay open beside the load; everybody else is served, and no order is lost."""
    async with (
        Load.open(breakable.mesh, seed, ACCOUNTS, PATIENT) as load,
        breakable.mesh.channel("order") as channel,
    ):
        stalled = [
            OrderServiceStub(someone.user.authorized(channel)).StreamOrders(
                order_stream_pb2.StreamOrdersRequest(account_id=someone.account_id)
            )
            for someone in load.traders * 5
        ]
        for call in stalled:
            await call.read()
        async with load.running(ORDERS):
            pass
        await _check(load)
        for call in stalled:
            call.cancel()
