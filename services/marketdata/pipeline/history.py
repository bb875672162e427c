"""What an instrument's past was: the store's part, and the part that is still on its way there, as one."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from services.kernel.clock import to_ns
from services.marketdata.domain.candle import SECOND_NS, Candle, Interval, add_candle, candles_of
from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.trade import Trade
from services.marketdata.pipeline.ports import HistoryStore, Page
from services.marketdata.pipeline.recorder import Recorder


class History:
    """Answers pages of the past, newest first, up to this moment."""

    def __init__(self, store: HistoryStore, recorder: Recorder) -> None:
        self._store, self._recorder = store, recorder

    async def trades(self, instrument: Instrument, page: Page) -> tuple[list[Trade], bool]:
        """Returns a page of trades, and whether there are more; raises STORE_UNAVAILABLE."""
        # What waits is noted first: whatever the store takes over in between is then known twice and told once.
        waiting = self._recorder.pending(instrument.number)
        stored, cursor = await self._store.trades(instrument, replace(page, limit=page.limit + 1))
        fresh = [trade for trade in waiting if trade.position > cursor and _in_page(trade, page)]
        trades = sorted([*fresh, *stored], key=_order, reverse=True)
        return trades[: page.limit], len(trades) > page.limit

    def recovering(self, instrument: Instrument) -> bool:
        """Tells whether trades before the last are missing, and on their way."""
        return self._recorder.recovering(instrument.number)

    async def candles(self, instrument: Instrument, interval: Interval, page: Page) -> tuple[list[Candle], bool]:
        """Returns a page of candles, and whether there are more; raises STORE_UNAVAILABLE."""
        waiting = self._recorder.pending(instrument.number)
        stored, cursor = await self._store.candles(instrument, interval, replace(page, limit=page.limit + 1))
        fresh = candles_of((trade for trade in waiting if trade.position > cursor), interval)
        candles = {candle.open_second: candle for candle in stored}
        # A candle that the page of the store ends before may be known in part only: it belongs to a later page.
        oldest = stored[-1].open_second if len(stored) > page.limit else None
        for candle in fresh.values():
            if _begins_in_page(candle, page) and (oldest is None or candle.open_second >= oldest):
                add_candle(candles, candle)
        newest_first = sorted(candles.values(), reverse=True)
        return newest_first[: page.limit], len(newest_first) > page.limit


def _order(trade: Trade) -> tuple[int, int]:
    return trade.time_ns // 1000, trade.position


def _in_page(trade: Trade, page: Page) -> bool:
    before = page.before
    return _within(trade.time_ns, page) and (before is None or _order(trade) < (before[0] // 1000, before[1]))


def _begins_in_page(candle: Candle, page: Page) -> bool:
    open_ns = candle.open_second * SECOND_NS
    return _within(open_ns, page) and (page.before is None or open_ns < page.before[0])


def _within(time_ns: int, page: Page) -> bool:
    return not (_before(time_ns, page.since) or (page.until is not None and not _before(time_ns, page.until)))


def _before(time_ns: int, moment: datetime | None) -> bool:
    return moment is not None and time_ns < to_ns(moment)
