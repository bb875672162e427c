"""Postgres and Redis from their wheels, as the mesh starts them."""

from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis as Client
from redis.exceptions import AuthenticationError

from deploy.embedded.component import running
from deploy.embedded.local_mesh import LocalMesh
from deploy.embedded.plan import Ports
from deploy.embedded.postgres import Postgres
from deploy.embedded.supervisor import Backoff, Supervisor


def _local(directory: Path) -> LocalMesh:
    return LocalMesh.at(directory, Ports.unused(), ["postgres", "redis"])


async def _execute(postgres: Postgres, statement: str) -> object:
    connection = await asyncpg.connect(postgres.url())
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_data_survive_a_restart_at_another_port(tmp_path: Path) -> None:
    """What was committed before the mesh stopped is there when it starts again, wherever it listens."""
    first = _local(tmp_path).postgres
    async with running(first.component()):
        await _execute(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    second = _local(tmp_path).postgres
    assert second.port != first.port
    async with running(second.component()):
        assert await _execute(second, "SELECT answer FROM kept") == 42


async def test_committed_data_survive_kill_9(tmp_path: Path) -> None:
    """A Postgres that is killed comes back with everything that was committed."""
    postgres = _local(tmp_path).postgres
    async with Supervisor([postgres.component()], backoff=Backoff(first=0.05)) as supervisor:
        await _execute(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        await supervisor.kill("postgres")
        await supervisor.until_serving("postgres")
        assert await _execute(postgres, "SELECT answer FROM kept") == 42
        assert await _execute(postgres, "SHOW fsync") == "on"


async def test_the_stores_want_their_passwords(tmp_path: Path) -> None:
    """Another user of the machine, who cannot read the password, gets in nowhere."""
    local = _local(tmp_path)
    async with Supervisor(local.components()):
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(local.postgres.url().replace(local.postgres.password, "guessed"))
        async with Client(host="127.0.0.1", port=local.redis.port) as client:
            with pytest.raises(AuthenticationError):
                await client.ping()


async def test_databases_are_made_on_demand(tmp_path: Path) -> None:
    """A database is made once; asking again gives the same address."""
    postgres = _local(tmp_path).postgres
    async with running(postgres.component()):
        url = await postgres.ensure_database("another")
        assert await postgres.ensure_database("another") == url
        connection = await asyncpg.connect(url)
        await connection.close()
