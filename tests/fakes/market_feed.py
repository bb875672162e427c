"""Markets without a venue: a hub that a test moves by hand, turn by turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from services.marketdata.domain.book import Level
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.market import Market, MarketSnapshot
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.domain.trade import Aggressor, Trade, position_of
from services.marketdata.pipeline.hub import Hub, Turn

NIGHT_NS = 1_767_225_600_000_000_000
"""2026-01-01, 00:00 UTC."""


class FakeSink:
    """Remembers what the recorder would be told."""

    def __init__(self) -> None:
        self.trades: list[tuple[int, Trade]] = []
        self.restarts: list[tuple[int, int, int, int]] = []

    def add(self, number: int, trade: Trade) -> None:
        """Remembers a trade."""
        self.trades.append((number, trade))

    def restarted(self, number: int, before: int, after: int, last_trade_id: int) -> None:
        """Remembers a jump."""
        self.restarts.append((number, before, after, last_trade_id))


class HandFeed:
    """A hub with the markets of the seeds, and the venue's side of it."""

    def __init__(self) -> None:
        self.sink = FakeSink()
        self.turns: list[Turn] = []
        self.due: list[Callable[[], None]] = []
        self.hub = Hub(self.sink, self.due.append)
        for number, terms in enumerate(seed_terms(), 1):
            self.hub.add(Instrument(terms, number, TradingStatus.TRADING, 1, datetime(2026, 1, 1, tzinfo=UTC)))
        self.hub.listen(self.turns.append)
        self._trade_ids = 0
        self._time_ns = NIGHT_NS

    def open(self, epoch: str = "e-1", number: int = 1) -> None:
        """The feed begins: every market is told, empty."""
        self.hub.opened(epoch, number)
        for market in self.hub.markets.values():
            self.snapshot(market.name)

    def snapshot(
        self,
        name: str,
        sequence: int = 1,
        bids: tuple[Level, ...] = (),
        asks: tuple[Level, ...] = (),
        last_trade_id: int = 0,
    ) -> None:
        """The feed tells a whole market, with the last trade if there is one."""
        number = self.hub.markets[name].number
        position = position_of(self.hub.epoch_number, sequence)
        last = Trade(position, self._time_ns, 1, 1, Aggressor.BUY, last_trade_id) if last_trade_id else None
        self.hub.restore(MarketSnapshot(number, sequence, TradingStatus.TRADING, bids, asks, last))

    def level(self, name: str, price: int, quantity: int, *, bid: bool = True) -> None:
        """A level changes."""
        self.hub.level(self._next(name), bid=bid, price=price, quantity=quantity, orders=1)

    def trade(self, name: str, price: int, quantity: int = 1, at_ns: int | None = None) -> None:
        """A trade happens."""
        self._trade_ids += 1
        self.hub.trade(self._next(name, at_ns), self._trade_ids, price, quantity, Aggressor.BUY)

    def adjust(self, name: str, trade_id: int, price: int, quantity: int) -> None:
        """The venue corrects a trade, or (zero) takes it back."""
        self.hub.adjust(self._next(name), trade_id, price, quantity)

    def time(self, nanoseconds_after_midnight: int) -> None:
        """The venue tells the time."""
        self._time_ns = NIGHT_NS + nanoseconds_after_midnight
        self.hub.heard(self._time_ns)

    def turn(self) -> Turn | None:
        """The loop turns: listeners are told, if there is something to tell; returns what."""
        due, self.due[:] = list(self.due), []
        before = len(self.turns)
        for run in due:
            run()
        return self.turns[-1] if len(self.turns) > before else None

    def _next(self, name: str, at_ns: int | None = None) -> Market:
        market = self.hub.markets[name]
        assert market.advance(market.sequence + 1, self._time_ns if at_ns is None else NIGHT_NS + at_ns)
        return market
