"""Beginning to keep the market and the history of an instrument."""

from __future__ import annotations

from collections.abc import Callable

from services.marketdata.domain.instrument import Instrument
from services.marketdata.pipeline.hub import Hub
from services.marketdata.pipeline.ports import HistoryStore
from services.marketdata.pipeline.recorder import Recorder


class Follower:
    """Joins hub, recorder and store for each instrument."""

    def __init__(self, hub: Hub, recorder: Recorder, store: HistoryStore) -> None:
        self._hub, self._recorder, self._store = hub, recorder, store
        self._resubscribe: Callable[[], None] | None = None

    def attach(self, resubscribe: Callable[[], None]) -> None:
        """Is told how to make the feed follow a further market."""
        self._resubscribe = resubscribe

    async def follow(self, instrument: Instrument) -> None:
        """Begins to follow an instrument, or takes note of its change; raises STORE_UNAVAILABLE."""
        if instrument.number in self._hub.by_number:
            self._hub.add(instrument)
            return
        stored = await self._store.history(instrument)
        self._recorder.begin(instrument, stored.cursor, stored.trades[-1].trade_id if stored.trades else 0)
        # Nothing runs between here and the end: the feed must not find the market half made.
        market = self._hub.add(instrument)
        market.recall(stored.trades)
        for interval, (newest, before) in stored.candles.items():
            market.series[interval].load(newest, before)
        self._hub.venue_time_ns = max(self._hub.venue_time_ns, stored.trades[-1].time_ns if stored.trades else 0)
        if self._resubscribe is not None:
            self._resubscribe()
