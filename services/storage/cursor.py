"""How far a consumer has come in the topics of another service's log, moved in the transaction of what it did there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.storage.database import Connection

CREATE: Final = (
    """
    create table consumer_cursor (
        consumer text not null,
        shard integer not null,
        topic text not null,
        epoch uuid not null,
        sequence bigint not null,
        primary key (consumer, shard, topic)
    )
    """,
)
"""Statements for a service's first migration (`for statement in CREATE: op.execute(statement)`)."""


async def load(connection: Connection, consumer: str, shard: int, epoch: str) -> dict[str, int]:
    """Returns the sequence reached per topic in this incarnation of the log; topics never read are absent."""
    rows = await connection.fetch(
        "select topic, sequence from consumer_cursor where consumer = $1 and shard = $2 and epoch = $3",
        consumer,
        shard,
        epoch,
    )
    return {topic: int(sequence) for topic, sequence in rows}


async def advance(connection: Connection, consumer: str, shard: int, epoch: str, reached: Mapping[str, int]) -> None:
    """Moves cursors forward, within the caller's transaction; one that is there already, or beyond, stays."""
    await connection.execute(
        """
        insert into consumer_cursor as c (consumer, shard, topic, epoch, sequence)
        select $1, $2, t, $3, s from unnest($4::text[], $5::bigint[]) as n(t, s)
        on conflict (consumer, shard, topic) do update set epoch = excluded.epoch, sequence = excluded.sequence
        where c.epoch <> excluded.epoch or c.sequence < excluded.sequence
        """,
        consumer,
        shard,
        epoch,
        list(reached),
        list(reached.values()),
    )
