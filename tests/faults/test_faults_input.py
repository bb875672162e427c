"""Ten thousand requests that break the contract, each way in: refused with the field named, nothing changed by them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from random import Random
from typing import Any

import asyncpg
import httpx
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from services.kernel.errors import ErrorKind
from tests.faults.malformed import ANSWER_SECONDS, breakable_methods, by_grpc, by_grpc_web, by_rest, malformed, named
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import eventually
from tests.fixtures.users import EVERY_ROLE, User, made

pytestmark = [
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.timeout(600),
    pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("SEEDS", "1 2 3").split()]),
]

REQUESTS = 3_334
"""Of each of the three ways: ten thousand a seed."""
METHODS = breakable_methods()
TABLES = """
    select format('%I.%I', schemaname, tablename) from pg_tables
    where schemaname not in ('pg_catalog', 'information_schema')
"""
DIGEST = "select count(*), md5(coalesce(string_agg(t::text, ',' order by t::text), '')) from {} t"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def asked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own, in which nothing else happens."""
    async with running_mesh(tmp_path_factory.mktemp("input"), WITHOUT_AGENTS) as mesh:
        # MarketDataService notes how far it has read its feed a moment after it serves.
        await eventually(lambda: kept(mesh), lambda told: "count=0" not in told["marketdata.feed_epoch"])
        yield mesh


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def everybody(asked: Mesh) -> User:
    """Somebody who may do everything, so that nothing is refused for want of a role."""
    return await made(asked, *EVERY_ROLE, accounts=("demo",))


@pytest_asyncio.fixture(loop_scope="module")
async def http(everybody: User) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the gateway."""
    async with everybody.over_rest(ANSWER_SECONDS) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def channel(everybody: User) -> AsyncIterator[Any]:
    """A channel to the gateway, whose calls take bytes."""
    async with everybody.calling() as opened:
        yield opened


async def kept(mesh: Mesh) -> dict[str, str]:
    """Returns how many rows each table of the mesh has, and a digest of them."""
    connection = await asyncpg.connect(mesh.postgres_url)
    try:
        return {
            table: str(await connection.fetchrow(DIGEST.format(table))) for (table,) in await connection.fetch(TABLES)
        }
    finally:
        await connection.close()


async def test_over_grpc(asked: Mesh, channel: Any, seed: int) -> None:
    """Requests and bytes that are none: INVALID_ARGUMENT, and exactly the fields that break the contract."""
    choose, before = Random(f"grpc {seed}"), await kept(asked)
    for _ in range(REQUESTS):
        request = malformed(METHODS, choose, as_bytes=True)
        error = await by_grpc(channel, request)
        told = (error.kind, error.reason, named(error))
        assert told == (ErrorKind.INVALID, "INVALID_FIELD", request.fields), (request.path, request.data)
    assert await kept(asked) == before


async def test_over_grpc_web(asked: Mesh, http: httpx.AsyncClient, seed: int) -> None:
    """The same, as a browser asks."""
    choose, before = Random(f"grpc-web {seed}"), await kept(asked)
    for _ in range(REQUESTS):
        request = malformed(METHODS, choose, as_bytes=True)
        error = await by_grpc_web(http, request)
        told = (error.kind, error.reason, named(error))
        assert told == (ErrorKind.INVALID, "INVALID_FIELD", request.fields), (request.path, request.data)
    assert await kept(asked) == before


async def test_over_rest(asked: Mesh, http: httpx.AsyncClient, seed: int) -> None:
    """The same as JSON, paths and queries; what has no such form is left out. The gateway may refuse it first."""
    choose, before = Random(f"rest {seed}"), await kept(asked)
    sent = 0
    while sent < REQUESTS:
        request = malformed(METHODS, choose, as_bytes=False)
        error = await by_rest(http, request)
        if error is None:
            continue
        sent += 1
        assert error.kind is ErrorKind.INVALID, (request.path, request.message, error)
        assert error.violations, (request.path, request.message, error)
    assert await kept(asked) == before
