"""The event log and the cursors on it, in a real Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio

from services.storage import cursor, event_log
from services.storage.database import Database
from services.storage.event_log import LogEntry
from services.storage.group_commit import GroupCommitter

AT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def entry(sequence: int, topic: str = "order.placed", previous: int = 0) -> LogEntry:
    """Returns an entry."""
    return LogEntry(sequence, topic, previous, "demo", sequence, f"payload {sequence}".encode(), AT)


@pytest_asyncio.fixture
async def database(postgres_url: str) -> AsyncIterator[Database]:
    """A schema with a log and cursors."""
    async with Database(postgres_url, "public") as opened:
        async with opened.transaction() as connection:
            for statement in (*event_log.CREATE, *cursor.CREATE):
                await connection.execute(statement)
        yield opened


async def append(database: Database, *entries: LogEntry) -> None:
    """Appends entries, as a service does within its own statement."""
    async with database.transaction() as connection:
        await connection.execute("insert into event_log select n.* from unnest($1::event_log[]) n", entries)


async def test_what_is_appended_is_read_in_order(database: Database) -> None:
    """Rows come back as they were, oldest first, after a sequence, by topic if asked."""
    entries = [entry(1), entry(2, "order.executed"), entry(2, "trade.executed"), entry(3, previous=1)]
    await append(database, *entries)
    async with database.connection() as connection:
        assert await event_log.read_after(connection, 0, 100) == entries
        assert await event_log.read_after(connection, 1, 100, ["order.placed", "trade.executed"]) == entries[2:]
        assert await event_log.read_after(connection, 3, 100) == []
        assert await event_log.last_sequence(connection) == 3
        assert await event_log.last_of_topics(connection, ["order.placed", "order.canceled"]) == {
            "order.placed": 3,
            "order.canceled": 0,
        }


@pytest.mark.parametrize("limit", [1, 17, 18, 19, 100])
async def test_pages_never_tear_a_sequence_apart(database: Database, limit: int) -> None:
    """Reading on after each page's last sequence finds every row once, whatever the size of a page."""
    topics = ["a", "b", "c"]
    entries = [entry(n, topic) for n in range(1, 40) for topic in topics[: 1 + n % 3]]
    await append(database, *entries)
    found: list[LogEntry] = []
    async with database.connection() as connection:
        while page := await event_log.read_after(connection, found[-1].sequence if found else 0, limit):
            found += page
    assert found == entries


async def test_a_sequence_is_given_once(database: Database) -> None:
    """The log refuses a second event of one sequence and topic."""
    await append(database, entry(1))
    with pytest.raises(asyncpg.UniqueViolationError):
        await append(database, entry(1))


async def test_the_epoch_stays_and_is_another_in_another_schema(database: Database) -> None:
    """It is made with the schema."""
    async with database.connection() as connection:
        epoch = await event_log.epoch(connection)
        assert str(UUID(epoch)) == epoch == await event_log.epoch(connection)
        await connection.execute("create schema other; set search_path to other")
        for statement in event_log.CREATE:
            await connection.execute(statement)
        assert await event_log.epoch(connection) != epoch
        await connection.execute("reset search_path")


async def test_a_cursor_moves_only_forward_within_an_epoch(database: Database) -> None:
    """A late or repeated advance changes nothing; a new epoch begins anew."""
    epoch, other = str(uuid4()), str(uuid4())
    async with database.connection() as connection:
        assert await cursor.load(connection, "portfolio", 0, epoch) == {}
        await cursor.advance(connection, "portfolio", 0, epoch, {"trade.executed": 5, "order.placed": 6})
        await cursor.advance(connection, "portfolio", 0, epoch, {"trade.executed": 4})
        assert await cursor.load(connection, "portfolio", 0, epoch) == {"trade.executed": 5, "order.placed": 6}
        assert await cursor.load(connection, "portfolio", 1, epoch) == {}
        assert await cursor.load(connection, "risk", 0, epoch) == {}
        await cursor.advance(connection, "portfolio", 0, other, {"trade.executed": 1})
        assert await cursor.load(connection, "portfolio", 0, other) == {"trade.executed": 1}
        assert await cursor.load(connection, "portfolio", 0, epoch) == {"order.placed": 6}


async def test_cursor_and_effect_are_one_transaction(database: Database) -> None:
    """When the effect fails, the cursor has not moved."""
    epoch = str(uuid4())
    with pytest.raises(ZeroDivisionError):
        await _advance_and_fail(database, epoch)
    async with database.connection() as connection:
        assert await cursor.load(connection, "portfolio", 0, epoch) == {}


async def _advance_and_fail(database: Database, epoch: str) -> None:
    async with database.transaction() as connection:
        await cursor.advance(connection, "portfolio", 0, epoch, {"trade.executed": 5})
        raise ZeroDivisionError


async def test_group_commit_into_the_log_is_gapless(database: Database) -> None:
    """Many submitters at once get each its own sequence; the log holds all of them without a gap, in few commits."""
    batches: list[int] = []

    async def commit(items: Sequence[str]) -> list[int]:
        first = sum(batches) + 1
        await append(database, *(entry(first + n) for n in range(len(items))))
        batches.append(len(items))
        return list(range(first, first + len(items)))

    committer: GroupCommitter[str, int] = GroupCommitter(commit)
    running = asyncio.create_task(committer.run())
    sequences = await asyncio.gather(*(committer.submit(f"{n}") for n in range(500)))
    committer.close()
    await running
    assert sorted(sequences) == list(range(1, 501))
    assert len(batches) < 50
    async with database.connection() as connection:
        assert await event_log.last_sequence(connection) == 500
