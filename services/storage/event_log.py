"""The append-only log of a service, and its epoch.

A log has one gapless sequence. One event may stand under several topics, with the same sequence in each; within a topic
every row names the sequence before it, so that a reader sees a gap.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from services.storage.database import Connection

TABLE: Final = "event_log"

CREATE: Final = (
    """
    create table event_log (
        sequence bigint not null,
        topic text not null,
        previous_sequence bigint not null,
        account_id text not null,
        account_sequence bigint not null,
        payload bytea not null,
        at timestamptz not null,
        primary key (sequence, topic)
    )
    """,
    "create index event_log_by_topic on event_log (topic, sequence)",
    "create index event_log_by_account on event_log (account_id, account_sequence)",
    """
    create table event_log_epoch (
        singleton boolean primary key default true check (singleton),
        epoch uuid not null default gen_random_uuid(),
        created_at timestamptz not null default now()
    )
    """,
    "insert into event_log_epoch default values",
)
"""Statements for a service's first migration: `for statement in CREATE: op.execute(statement)`.

The epoch is made with the schema."""

_MOST_TOPICS = 16


class LogEntry(NamedTuple):
    """One row of a log, in the order of its columns: a list of them is what a statement takes as `event_log[]`."""

    sequence: int
    topic: str
    previous_sequence: int
    account_id: str
    account_sequence: int
    payload: bytes
    at: datetime


async def append(connection: Connection, entries: Sequence[LogEntry]) -> None:
    """Appends rows, within the caller's transaction."""
    await connection.execute("insert into event_log select n.* from unnest($1::event_log[]) n", entries)


async def read_after(connection: Connection, sequence: int, limit: int, topics: Sequence[str] = ()) -> list[LogEntry]:
    """Returns up to `limit` rows after a sequence, oldest first, of some topics or (none named) all.

    Rows of one sequence are never torn apart: the page ends before the sequence that does not fit. A page may hold less
    than asked for without being the last; only an empty one says that there is no more.
    """
    limit = max(limit, _MOST_TOPICS + 1)
    rows = await connection.fetch(
        _READ_TOPICS if topics else _READ, sequence, limit, *([list(topics)] if topics else [])
    )
    entries = [LogEntry(*row) for row in rows]
    if len(entries) == limit:
        last = entries[-1].sequence
        entries = [entry for entry in entries if entry.sequence < last]
    return entries


async def last_sequence(connection: Connection) -> int:
    """Returns the last sequence of the log, 0 when it is empty."""
    return int(await connection.fetchval("select coalesce(max(sequence), 0) from event_log"))


async def last_of_topics(connection: Connection, topics: Iterable[str]) -> dict[str, int]:
    """Returns the last sequence of each topic, 0 for one without rows."""
    rows = await connection.fetch(
        "select t, coalesce((select max(sequence) from event_log where topic = t), 0) from unnest($1::text[]) t",
        list(topics),
    )
    return {topic: int(sequence) for topic, sequence in rows}


async def epoch(connection: Connection) -> str:
    """Returns the epoch: the UUID of this incarnation of the log."""
    return str(await connection.fetchval("select epoch from event_log_epoch"))


_SELECT = "select sequence, topic, previous_sequence, account_id, account_sequence, payload, at from event_log"
_READ = f"{_SELECT} where sequence > $1 order by sequence, topic limit $2"
_READ_TOPICS = f"{_SELECT} where sequence > $1 and topic = any($3::text[]) order by sequence, topic limit $2"
