"""Trades and candles in Postgres: written by COPY, each trade once, candles merged in the same transaction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date
from typing import Any, Final

from services.kernel.clock import from_ns, to_ns
from services.marketdata.domain.candle import SECOND_NS, Candle, Interval, candles_of, coarsen
from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.scale import Scales, scales_of
from services.marketdata.domain.trade import Aggressor, Trade
from services.marketdata.pipeline.ports import HistoryBatch, HistoryPart, Page, StoredHistory
from services.marketdata.store import adjustments
from services.marketdata.store.partitions import Partitions
from services.storage.database import Connection, Database

RECENT_TRADES: Final = 1000

_TRADE_COLUMNS: Final = (
    "instrument",
    "venue_time",
    "nanosecond",
    "position",
    "trade_id",
    "price",
    "quantity",
    "aggressor",
)
_CANDLE_COLUMNS: Final = (
    "open_time, first_position, last_position, open, high, low, close, volume, turnover, trade_count"
)
_MERGE: Final = """
insert into candle as c (instrument, interval_seconds, open_time, first_position, last_position,
                         open, high, low, close, volume, turnover, trade_count)
select * from unnest($1::int[], $2::int[], $3::timestamptz[], $4::bigint[], $5::bigint[], $6::numeric[],
                     $7::numeric[], $8::numeric[], $9::numeric[], $10::numeric[], $11::numeric[], $12::bigint[])
on conflict (instrument, interval_seconds, open_time) do update set
    first_position = least(c.first_position, excluded.first_position),
    last_position = greatest(c.last_position, excluded.last_position),
    open = case when excluded.first_position < c.first_position then excluded.open else c.open end,
    high = greatest(c.high, excluded.high),
    low = least(c.low, excluded.low),
    close = case when excluded.last_position > c.last_position then excluded.close else c.close end,
    volume = c.volume + excluded.volume,
    turnover = c.turnover + excluded.turnover,
    trade_count = c.trade_count + excluded.trade_count
"""
_TRADES: Final = """
select venue_time, nanosecond, position, trade_id, price, quantity, aggressor, canceled
from trade where instrument = $1
    and ($2::timestamptz is null or venue_time >= $2) and ($3::timestamptz is null or venue_time < $3)
    and ($4::timestamptz is null or (venue_time, position) < ($4, $5::bigint))
order by venue_time desc, position desc limit $6
"""
_CANDLES: Final = f"""
select {_CANDLE_COLUMNS} from candle where instrument = $1 and interval_seconds = $2
    and ($3::timestamptz is null or open_time >= $3) and ($4::timestamptz is null or open_time < $4)
order by open_time desc limit $5
"""


class HistoryTables:
    """Keeps trades and candles; see `HistoryStore`."""

    def __init__(self, database: Database, partitions: Partitions) -> None:
        self._database, self._partitions = database, partitions

    async def epochs(self) -> dict[str, int]:
        """Returns the numbers of the epochs met so far; raises STORE_UNAVAILABLE."""
        async with self._database.connection() as connection:
            rows = await connection.fetch("select epoch, number from feed_epoch")
        return {row["epoch"]: row["number"] for row in rows}

    async def history(self, instrument: Instrument) -> StoredHistory:
        """Returns where an instrument's history stands; raises STORE_UNAVAILABLE."""
        async with self._snapshot() as connection:
            cursor = await _cursor(connection, instrument)
            rows = await connection.fetch(_TRADES, instrument.number, None, None, None, None, RECENT_TRADES)
            scales = scales_of(instrument.terms)
            candles = {}
            for interval in Interval:
                newest = await connection.fetch(_CANDLES, instrument.number, int(interval), None, None, 2)
                known = [_candle(row, scales) for row in newest]
                candles[interval] = (known[0] if known else None, known[1] if len(known) > 1 else None)
        return StoredHistory(cursor, [_trade(row, scales) for row in reversed(rows)], candles)

    async def write(self, batch: HistoryBatch) -> dict[int, int]:
        """Stores a batch as one, leaving out what is stored already; returns the positions reached, by number.

        The rows of the cursors are locked first, so that two writers cannot store a trade twice.
        """
        await self._partitions.ensure(_days(batch))
        async with self._database.transaction() as connection:
            for number, epoch in batch.epochs.items():
                await connection.execute(
                    "insert into feed_epoch (number, epoch) values ($1, $2) on conflict (epoch) do nothing",
                    number,
                    epoch,
                )
            stored = await _lock_cursors(connection, batch)
            fresh = [
                (part, [trade for trade in part.trades if trade.position > stored[part.instrument.number]])
                for part in batch.parts
            ]
            made = [(part, [trade for trade in trades if not trade.adjusts]) for part, trades in fresh]
            await _copy(connection, made)
            await _merge(connection, made)
            for part, trades in fresh:
                for trade in trades:
                    if trade.adjusts:
                        await adjustments.adjust(connection, part.instrument, trade)
            reached = {part.instrument.number: max(part.cursor, stored[part.instrument.number]) for part in batch.parts}
            await connection.executemany(
                "update feed_cursor set position = $2 where instrument = $1", list(reached.items())
            )
        return reached

    async def trades(self, instrument: Instrument, page: Page) -> tuple[list[Trade], int]:
        """Returns a page of trades, newest first, and the cursor of the history that it shows."""
        before = (from_ns(page.before[0]), page.before[1]) if page.before else (None, None)
        async with self._snapshot() as connection:
            cursor = await _cursor(connection, instrument)
            rows = await connection.fetch(_TRADES, instrument.number, page.since, page.until, *before, page.limit)
        scales = scales_of(instrument.terms)
        return [_trade(row, scales) for row in rows], cursor

    async def candles(self, instrument: Instrument, interval: Interval, page: Page) -> tuple[list[Candle], int]:
        """Returns a page of candles, newest first, and the cursor of the history that it shows."""
        until = page.until
        if page.before is not None:
            last = from_ns(page.before[0])
            until = last if until is None else min(until, last)
        async with self._snapshot() as connection:
            cursor = await _cursor(connection, instrument)
            rows = await connection.fetch(_CANDLES, instrument.number, int(interval), page.since, until, page.limit)
        scales = scales_of(instrument.terms)
        return [_candle(row, scales) for row in rows], cursor

    @asynccontextmanager
    async def _snapshot(self) -> AsyncIterator[Connection]:
        """Lends a connection on which all queries see one instant."""
        async with (
            self._database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            yield connection


Fresh = Sequence[tuple[HistoryPart, list[Trade]]]


def _days(batch: HistoryBatch) -> set[date]:
    trades = (trade for part in batch.parts for trade in part.trades if not trade.adjusts)
    seconds = {Interval.DAY.open_second(trade.time_ns) for trade in trades}
    return {from_ns(second * SECOND_NS).astimezone(UTC).date() for second in seconds}


async def _cursor(connection: Connection, instrument: Instrument) -> int:
    position = await connection.fetchval("select position from feed_cursor where instrument = $1", instrument.number)
    return int(position or 0)


async def _lock_cursors(connection: Connection, batch: HistoryBatch) -> dict[int, int]:
    numbers = sorted(part.instrument.number for part in batch.parts)
    rows = await connection.fetch(
        "select instrument, position from feed_cursor where instrument = any($1) order by instrument for update",
        numbers,
    )
    return {row["instrument"]: row["position"] for row in rows}


async def _copy(connection: Connection, fresh: Fresh) -> None:
    records = [
        record
        for part, trades in fresh
        for record in _records(part.instrument.number, trades, scales_of(part.instrument.terms))
    ]
    if records:
        await connection.copy_records_to_table("trade", records=records, columns=list(_TRADE_COLUMNS))


def _records(number: int, trades: list[Trade], scales: Scales) -> Iterable[tuple[Any, ...]]:
    price, quantity = scales.prices.value, scales.quantities.value
    for trade in trades:
        yield (
            number,
            from_ns(trade.time_ns),
            trade.time_ns % 1000,
            trade.position,
            trade.trade_id,
            price(trade.price),
            quantity(trade.quantity),
            int(trade.aggressor),
        )


async def _merge(connection: Connection, fresh: Fresh) -> None:
    rows = [
        row
        for part, trades in fresh
        if trades
        for interval, candles in _candles_of(trades)
        for row in _candle_rows(part.instrument, interval, candles)
    ]
    if rows:
        await connection.execute(_MERGE, *map(list, zip(*rows, strict=True)))


def _candles_of(trades: list[Trade]) -> Iterable[tuple[Interval, Iterable[Candle]]]:
    """Yields the candles of each interval; the longer ones are made of those of a second, of which there are few."""
    seconds = candles_of(trades, Interval.SECOND).values()
    for interval in Interval:
        yield interval, coarsen(seconds, interval).values()


def _candle_rows(instrument: Instrument, interval: Interval, candles: Iterable[Candle]) -> Iterable[tuple[Any, ...]]:
    scales = scales_of(instrument.terms)
    price = scales.prices.value
    for candle in candles:
        yield (
            instrument.number,
            int(interval),
            from_ns(candle.open_second * SECOND_NS),
            candle.first_position,
            candle.last_position,
            price(candle.open),
            price(candle.high),
            price(candle.low),
            price(candle.close),
            scales.quantities.value(candle.volume),
            scales.values.value(candle.turnover),
            candle.trade_count,
        )


def _trade(row: Any, scales: Scales) -> Trade:
    return Trade(
        position=row["position"],
        time_ns=to_ns(row["venue_time"]) + row["nanosecond"],
        price=scales.prices.count(row["price"]),
        quantity=scales.quantities.count(row["quantity"]),
        aggressor=Aggressor(row["aggressor"]),
        trade_id=int(row["trade_id"]),
        canceled=row["canceled"],
    )


def _candle(row: Any, scales: Scales) -> Candle:
    price = scales.prices.count
    return Candle(
        open_second=to_ns(row["open_time"]) // SECOND_NS,
        first_position=row["first_position"],
        last_position=row["last_position"],
        open=price(row["open"]),
        high=price(row["high"]),
        low=price(row["low"]),
        close=price(row["close"]),
        volume=scales.quantities.count(row["volume"]),
        turnover=scales.values.count(row["turnover"]),
        trade_count=row["trade_count"],
    )
