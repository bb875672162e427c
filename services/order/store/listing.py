"""Pages of orders, fills and an order's history."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from services.kernel.clock import from_ns, to_ns
from services.order.domain.order import Order
from services.order.domain.values import LIVE_STATUSES
from services.order.pipeline.entries import LoggedReport
from services.order.pipeline.queries import FillFilter, FillPlace, FillRow, OrderFilter
from services.order.store.loading import ORDER_SELECT, order_of_row
from services.storage.database import Database

_MARGIN: Final = timedelta(minutes=1)
"""An order is committed at most this long after its id was made, and the clocks of ids and commits differ by less."""

_ID_MARGIN: Final = timedelta(seconds=5)
"""A fill is committed at most this long before or after its id was made."""
_FIRST_AT: Final = """
    with recursive search (low, high) as (
        select 0::bigint, (select coalesce(max(sequence), 0) + 1 from events where shard = $1)
        union all
        select case when e.at < $2 then middle else low end, case when e.at < $2 then high else middle end
        from search
        cross join lateral (select (low + high) / 2 as middle) as half
        join events as e on e.shard = $1 and e.sequence = middle
        where high - low > 1
    )
    select high from search order by high - low limit 1
"""
"""First sequence of a shard at or after a time."""
_FILL: Final = """
    select executed_at, sequence, payload from events
    where shard = $1 and sequence >= $2 and sequence < $3 and executed_at is not null and position($4 in payload) > 0
"""
_ADJUSTMENTS: Final = """
    select payload from events where order_id = any($1::uuid[]) and type in (15, 16) order by sequence
"""
"""By the numbers of TRADE_CANCEL and TRADE_CORRECT, as the index of them says it."""
_OF_ENVIRONMENT: Final = "account_id in (select account_id from account_environments where environment = {})"
"""An account that has a fill is on record: it was looked at before its first order."""
_EXECUTION_ID_FIELD: Final = b"\n$"
"""What stands before the execution id in a serialised report: field 1, 36 bytes."""
_EQUAL: Final = (
    "account_id",
    "instrument",
    "client_order_id",
    "parent_order_id",
    "order_list_id",
    "strategy_id",
)
"""Filters of orders that are columns of the same name."""


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
    """Lists what the store holds, of all shards."""

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

    async def fills(self, wanted: FillFilter, before: FillPlace | None, limit: int) -> list[FillRow]:
        """Returns fills, newest first, older than the one at `before`.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        conditions = _fill_conditions(wanted)
        if before is not None:
            conditions.add("(executed_at, sequence, shard) < ({}, {}, {}::smallint)", *before)
        query = (
            f"select executed_at, sequence, payload, shard from events{conditions.where()}"
            f" order by executed_at desc, sequence desc, shard desc limit {limit:d}"
        )
        async with self._database.connection() as connection:
            return [FillRow(*row) for row in await connection.fetch(query, *conditions.arguments)]

    async def fill(self, trade_id: str) -> FillRow | None:
        """Returns a fill by its id, None when there is none.

        Fills are not indexed by id: that would cost every fill what few callers ask for. The id tells when it was made,
        and the log is in the order of time and without gaps, so that its part of that time is found by halving.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        made_at = _time_of_id(UUID(trade_id))
        async with self._database.connection() as connection:
            for (shard,) in await connection.fetch("select shard from logs order by shard"):
                low = await connection.fetchval(_FIRST_AT, shard, made_at - _ID_MARGIN)
                high = await connection.fetchval(_FIRST_AT, shard, made_at + _ID_MARGIN)
                row = await connection.fetchrow(_FILL, shard, low, high, _EXECUTION_ID_FIELD + trade_id.encode())
                if row is not None:
                    return FillRow(*row)
        return None

    async def adjustments(self, order_ids: Collection[str]) -> list[bytes]:
        """Returns the reports of what venues did to trades of orders after they were made, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            return [row[0] for row in await connection.fetch(_ADJUSTMENTS, list(order_ids))]

    async def history(self, order_id: str, after: int, limit: int) -> list[LoggedReport]:
        """Returns what happened to an order after a sequence, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        conditions = "order_id = $1 and sequence > $2 order by sequence limit $3"
        query = f"select sequence, payload, actor from events where {conditions}"
        async with self._database.connection() as connection:
            return [LoggedReport(*row) for row in await connection.fetch(query, order_id, after, limit)]


def _order_conditions(wanted: OrderFilter) -> _Conditions:
    conditions = _Conditions()
    for name in _EQUAL:
        if value := getattr(wanted, name):
            conditions.add(f"o.{name} = {{}}", value)
    if wanted.statuses:
        conditions.add("o.status = any({}::smallint[])", list(wanted.statuses))
        if LIVE_STATUSES.issuperset(wanted.statuses):
            # Lets the index of live orders be used.
            conditions.add("o.live")
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
    if wanted.environment:
        conditions.add(_OF_ENVIRONMENT, wanted.environment)
    return conditions


def _first_id(at: datetime, margin: timedelta) -> UUID:
    """Returns the least UUIDv7 of a time with a margin, which may lie outside the years that a datetime has."""
    milliseconds = to_ns(at) // 1_000_000 + margin // timedelta(milliseconds=1)
    milliseconds = min(max(milliseconds, 0), (1 << 48) - 1)
    return UUID(int=milliseconds << 80)


def _time_of_id(made: UUID) -> datetime:
    """Returns the time of a UUIDv7, at most a year before the last that a datetime has."""
    return from_ns(min(made.int >> 80, 253_370_764_800_000) * 1_000_000)
