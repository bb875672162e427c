"""The audit log of a service: a record of each change, stored in the transaction that makes it.

Places are given out under a lock on the log's head, held until the transaction ends: they have no gaps, and none is
filled after a later one was read. So a change is noted last in its transaction.
"""

from __future__ import annotations

from typing import Final

from services.kernel.clock import Clock, SystemClock
from services.kernel.identifiers import Identifiers, UuidV7
from services.mesh.audit import Change, Recorder
from services.storage.database import Connection, Database

REFUSE: Final = """
    create function refuse_change() returns trigger language plpgsql as $$
    begin
        raise exception '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
    end
    $$
"""
"""Statement that makes what `append_only` calls."""


_EACH: Final = "for each {} execute function refuse_change()"


def append_only(table: str) -> tuple[str, ...]:
    """Returns statements that make a table append-only, for its owner too; a superuser could still."""
    return (
        f"create trigger {table}_keeps_rows before update or delete on {table} {_EACH.format('row')}",
        f"create trigger {table}_keeps_all before truncate on {table} {_EACH.format('statement')}",
        f"revoke update, delete, truncate on {table} from public, current_user",
    )


CREATE: Final = (
    "create table audit_log (sequence bigint primary key, record bytea not null)",
    """
    create table audit_log_head (
        singleton boolean primary key default true check (singleton),
        epoch uuid not null default gen_random_uuid(),
        sequence bigint not null default 0
    )
    """,
    "insert into audit_log_head default values",
    REFUSE,
    *append_only("audit_log"),
)
"""Statements for a migration of the service (`for statement in CREATE: op.execute(statement)`)."""

_APPEND: Final = """
    with head as (
        update audit_log_head set sequence = sequence + cardinality($1::bytea[])
        returning sequence - cardinality($1::bytea[]) before
    )
    insert into audit_log (sequence, record)
    select before + place, record from head, unnest($1::bytea[]) with ordinality as each(record, place)
"""


_READ: Final = """
    select epoch, found.sequence, found.record from audit_log_head left join lateral (
        select sequence, record from audit_log where sequence > $1 order by sequence limit $2
    ) found on true order by found.sequence
"""


class AuditTrail:
    """Notes changes in the transaction that makes them."""

    def __init__(self, source: str, clock: Clock | None = None, identifiers: Identifiers | None = None) -> None:
        """Makes the trail of a service.

        Args:
            source: Name of the service.
            clock: Its clock.
            identifiers: Makes the ids of records.
        """
        clock = clock or SystemClock()
        self._recorder = Recorder(source, clock, identifiers or UuidV7(clock))

    async def note(self, connection: Connection, *changes: Change) -> None:
        """Notes changes, within the caller's transaction."""
        if changes:
            await connection.execute(_APPEND, [self._recorder.record(change) for change in changes])


class AuditNotes:
    """Records, each call in a transaction of its own, what is kept elsewhere than in the store."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def note(self, *changes: Change) -> None:
        """Records changes; raises CodedError STORE_UNAVAILABLE."""
        async with self._database.transaction() as connection:
            await self._trail.note(connection, *changes)


class AuditLog:
    """Reads the log. All methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_after(self, sequence: int, limit: int) -> tuple[str, list[tuple[int, bytes]]]:
        """Returns the incarnation of the log, and places and records after a place, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_READ, sequence, limit)
        return str(rows[0][0]), [(place, record) for _, place, record in rows if place is not None]
