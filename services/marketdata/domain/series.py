"""The newest candles of one instrument and interval, as live streams need them."""

from __future__ import annotations

from services.marketdata.domain.candle import SECOND_NS, Candle, Interval, candle_of, extended, merge
from services.marketdata.domain.trade import Trade


class CandleSeries:
    """The newest candle of an interval and the one before it. Older ones are the store's.

    Attributes:
        interval: How long a candle lasts.
        newest: The newest candle; None before the first trade.
        before: The one before the newest; None when there is none.
    """

    __slots__ = ("before", "interval", "newest")

    def __init__(self, interval: Interval) -> None:
        self.interval = interval
        self.newest: Candle | None = None
        self.before: Candle | None = None

    def load(self, newest: Candle | None, before: Candle | None) -> None:
        """Begins with what the store holds."""
        self.newest, self.before = newest, before

    def add(self, trade: Trade) -> bool:
        """Adds a trade that was not added before; returns whether one of the two candles changed."""
        newest, before = self.newest, self.before
        if (
            newest is not None
            and trade.position > newest.last_position
            and 0 <= trade.time_ns // SECOND_NS - newest.open_second < self.interval
        ):
            self.newest = extended(newest, trade)  # nearly every trade: a third of the time of what follows
            return True
        candle = candle_of(trade, self.interval)
        if newest is None or candle.open_second > newest.open_second:
            self.before, self.newest = newest, candle
        elif candle.open_second == newest.open_second:
            self.newest = merge(newest, candle)
        elif before is None or candle.open_second > before.open_second:
            self.before = candle
        elif candle.open_second == before.open_second:
            self.before = merge(before, candle)
        else:
            return False
        return True


def is_complete(candle: Candle, interval: Interval, venue_time_ns: int) -> bool:
    """Tells whether the venue's time has passed the end of a candle."""
    return venue_time_ns >= (candle.open_second + interval) * SECOND_NS
