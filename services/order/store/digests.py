"""Digests of the order log, recorded in the audit as the log grows: Postgres works them out, no event is read here."""

from __future__ import annotations

from typing import Final

from services.mesh.audit import Change
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
        order by sequence), ''::bytea)), 'hex')
    from (
        select sequence, payload, actor from events
        where shard = $1 and sequence > $2 and sequence <= $3 order by sequence limit $4
    ) part
"""
_BEGIN: Final = "insert into log_digests (shard, sequence) values ($1, 0) on conflict do nothing"
_REACHED: Final = "select sequence from log_digests where shard = $1 for update"
_ALL: Final = (1 << 63) - 1


class LogDigests:
    """Works out digests. Methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def record(self, shard: int) -> int:
        """Records the digest of what was appended to the log of a shard since the last one; returns how many events."""
        async with self._database.transaction() as connection:
            await connection.execute(_BEGIN, shard)
            after = int(await connection.fetchval(_REACHED, shard))
            count, last, digest = await _digest(connection, shard, after, _ALL, VERSION)
            if not count:
                return 0
            part = {"shard": shard, "after_sequence": after, "last_sequence": last, "count": count}
            new = {**part, "sha256": digest, "version": VERSION}
            await connection.execute("update log_digests set sequence = $2 where shard = $1", shard, last)
            await self._trail.note(connection, Change("order_log", f"shard-{shard}", new=new))
        return count

    async def digest(self, shard: int, after: int, last: int, version: int) -> tuple[str, int]:
        """Returns the digest of a part of the log as it is now, and how many events there are in it."""
        async with self._database.connection() as connection:
            count, _, digest = await _digest(connection, shard, after, last, version)
        return digest, count


async def _digest(connection: Connection, shard: int, after: int, last: int, version: int) -> tuple[int, int, str]:
    row = await connection.fetchrow(_DIGEST.format(who=_WHO[version]), shard, after, last, MOST_EVENTS)
    assert row is not None, "a count is one row"  # noqa: S101 - narrows the type
    return int(row[0]), int(row[1]), str(row[2])
