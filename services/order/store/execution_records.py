"""What the log says of executions: how orders began, their fills, how they ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import Decimal
from typing import Final
from uuid import UUID

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.decimals import ZERO
from services.order.domain.execution_summary import JudgedFill
from services.order.domain.executions import Fill
from services.order.domain.quotes import Quote
from services.order.domain.values import ExecutionType, Side
from services.order.pipeline.judging import Beginning
from services.order.pipeline.queries import FillFilter, FillPlace
from services.order.store.listing import Listing
from services.order.wire import nanoseconds
from services.order.wire_quotes import arrival_of
from services.storage.database import Database

_BEGINNINGS: Final = """
    select e.payload from unnest($1::uuid[]) as wanted (order_id) cross join lateral (
        select payload from events where order_id = wanted.order_id order by sequence limit 1
    ) e
"""
"""By the first entry, not by that of the command that places it: held orders get that later, parents never."""
_FILLS: Final = """
    select sequence, payload from events
    where order_id = $1 and sequence > $2 and sequence <= $3 and executed_at is not null
    order by sequence limit $4
"""
_END: Final = """
    select payload from events where order_id = $1 and sequence <= $2 and type = any($3::smallint[])
    order by sequence desc limit 1
"""
_CHILDREN: Final = "select order_id from orders where parent_order_id = $1 order by order_id"
_ANY: Final = 2**63 - 1
_FILLS_AT_A_TIME: Final = 200
_ENDS: Final = [ExecutionType.CANCELED, ExecutionType.REJECTED, ExecutionType.EXPIRED]


class LoggedExecutions:
    """Reads executions. Each method raises STORE_UNAVAILABLE."""

    def __init__(self, database: Database, listing: Listing) -> None:
        self._database, self._listing = database, listing

    async def beginning(self, order_id: str) -> Beginning:
        """Returns how an order began, which must exist."""
        return (await self._beginnings((order_id,)))[order_id]

    async def ended_at_ns(self, order_id: str, up_to: int) -> int | None:
        """Returns when an order was canceled, rejected or expired, by the log up to a sequence; None if it was not."""
        async with self._database.connection() as connection:
            payload = await connection.fetchval(_END, UUID(order_id), up_to, _ENDS)
        return None if payload is None else _time_of(ExecutionReport.FromString(payload))

    async def children(self, order_id: str) -> list[str]:
        """Returns the orders that were sent to fill an order; none for an order that is no parent."""
        async with self._database.connection() as connection:
            return [str(row[0]) for row in await connection.fetch(_CHILDREN, UUID(order_id))]

    async def fills(self, order_id: str, after: int, up_to: int, limit: int) -> list[tuple[int, Fill]]:
        """Returns fills of an order with their sequences, after one sequence up to another, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_FILLS, UUID(order_id), after, up_to, limit)
        now = await self._adjusted((order_id,))
        return [(sequence, _fill(ExecutionReport.FromString(payload), now)) for sequence, payload in rows]

    async def judged(
        self, wanted: FillFilter, before: FillPlace | None, limit: int
    ) -> list[tuple[FillPlace, JudgedFill]]:
        """Returns fills with the quotes at arrival of their orders, newest first, older than the one at `before`."""
        rows = await self._listing.fills(wanted, before, limit)
        reports = [ExecutionReport.FromString(row.payload) for row in rows]
        order_ids = {report.order_id for report in reports}
        beginnings, now = await self._beginnings(order_ids), await self._adjusted(order_ids)
        firsts = await self._firsts(now)
        return [
            (row.place, _judged(report, beginnings[report.order_id].arrival, now, firsts))
            for row, report in zip(rows, reports, strict=True)
        ]

    async def _firsts(self, adjusted: Mapping[str, ExecutionReport]) -> Mapping[str, str]:
        """Returns the first fill that counts of each order of which a trade was canceled, by order; "" without one.

        There are few such orders.
        """
        canceled = {trade_id for trade_id, report in adjusted.items() if not report.last_quantity}
        firsts: dict[str, str] = {}
        for order_id in {adjusted[trade_id].order_id for trade_id in canceled}:
            firsts[order_id], after = "", 0
            async with self._database.connection() as connection:
                while rows := await connection.fetch(_FILLS, UUID(order_id), after, _ANY, _FILLS_AT_A_TIME):
                    made = (ExecutionReport.FromString(payload).execution_id for _, payload in rows)
                    if first := next((each for each in made if each not in canceled), ""):
                        firsts[order_id] = first
                        break
                    after = rows[-1][0]
        return firsts

    async def _adjusted(self, order_ids: Collection[str]) -> Mapping[str, ExecutionReport]:
        """Returns the last report of each trade that its venue has canceled or corrected, by our id of the trade."""
        reports = map(ExecutionReport.FromString, await self._listing.adjustments(order_ids))
        return {report.trade_adjustment.trade_id: report for report in reports}

    async def _beginnings(self, order_ids: Collection[str]) -> Mapping[str, Beginning]:
        if not order_ids:
            return {}
        async with self._database.connection() as connection:
            rows = await connection.fetch(_BEGINNINGS, list(map(UUID, order_ids)))
        reports = [ExecutionReport.FromString(row[0]) for row in rows]
        return {report.order_id: Beginning(_arrived_at_ns(report), arrival_of(report)) for report in reports}


def _judged(
    report: ExecutionReport,
    arrival: Quote | None,
    now: Mapping[str, ExecutionReport],
    firsts: Mapping[str, str],
) -> JudgedFill:
    first = firsts.get(report.order_id)
    return JudgedFill(
        _fill(report, now),
        Side(report.side),
        first=report.cumulative_quantity == report.last_quantity if first is None else report.execution_id == first,
        arrived_at_ns=nanoseconds(report.times.received_at),
        arrival=arrival,
    )


def _fill(report: ExecutionReport, adjusted: Mapping[str, ExecutionReport]) -> Fill:
    """Returns a fill as it counts now: one that was canceled has no quantity."""
    now = adjusted.get(report.execution_id, report)
    return Fill(
        report.order_id,
        report.connection_id,
        Decimal(now.last_price or report.last_price),
        Decimal(now.last_quantity) if now.last_quantity else ZERO,
        Decimal(now.fee) if now.fee else ZERO,
        _time_of(report),
        report.instrument,
    )


def _arrived_at_ns(report: ExecutionReport) -> int:
    return nanoseconds(report.times.received_at) or nanoseconds(report.times.committed_at)


def _time_of(report: ExecutionReport) -> int:
    """Returns when the venue made a report, or, where it does not say, when it was committed."""
    return nanoseconds(report.times.venue_at) or nanoseconds(report.times.committed_at)
