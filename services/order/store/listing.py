"""Pages of orders, fills and an order's history."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.kernel.clock import to_ns
from services.order.domain.order import Order
from services.order.domain.values import LIVE_STATUSES
from services.order.pipeline.entries import LoggedReport
from services.order.pipeline.queries import FillFilter, FillRow, OrderFilter
from services.order.store.loading import ORDER_SELECT, order_of_row
from services.storage.database import Database

_MARGIN: Final = timedelta(minutes=1)
"""An order is committed at most this long after its id was made, and the clocks of ids and commits differ by less."""


class _Conditions:
    """Conditions of a query with their numbered arguments."""

    def __init__(self) -> None:
        self.arguments: list[Any] = []
        self._parts: list[str] = []

    def add(self, part: str, *arguments: Any) -> None:
        """Adds a condition whose `{}` stand for the arguments."""
        first = len(self.arguments) + 1
        self._parts.append(part.format(*(f"${first + index}" for index in range(len(arguments)))))
        self.arguments.extend(arguments)

    def where(self) -> str:
        """Returns the clause, empty without conditions."""
        return f" where {' and '.join(self._parts)}" if self._parts else ""


class Listing:
    """Lists what one shard's store holds."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def orders(self, wanted: OrderFilter, before: str | None, limit: int) -> list[Order]:
        """Returns orders, newest first, older than the one with the id `before`.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        conditions = _order_conditions(wanted)
        if before is not None:
            conditions.add("o.order_id < {}", before)
        query = f"{ORDER_SELECT}{conditions.where()} order by o.order_id desc limit {limit:d}"
        async with self._database.connection() as connection:
            return [order_of_row(row) for row in await connection.fetch(query, *conditions.arguments)]

    async def fills(self, wanted: FillFilter, before: tuple[datetime, int] | None, limit: int) -> list[FillRow]:
        """Returns fills, newest first, older than the one at `before`.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        conditions = _fill_conditions(wanted)
        if before is not None:
            conditions.add("(executed_at, sequence) < ({}, {})", *before)
        query = (
            f"select executed_at, sequence, payload from events{conditions.where()}"
            f" order by executed_at desc, sequence desc limit {limit:d}"
        )
        async with self._database.connection() as connection:
            return [FillRow(*row) for row in await connection.fetch(query, *conditions.arguments)]

    async def history(self, order_id: str, after: int, limit: int) -> list[LoggedReport]:
        """Returns what happened to an order after a sequence, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        query = "select sequence, payload from events where order_id = $1 and sequence > $2 order by sequence limit $3"
        async with self._database.connection() as connection:
            return [LoggedReport(*row) for row in await connection.fetch(query, order_id, after, limit)]


def _order_conditions(wanted: OrderFilter) -> _Conditions:
    conditions = _Conditions()
    if wanted.account_id:
        conditions.add("o.account_id = {}", wanted.account_id)
    if wanted.instrument:
        conditions.add("o.instrument = {}", wanted.instrument)
    if wanted.statuses:
        conditions.add("o.status = any({}::smallint[])", list(wanted.statuses))
        if LIVE_STATUSES.issuperset(wanted.statuses):
            # Lets the index of live orders be used.
            conditions.add("o.live")
    if wanted.client_order_id:
        conditions.add("o.client_order_id = {}", wanted.client_order_id)
    if wanted.begin is not None:
        conditions.add("o.created_at >= {} and o.order_id >= {}", wanted.begin, _first_id(wanted.begin, -_MARGIN))
    if wanted.end is not None:
        conditions.add("o.created_at < {} and o.order_id < {}", wanted.end, _first_id(wanted.end, _MARGIN))
    return conditions


def _fill_conditions(wanted: FillFilter) -> _Conditions:
    conditions = _Conditions()
    conditions.add("executed_at is not null")
    if wanted.account_id:
        conditions.add("account_id = {}", wanted.account_id)
    if wanted.instrument:
        conditions.add("instrument = {}", wanted.instrument)
    if wanted.order_id:
        conditions.add("order_id = {}", wanted.order_id)
    if wanted.begin is not None:
        conditions.add("executed_at >= {}", wanted.begin)
    if wanted.end is not None:
        conditions.add("executed_at < {}", wanted.end)
    return conditions


def _first_id(at: datetime, margin: timedelta) -> UUID:
    """Returns the least UUIDv7 of a time with a margin, which may lie outside the years that a datetime has."""
    milliseconds = to_ns(at) // 1_000_000 + margin // timedelta(milliseconds=1)
    milliseconds = min(max(milliseconds, 0), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)
