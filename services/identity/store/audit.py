"""The chain of the records of all services."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Final

import structlog

from ordermesh.event.v1 import audit_record_pb2
from services.identity.domain.audit_chain import BEFORE_ALL, Link, hash_of
from services.identity.pipeline.auditing import Chained, Seal, Wanted
from services.identity.store.audit_records import Facts, facts, link, record_of
from services.kernel.clock import Clock
from services.mesh.audit import Change, Recorder
from services.mesh.names import Key
from services.mesh.refusals import CALL, NAMED
from services.mesh.vault import SealBrokenError, Vault
from services.storage import cursor
from services.storage.database import Connection, Database

_log = structlog.stdlib.get_logger(__name__)

_CONSUMER: Final = "audit"
_SHARD: Final = 0
_PLACE: Final = "audit seal"


_FACTS: Final = ", ".join(Facts._fields)
_SELECT: Final = f"select sequence, content, hash, {_FACTS} from audit_record"
_CHAINED: Final = """
    select content, hash, coalesce((select p.hash from audit_record p where p.sequence = r.sequence - 1), $1)
    from audit_record r
"""
_INSERT: Final = f"""
    insert into audit_record (sequence, content, hash, source_epoch, {_FACTS})
    values ($1, $2, $3, $4, {", ".join(f"${5 + index}" for index in range(len(Facts._fields)))})
"""


class PostgresAuditStore:
    """Keeps the chain. Its tables are append-only."""

    def __init__(self, database: Database, vault: Vault, clock: Clock, recorder: Recorder) -> None:
        """Makes the store.

        Args:
            database: The schema.
            vault: Seals the chain.
            clock: Tells when it was sealed.
            recorder: Records what is wrong with the log of a service.
        """
        self._database, self._vault, self._clock, self._recorder = database, vault, clock, recorder

    async def cursor(self, source: str) -> tuple[str, int]:
        """Returns the epoch and the place up to which the log of a service is chained; an empty epoch for nothing."""
        async with self._database.connection() as connection:
            return await _cursor(connection, source)

    async def append(self, source: str, epoch: str, records: Sequence[tuple[int, bytes]]) -> int:
        """Chains records with the cursor, as one; those that are chained already are left out. Returns how many."""
        async with self._database.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('ordermesh.identity.audit', 0))")
            known, reached = await _cursor(connection, source)
            reached = reached if known == epoch else 0
            fresh = [(place, record) for place, record in records if place > reached]
            if not fresh:
                return 0
            chained = [self._read(source, *each) for each in fresh]
            findings = self._findings(source, known, epoch, [reached, *(place for place, _ in fresh)])
            await _name_users(connection, chained)
            await _find_worlds(connection, chained)
            await _chain(connection, epoch, [*findings, *chained])
            await cursor.advance(connection, _CONSUMER, _SHARD, epoch, {source: fresh[-1][0]})
        return len(fresh)

    def _read(self, source: str, place: int, stored: bytes) -> audit_record_pb2.AuditRecord:
        """Returns a record of a service; of what is none, one that keeps it: else breaking one would hide it."""
        if (record := record_of(stored, source)) is None:
            _log.error("a record of a service cannot be read", source=source, **{Key.SEQUENCE: place})
            record = audit_record_pb2.AuditRecord.FromString(self._recorder.record(Change("audit_log", source)))
            record.unreadable = stored
        record.source, record.source_sequence = source, place
        return record

    def _findings(self, source: str, known: str, epoch: str, places: Sequence[int]) -> list[Any]:
        """Returns records of what is wrong with a log: it is another one, or places of it are missing."""
        told: list[Change] = []
        if known and known != epoch:
            told.append(Change("audit_log", source, old={"epoch": known}, new={"epoch": epoch}))
        for before, after in pairwise(places):
            if after != before + 1:
                told.append(Change("audit_log", source, new={"missing_from": before + 1, "missing_until": after}))
        return [audit_record_pb2.AuditRecord.FromString(self._recorder.record(change)) for change in told]

    async def last(self) -> tuple[int, bytes]:
        """Returns place and hash of the last record."""
        async with self._database.connection() as connection:
            return await _last(connection)

    async def links(self, after: int, limit: int) -> Sequence[Link]:
        """Returns links after a place, in order."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(f"{_SELECT} where sequence > $1 order by sequence limit $2", after, limit)
        return [link(*row) for row in rows]

    async def seal(self, sequence: int, hash_: bytes) -> None:
        """Seals the chain up to a record, with a key that is not in the store."""
        sealed = self._vault.seal(hash_.hex(), _PLACE, str(sequence))
        async with self._database.transaction() as connection:
            await connection.execute(
                "insert into audit_seal (sequence, at, sealed) values ($1, $2, $3)", sequence, self._clock.now(), sealed
            )

    async def seals(self, after: int, up_to: int) -> Sequence[Seal]:
        """Returns seals of places after one and up to another, in order."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                "select sequence, sealed from audit_seal where sequence > $1 and sequence <= $2 order by sequence",
                after,
                up_to,
            )
        return [Seal(sequence, self._opened(sequence, sealed)) for sequence, sealed in rows]

    def _opened(self, sequence: int, sealed: bytes) -> bytes | None:
        try:
            return bytes.fromhex(self._vault.open(sealed, _PLACE, str(sequence)))
        except (SealBrokenError, ValueError):
            return None

    async def last_sealed(self) -> int:
        """Returns the last place that was sealed, 0 for none."""
        async with self._database.connection() as connection:
            return int(await connection.fetchval("select coalesce(max(sequence), 0) from audit_seal"))

    async def page(self, wanted: Wanted, before: int, limit: int) -> Sequence[Chained]:
        """Returns records before a place, the last first."""
        values: list[Any] = [BEFORE_ALL, before, limit, wanted.environment]
        conditions = ["r.sequence < $2", "r.environment in (0, $4)"]
        for name in ("user_id", "entity_type", "entity_id", "account_id", "source", "request_id"):
            if value := getattr(wanted, name):
                values.append(value)
                conditions.append(f"r.{name} = ${len(values)}")
        for value, comparison in ((wanted.at_or_after, ">="), (wanted.before, "<")):
            if value is not None:
                values.append(value)
                conditions.append(f"r.at {comparison} ${len(values)}")
        statement = f"{_CHAINED} where {' and '.join(conditions)} order by r.sequence desc limit $3"
        async with self._database.connection() as connection:
            rows = await connection.fetch(statement, *values)
        return [Chained(*row) for row in rows]

    async def get(self, sequence: int, environment: int) -> Chained | None:
        """Returns a record of an environment, or of both."""
        statement = f"{_CHAINED} where r.sequence = $2 and r.environment in (0, $3)"
        async with self._database.connection() as connection:
            row = await connection.fetchrow(statement, BEFORE_ALL, sequence, environment)
        return None if row is None else Chained(*row)


async def _cursor(connection: Connection, source: str) -> tuple[str, int]:
    row = await connection.fetchrow(
        "select epoch, sequence from consumer_cursor where consumer = $1 and shard = $2 and topic = $3",
        _CONSUMER,
        _SHARD,
        source,
    )
    return ("", 0) if row is None else (str(row[0]), int(row[1]))


async def _last(connection: Connection) -> tuple[int, bytes]:
    row = await connection.fetchrow("select sequence, hash from audit_record order by sequence desc limit 1")
    return (0, BEFORE_ALL) if row is None else (int(row[0]), bytes(row[1]))


async def _name_users(connection: Connection, records: Sequence[audit_record_pb2.AuditRecord]) -> None:
    wanted = sorted({record.actor.user_id for record in records if record.actor.user_id})
    rows = await connection.fetch("select user_id::text, username from users where user_id::text = any($1)", wanted)
    names = dict(map(tuple, rows))
    for record in records:
        if (name := names.get(record.actor.user_id)) is not None:
            record.actor.username = name


async def _find_worlds(connection: Connection, records: Sequence[audit_record_pb2.AuditRecord]) -> None:
    """Says of which world accounts are that a service has changed by itself: the one that they were opened in.

    An account of the other world that somebody was refused stays untold. One of which it is not known may be none.
    """
    of_calls = [record for record in records if record.entity_type == CALL and record.account_id]
    unsaid = [record for record in records if record.account_id and not record.environment]
    wanted = sorted({record.account_id for record in (*of_calls, *unsaid)})
    if not wanted:
        return
    rows = await connection.fetch(
        "select entity_id, max(environment) from audit_record "
        "where entity_type = 'account' and entity_id = any($1::text[]) group by entity_id",
        wanted,
    )
    worlds = dict(map(tuple, rows))
    worlds |= {record.entity_id: record.environment for record in records if record.entity_type == "account"}
    for record in unsaid:
        record.environment = worlds.get(record.account_id, 0)
    for record in of_calls:
        world = worlds.get(record.account_id, 0 if record.reason == NAMED else -1)
        if world not in {0, record.environment}:
            record.account_id = ""


async def _chain(connection: Connection, epoch: str, records: Sequence[audit_record_pb2.AuditRecord]) -> None:
    sequence, hash_ = await _last(connection)
    rows: list[tuple[Any, ...]] = []
    for record in records:
        sequence += 1
        record.sequence = sequence
        content = record.SerializeToString(deterministic=True)
        hash_ = hash_of(hash_, content)
        rows.append((sequence, content, hash_, epoch, *facts(record)))
    await connection.executemany(_INSERT, rows)
