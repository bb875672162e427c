"""What a day was for an instrument, out of its daily candles."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from services.marketdata.domain.candle import Candle, Interval
from services.marketdata.domain.series import CandleSeries

_CHANGE_STEP = Decimal("0.0001")


@dataclass(frozen=True, slots=True)
class Day:
    """One day.

    Attributes:
        open_second: Midnight UTC with which it began, seconds since 1970.
        candle: Its candle; None when nothing traded.
        previous_close: Price of the last trade before it, in ticks; None when there was none.
    """

    open_second: int
    candle: Candle | None
    previous_close: int | None

    @property
    def change(self) -> int | None:
        """Last price minus previous close, in ticks; None when either is missing."""
        if self.candle is None or self.previous_close is None:
            return None
        return self.candle.close - self.previous_close

    @property
    def change_percent(self) -> Decimal | None:
        """The change in per cent of the previous close, to four places; None when there is none to tell."""
        if (change := self.change) is None or not self.previous_close:
            return None
        return (Decimal(change) * 100 / abs(Decimal(self.previous_close))).quantize(_CHANGE_STEP, ROUND_HALF_EVEN)


def day_of(series: CandleSeries, time_ns: int) -> Day:
    """Returns the day that holds an instant, out of the series of daily candles."""
    today = Interval.DAY.open_second(time_ns)
    newest, before = series.newest, series.before
    if newest is None or newest.open_second < today:
        return Day(today, None, newest.close if newest else None)
    return Day(newest.open_second, newest, before.close if before else None)
