"""Postgres and Redis from their wheels, as the mesh starts them."""

from pathlib import Path

import asyncpg
import pytest
from redis.asyncio import Redis as Client
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
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
    """Another user of the machine, who cannot read the password, gets in nowhere: with none, nor with another."""
    local = _local(tmp_path)
    async with Supervisor(local.components()):
        url, password = local.postgres.url(), local.postgres.password
        for other in (url.replace(password, "guessed"), url.replace("ordermesh:", "postgres:", 1)):
            with pytest.raises(asyncpg.InvalidPasswordError):
                await asyncpg.connect(other)
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(url.replace(f":{password}", "", 1), passfile=str(tmp_path / "none"))
        for guess in (None, "guessed"):
            # Asked once: the client would try a refused password again and again, for seconds.
            once = Retry(NoBackoff(), 0)
            async with Client(host="127.0.0.1", port=local.redis.port, password=guess, retry=once) as client:
                for command in ("PING", "INFO", "KEYS *", "CONFIG GET requirepass"):
                    with pytest.raises(AuthenticationError):
                        await client.execute_command(*command.split())  # type: ignore[no-untyped-call]  # redis-py leaves it untyped


async def test_the_stores_are_reached_from_this_machine_alone(tmp_path: Path) -> None:
    """Over the loopback interface, with a password kept as a salted hash; Postgres has no socket that asks for none."""
    local = _local(tmp_path)
    async with Supervisor(local.components()):
        connection = await asyncpg.connect(local.postgres.url())
        try:
            methods = await connection.fetch("SELECT DISTINCT auth_method FROM pg_hba_file_rules")
            kept = await connection.fetchval("SELECT rolpassword FROM pg_authid WHERE rolname = 'ordermesh'")
            assert [row["auth_method"] for row in methods] == ["scram-sha-256"]
            assert kept.startswith("SCRAM-SHA-256$")
            assert await connection.fetchval("SHOW unix_socket_directories") == ""
            assert await connection.fetchval("SHOW listen_addresses") == "127.0.0.1"
        finally:
            await connection.close()
        async with Client.from_url(local.redis.url) as client:
            assert (await client.config_get("bind"))["bind"] == "127.0.0.1"


async def test_databases_are_made_on_demand(tmp_path: Path) -> None:
    """A database is made once; asking again gives the same address."""
    postgres = _local(tmp_path).postgres
    async with running(postgres.component()):
        url = await postgres.ensure_database("another")
        assert await postgres.ensure_database("another") == url
        connection = await asyncpg.connect(url)
        await connection.close()
