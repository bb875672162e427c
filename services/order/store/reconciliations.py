"""Records of reconciliation in Postgres: appended, listed, and the oldest deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from services.kernel.clock import from_ns, to_ns
from services.order.domain.reconciliation import Finding, Reconciliation, ReconciliationKind
from services.order.pipeline.reconciliations import ReconciliationFilter
from services.storage.database import Database

_COLUMNS: Final = (
    "reconciliation_id, kind, connection_id, found, decided, count, order_ids, venue_order_ids, report_sequence, at,"
    " sequence, environment"
)
_APPEND: Final = f"""
    insert into reconciliations (shard, {_COLUMNS})
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) on conflict (reconciliation_id) do nothing
"""
_PRUNE: Final = """
    delete from reconciliations where shard = $1 and reconciliation_id <= (
        select reconciliation_id from reconciliations where shard = $1 order by reconciliation_id desc offset $2 limit 1
    )
"""
_PAGE: Final = f"""
    select {_COLUMNS}, shard from reconciliations
    where ($1::uuid is null or reconciliation_id < $1) and ($2 = '' or connection_id = $2)
        and (cardinality($3::smallint[]) = 0 or kind = any($3))
        and ($4::timestamptz is null or at >= $4) and ($5::timestamptz is null or at < $5)
        and ($7::smallint = 0 or environment = $7)
    order by reconciliation_id desc limit $6
"""


class PostgresReconciliations:
    """The records of one shard as they are written, of all shards as they are read."""

    def __init__(self, database: Database, shard: int) -> None:
        self._database, self._shard = database, shard

    async def append(self, records: Sequence[Reconciliation]) -> None:
        """Stores records, all or none; one that is there already stays as it is.

        Raises:
            CodedError: STORE_UNAVAILABLE; whether they were stored is then unknown, and storing again does no harm.
        """
        async with self._database.transaction() as connection:
            await connection.executemany(_APPEND, [(self._shard, *_row(record)) for record in records])

    async def prune(self, kept: int) -> int:
        """Deletes all but so many of the newest, and returns how many it deleted.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            status = await connection.execute(_PRUNE, self._shard, kept)
        return int(status.rpartition(" ")[2])

    async def page(self, wanted: ReconciliationFilter, before: str, limit: int) -> list[Reconciliation]:
        """Returns records, newest first, older than the one with the id `before`; empty: from the newest.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                _PAGE,
                before or None,
                wanted.connection_id,
                list(wanted.kinds),
                wanted.begin,
                wanted.end,
                limit,
                wanted.environment,
            )
        return [_record(row) for row in rows]


def _row(record: Reconciliation) -> tuple[Any, ...]:
    finding = record.finding
    return (
        record.reconciliation_id,
        finding.kind,
        finding.connection_id,
        finding.found,
        finding.decided,
        finding.count,
        finding.order_ids,
        finding.venue_order_ids,
        finding.report_sequence,
        from_ns(record.at_ns),
        record.sequence,
        record.environment,
    )


def _record(row: Any) -> Reconciliation:
    finding = Finding(
        ReconciliationKind(row["kind"]),
        row["connection_id"],
        row["found"],
        row["decided"],
        row["count"],
        tuple(row["order_ids"]),
        tuple(row["venue_order_ids"]),
        row["report_sequence"],
    )
    reconciliation_id, at_ns = str(row["reconciliation_id"]), to_ns(row["at"])
    return Reconciliation(reconciliation_id, finding, at_ns, row["sequence"], row["shard"], row["environment"])
