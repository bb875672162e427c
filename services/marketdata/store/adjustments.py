"""Trades that the venue has taken back or corrected: their rows, and the candles that they were in, made anew."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from services.kernel.clock import from_ns, to_ns
from services.marketdata.domain.candle import SECOND_NS, Interval
from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.scale import scales_of
from services.marketdata.domain.trade import Trade, position_of
from services.storage.database import Connection

_FIND: Final = """
select venue_time, position from trade
where instrument = $1 and trade_id = $2 and position >= $3 and position < $4 order by venue_time desc limit 1
"""
_CANCEL: Final = "update trade set canceled = true where instrument = $1 and venue_time = $2 and position = $3"
_CORRECT: Final = """
update trade set price = $4, quantity = $5 where instrument = $1 and venue_time = $2 and position = $3
"""
_FORGET: Final = """
delete from candle where instrument = $1 and interval_seconds = $2 and open_time = $3 returning true
"""
_MAKE: Final = """
insert into candle (instrument, interval_seconds, open_time, first_position, last_position, open, high, low, close,
                    volume, turnover, trade_count)
select $1, $2, $3, min(position), max(position), (array_agg(price order by position))[1], max(price), min(price),
       (array_agg(price order by position desc))[1], sum(quantity), sum(price * quantity) * $5, count(*)
from trade where instrument = $1 and venue_time >= $3 and venue_time < $4 and not canceled
having count(*) > 0
"""


async def adjust(connection: Connection, instrument: Instrument, entry: Trade) -> None:
    """Gives a stored trade what it is now; one that is kept no longer has no row, and its candles stay as they are.

    Trades have no index by number: what few adjustments ask for would cost every trade. Late ones are found first.
    """
    number, epoch = instrument.number, entry.epoch_number
    row = await connection.fetchrow(_FIND, number, entry.trade_id, position_of(epoch, 0), position_of(epoch + 1, 0))
    if row is None:
        return
    at, position = row["venue_time"], row["position"]
    if entry.canceled:
        await connection.execute(_CANCEL, number, at, position)
    else:
        scales = scales_of(instrument.terms)
        price, quantity = scales.prices.value(entry.price), scales.quantities.value(entry.quantity)
        await connection.execute(_CORRECT, number, at, position, price, quantity)
    for interval in Interval:
        await _make_anew(connection, instrument, interval, at)


async def _make_anew(connection: Connection, instrument: Instrument, interval: Interval, at: datetime) -> None:
    second = interval.open_second(to_ns(at))
    begin, end = from_ns(second * SECOND_NS), from_ns((second + interval) * SECOND_NS)
    if not await connection.fetchval(_FORGET, instrument.number, int(interval), begin):
        return  # Candles of this length are kept for a shorter time than trades.
    multiplier = instrument.terms.contract_multiplier
    await connection.execute(_MAKE, instrument.number, int(interval), begin, end, multiplier)
