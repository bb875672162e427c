"""A schema in a real Postgres: migrations, transactions, COPY, and a store that goes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from sqlalchemy import text

from services.kernel.errors import CodedError, ErrorKind
from services.storage.database import Database, PoolOptions
from services.storage.migrations import migrate
from tests.fixtures.servers import OwnPostgres
from tests.fixtures.waiting import answered, eventually

FIRST = """
revision = "0001"
down_revision = None

from alembic import op


def upgrade():
    op.execute("create table notes (id bigint primary key, text text not null)")
"""

SECOND = """
revision = "0002"
down_revision = "0001"

from alembic import op


def upgrade():
    op.execute("insert into notes values (1, 'from a migration')")
    {last}
"""


def write_versions(folder: Path, last: str = "") -> Path:
    """Writes two migrations, the second of which ends with a statement."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "0001_first.py").write_text(FIRST)
    (folder / "0002_second.py").write_text(SECOND.format(last=last))
    return folder


@pytest_asyncio.fixture
async def database(postgres_url: str, tmp_path: Path) -> AsyncIterator[Database]:
    """A migrated schema."""
    await migrate(postgres_url, "note", schema="notes", folder=write_versions(tmp_path / "versions"))
    async with Database(postgres_url, "notes", PoolOptions(size=2, overflow=0, wait_seconds=0.2)) as opened:
        yield opened


async def rows(database: Database) -> list[int]:
    """Returns the ids of all notes."""
    async with database.connection() as connection:
        return [row["id"] for row in await connection.fetch("select id from notes order by id")]


async def test_migrations_run_once_however_many_start_together(postgres_url: str, tmp_path: Path) -> None:
    """Processes that start at once wait for one another, and each migration takes effect once."""
    folder = write_versions(tmp_path / "versions")
    await asyncio.gather(*(migrate(postgres_url, "note", schema="notes", folder=folder) for _ in range(4)))
    async with Database(postgres_url, "notes") as database:
        assert await rows(database) == [1]
        async with database.connection() as connection:
            assert await connection.fetchval("select version_num from notes.schema_version") == "0002"
            tables = await connection.fetch("select 1 from information_schema.tables where table_schema = 'public'")
    assert tables == []


async def test_a_version_that_came_since_is_run(postgres_url: str, tmp_path: Path) -> None:
    """A schema that is at an older version is brought to the newest one, and one that is at it is left alone."""
    folder = write_versions(tmp_path / "versions")
    await migrate(postgres_url, "note", schema="notes", folder=folder)
    await migrate(postgres_url, "note", schema="notes", folder=folder)
    third = SECOND.replace("0002", "0003").replace("0001", "0002").replace("(1,", "(2,").format(last="")
    (folder / "0003_third.py").write_text(third)
    await migrate(postgres_url, "note", schema="notes", folder=folder)
    async with Database(postgres_url, "notes") as database:
        assert await rows(database) == [1, 2]


async def test_a_failed_migration_leaves_nothing(postgres_url: str, tmp_path: Path) -> None:
    """All migrations of a start are one transaction: when one fails, the schema is what it was."""
    folder = write_versions(tmp_path / "versions", 'op.execute("select no_such_function()")')
    with pytest.raises(Exception, match="no_such_function"):
        await migrate(postgres_url, "note", schema="notes", folder=folder)
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("select to_regnamespace('notes')") is None
    await connection.close()


async def test_a_unit_of_work_is_rolled_back_unless_committed(database: Database) -> None:
    """Only what is committed stays."""
    async with database.unit_of_work() as session:
        await session.execute(text("insert into notes values (2, 'lost')"))
    async with database.unit_of_work() as session:
        await session.execute(text("insert into notes values (3, 'kept')"))
        await session.commit()
    assert await rows(database) == [1, 3]


async def test_a_raw_transaction_commits_at_its_end_and_not_when_it_fails(database: Database) -> None:
    """COPY goes through the same pool, within a transaction."""
    async with database.transaction() as connection:
        await connection.copy_records_to_table("notes", records=[(n, "copied") for n in range(10, 13)])
    with pytest.raises(ZeroDivisionError):
        await _copy_and_fail(database)
    assert await rows(database) == [1, 10, 11, 12]


async def _copy_and_fail(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.copy_records_to_table("notes", records=[(20, "lost")])
        raise ZeroDivisionError


async def test_a_connection_comes_back_to_the_pool_clean(database: Database) -> None:
    """A user who is cancelled in the middle of a statement leaves no transaction behind, and no change."""
    for _ in range(3):
        writing = asyncio.create_task(_write_and_sleep(database))
        await _until_it_sleeps(database)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
    async with database.connection() as connection, database.connection() as other:
        for one in (connection, other):
            assert not one.is_in_transaction()
            assert await one.fetchval("select current_schema()") == "notes"
    assert await rows(database) == [1]


@pytest.mark.parametrize("turns", range(12))
async def test_a_transaction_that_is_broken_off_while_it_begins_leaves_none_open(
    database: Database, postgres_url: str, turns: int
) -> None:
    """Whenever a user is cancelled, also within BEGIN, the next user of the connection can begin a transaction."""
    async with Database(postgres_url, database.schema, PoolOptions(size=1, overflow=0)) as single:
        await rows(single)
        beginning = asyncio.create_task(_note(single, 7))
        for _ in range(turns):
            await asyncio.sleep(0)
        beginning.cancel()
        await asyncio.wait([beginning])
        # By the time of an answer on the same connection, the server has begun, too.
        await rows(single)
        await _note(single, 8)
        assert 8 in await rows(database)


async def _note(database: Database, number: int) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into notes values ($1, 'noted')", number)


async def test_a_text_that_postgres_cannot_hold_is_the_callers_fault(database: Database) -> None:
    """NUL within a text, by the driver and by a session, is invalid input."""
    with pytest.raises(CodedError, match="NUL") as by_driver:
        await _text_length(database, "a\0b")
    with pytest.raises(CodedError, match="NUL") as by_session:
        await _text_length_by_session(database, "a\0b")
    assert by_driver.value.kind is by_session.value.kind is ErrorKind.INVALID
    assert await _text_length(database, "ab") == await _text_length_by_session(database, "ab") == 2


async def _text_length(database: Database, content: str) -> int:
    async with database.connection() as connection:
        return int(await connection.fetchval("select length($1::text)", content))


async def _text_length_by_session(database: Database, content: str) -> int:
    async with database.unit_of_work() as session:
        return int((await session.execute(text("select length(cast(:it as text))"), {"it": content})).scalar_one())


async def _until_it_sleeps(database: Database) -> None:
    query = "select 1 from pg_stat_activity where query = 'select pg_sleep(30)' and state = 'active'"
    async with database.connection() as connection:
        await eventually(partial(connection.fetchval, query), seconds=10)


async def _write_and_sleep(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into notes values (7, 'lost')")
        await connection.execute("select pg_sleep(30)")


async def test_a_used_up_pool_is_an_unavailable_store(database: Database) -> None:
    """Who finds no free connection in time is told to come again."""
    async with database.connection(), database.connection():
        with pytest.raises(CodedError) as caught:
            await database.ping()
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "STORE_UNAVAILABLE")
    assert caught.value.retry_after_seconds
    await database.ping()


async def test_a_broken_rule_of_the_schema_is_not_an_unavailable_store(database: Database) -> None:
    """A duplicate key is the caller's affair, and comes as the driver tells it."""
    with pytest.raises(asyncpg.UniqueViolationError):
        await _insert_twice(database)


async def _insert_twice(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("insert into notes values (1, 'again')")


async def test_a_read_only_store_is_unavailable(database: Database) -> None:
    """A store that takes no writes refuses them as unavailable."""
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await _write_read_only(database)


async def _write_read_only(database: Database) -> None:
    async with database.transaction() as connection:
        await connection.execute("set transaction read only")
        await connection.execute("insert into notes values (5, 'no')")


async def test_a_store_that_was_away_is_used_again(own_postgres: OwnPostgres) -> None:
    """While Postgres is away every use is UNAVAILABLE; once it is back the same pool works."""
    async with Database(own_postgres.url, "public", PoolOptions(size=1, overflow=0)) as database:
        await database.ping()
        await own_postgres.stop()
        for _ in range(2):
            with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
                await database.ping()
        await own_postgres.start()
        await _until_it_answers(database)


async def _until_it_answers(database: Database) -> None:
    await answered(database.ping, 10, lambda error: isinstance(error, CodedError))


async def test_a_server_that_is_not_there_is_unavailable(tmp_path: Path) -> None:
    """Neither pool nor migration hangs or shows the driver's error."""
    url = "postgresql://nobody@127.0.0.1:1/none"
    async with Database(url, "public") as database:
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await database.ping()
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await migrate(url, "note", folder=write_versions(tmp_path / "versions"))
