"""Partitions of time: made before anything is written into them, dropped when nobody may ask for them any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from typing import Final

import structlog

from services.kernel.clock import Clock
from services.marketdata.domain.candle import Interval
from services.storage.database import Connection, Database

_log = structlog.stdlib.get_logger(__name__)


class Span(Enum):
    """How much time a partition holds."""

    DAY = "day"
    MONTH = "month"
    YEAR = "year"

    def begin(self, day: date) -> date:
        """Returns the first day of the partition that holds a day."""
        match self:
            case Span.DAY:
                return day
            case Span.MONTH:
                return day.replace(day=1)
            case Span.YEAR:
                return day.replace(month=1, day=1)

    def end(self, begin: date) -> date:
        """Returns the first day after the partition that begins with a day."""
        match self:
            case Span.DAY:
                return begin + timedelta(days=1)
            case Span.MONTH:
                return (begin + timedelta(days=32)).replace(day=1)
            case Span.YEAR:
                return begin.replace(year=begin.year + 1)


@dataclass(frozen=True, slots=True)
class Partitioned:
    """A table that is partitioned by time.

    Attributes:
        table: Its name.
        span: How much time a partition holds.
        ahead: How many partitions after the present one are kept ready.
        keep_days: For how long a partition is kept after its end; None: for ever.
    """

    table: str
    span: Span
    ahead: int
    keep_days: int | None


def partitioned_tables(trade_days: int, second_candle_days: int, minute_candle_days: int) -> tuple[Partitioned, ...]:
    """Returns the partitioned tables, with how long their rows are kept; hours and days are kept for ever."""
    minutes = (Interval.MINUTE, Interval.FIVE_MINUTES, Interval.FIFTEEN_MINUTES)
    return (
        Partitioned("trade", Span.DAY, 2, trade_days),
        Partitioned(candle_table(Interval.SECOND), Span.DAY, 2, second_candle_days),
        *(Partitioned(candle_table(interval), Span.MONTH, 1, minute_candle_days) for interval in minutes),
        Partitioned(candle_table(Interval.HOUR), Span.YEAR, 1, None),
        Partitioned(candle_table(Interval.DAY), Span.YEAR, 1, None),
    )


def candle_table(interval: Interval) -> str:
    """Returns the name of the table that holds the candles of an interval."""
    return f"candle_{int(interval)}"


_DATE: Final = "%Y%m%d"
_LOCK: Final = "select pg_advisory_xact_lock(hashtextextended('ordermesh.marketdata.partitions', 0))"
_LIST: Final = """
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = $1::text::regclass order by c.relname
"""


class Partitions:
    """Keeps the partitions of all tables."""

    def __init__(self, database: Database, tables: Iterable[Partitioned], clock: Clock) -> None:
        self._database, self._tables, self._clock = database, tuple(tables), clock
        self._there: set[tuple[str, date]] = set()

    async def ensure(self, days: Iterable[date]) -> None:
        """Makes sure that rows of these days can be written; raises STORE_UNAVAILABLE."""
        wanted = {(table, table.span.begin(day)) for table in self._tables for day in days}
        missing = [(table, begin) for table, begin in wanted if (table.table, begin) not in self._there]
        if not missing:
            return
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            for table, begin in sorted(missing, key=lambda entry: (entry[0].table, entry[1])):
                await connection.execute(_create(table, begin))
        self._there.update((table.table, begin) for table, begin in missing)

    async def keep(self) -> None:
        """Makes partitions ahead of time, and drops those whose time is over; raises STORE_UNAVAILABLE."""
        today = self._clock.now().astimezone(UTC).date()
        for table in self._tables:
            begin = table.span.begin(today)
            days = [begin]
            for _ in range(table.ahead):
                days.append(table.span.end(days[-1]))
            await self._ensure_of(table, days)
            await self._drop_old(table, today)

    async def _ensure_of(self, table: Partitioned, begins: list[date]) -> None:
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            for begin in begins:
                await connection.execute(_create(table, begin))
        self._there.update((table.table, begin) for begin in begins)

    async def _drop_old(self, table: Partitioned, today: date) -> None:
        if table.keep_days is None:
            return
        async with self._database.transaction() as connection:
            await connection.execute(_LOCK)
            for name, begin in await _partitions(connection, table):
                if table.span.end(begin) + timedelta(days=table.keep_days) <= today:
                    await connection.execute(f"drop table {name}")
                    self._there.discard((table.table, begin))
                    _log.info("a partition was dropped, its time is over", name=name)


async def _partitions(connection: Connection, table: Partitioned) -> list[tuple[str, date]]:
    rows = await connection.fetch(_LIST, table.table)
    return [(row[0], _begin(row[0])) for row in rows]


def _begin(name: str) -> date:
    return datetime.strptime(name.rpartition("_")[2], _DATE).replace(tzinfo=UTC).date()


def _create(table: Partitioned, begin: date) -> str:
    name = f"{table.table}_{begin.strftime(_DATE)}"
    end = table.span.end(begin)
    return (
        f"create table if not exists {name} partition of {table.table}"
        f" for values from ('{begin.isoformat()} 00:00:00+00') to ('{end.isoformat()} 00:00:00+00')"
    )
