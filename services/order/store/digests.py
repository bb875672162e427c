"""Digests of the order log, recorded in the audit as the log grows: Postgres works them out, no event is read here."""

from __future__ import annotations

from typing import Final

import asyncpg

from services.mesh.audit import Change
from services.order.domain.values import Topic
from services.order.pipeline.digesting import MOST_EVENTS
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database

VERSION: Final = 2
"""How digests are made now."""
_WHO: Final = {
    1: "coalesce(actor, ''::bytea)",
    VERSION: "int4send(coalesce(length(actor), -1)) || coalesce(actor, ''::bytea)",
}
_DIGEST: Final = """
    select count(*), coalesce(max(sequence), $2), encode(sha256(coalesce(string_agg(
        int8send(sequence) || int4send(length(payload)) || payload || {who}, ''::bytea
        order by sequence), ''::bytea)), 'hex'),
        array[{heads}]
    from (
        select sequence, topic, payload, actor from events
        where shard = $1 and sequence > $2 and sequence <= $3 order by sequence limit $4
    ) part
"""
_HEADS: Final = ", ".join(f"max(sequence) filter (where topic = {topic:d})" for topic in Topic)
_BEGIN: Final = "insert into log_digests (shard, sequence) values ($1, 0) on conflict do nothing"
_REACHED: Final = "select sequence, topics from log_digests where shard = $1 for update"
_REACH: Final = "update log_digests set sequence = $2, topics = $3 where shard = $1"
_ALL: Final = (1 << 63) - 1


class LogDigests:
    """Works out digests. Methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def record(self, shard: int) -> int:
        """Records the digest of what was appended to the log of a shard since the last one; returns how many events.

        Beside how far that is it notes the last sequence of each topic, by which the next start goes.
        """
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN, shard)
            after, before = await _row(connection, _REACHED, shard)
            count, last, digest, heads = await _digest(connection, shard, after, _ALL, VERSION)
            if not count:
                return 0
            part = {"shard": shard, "after_sequence": after, "last_sequence": last, "count": count}
            new = {**part, "sha256": digest, "version": VERSION}
            topics = [head or old for head, old in zip(heads, before, strict=True)]
            await connection.execute(_REACH, shard, last, topics)
            await self._trail.note(connection, Change("order_log", f"shard-{shard}", new=new))
        return int(count)

    async def digest(self, shard: int, after: int, last: int, version: int) -> tuple[str, int]:
        """Returns the digest of a part of the log as it is now, and how many events there are in it."""
        async with self._database.connection() as connection:
            count, _, digest, _ = await _digest(connection, shard, after, last, version)
        return digest, count


async def _digest(connection: Connection, shard: int, after: int, last: int, version: int) -> asyncpg.Record:
    return await _row(connection, _DIGEST.format(who=_WHO[version], heads=_HEADS), shard, after, last, MOST_EVENTS)


async def _row(connection: Connection, query: str, *arguments: int) -> asyncpg.Record:
    row = await connection.fetchrow(query, *arguments)
    assert row is not None, "there is always one"  # noqa: S101 - narrows the type
    return row
