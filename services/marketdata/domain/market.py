"""The live market of one instrument: what its feed has told so far."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from services.marketdata.domain.auction import Auction
from services.marketdata.domain.book import Book, Level
from services.marketdata.domain.candle import Candle, Interval
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.scale import scales_of
from services.marketdata.domain.series import CandleSeries
from services.marketdata.domain.trade import Trade, adjusted, position_of

RECENT_TRADES = 1000


class FeedGapError(Exception):
    """An event of the feed is missing."""


class QuoteState(NamedTuple):
    """What a quote tells; two equal ones are not worth telling twice."""

    bid: Level | None
    ask: Level | None
    last: Trade | None
    status: TradingStatus
    stale: bool
    auction: Auction | None


@dataclass(frozen=True, slots=True)
class MarketSnapshot:
    """A whole market at one sequence of its feed.

    Attributes:
        number: The engine's number of the instrument.
        sequence: Last event that the snapshot reflects.
        status: Whether it trades.
        bids: All bids.
        asks: All asks.
        last_trade: The last trade, its position counted as that of the snapshot; None when there was none.
    """

    number: int
    sequence: int
    status: TradingStatus
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last_trade: Trade | None


class Market:
    """Book, last trade and newest candles of an instrument.

    Attributes:
        instrument: The instrument.
        scales: Its steps.
        book: All levels.
        epoch_number: Our number of the feed's epoch; 0 before the feed told it.
        sequence: Last event of the feed that is in here.
        time_ns: When the venue made that event; 0 when unknown.
        last_trade: The last trade; None before the first.
        status: Whether it trades.
        auction: The auction whose call phase goes on; None without one, and before the venue has told it.
        told: Whether the feed has told it at all.
        stale: Whether the feed is lost.
        recent: The last trades, oldest first.
        series: The newest candles of each interval.
    """

    __slots__ = (
        "auction",
        "book",
        "epoch_number",
        "instrument",
        "last_trade",
        "name",
        "number",
        "recent",
        "scales",
        "sequence",
        "series",
        "stale",
        "status",
        "time_ns",
        "told",
    )

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.name = instrument.name
        self.number = instrument.number
        self.scales = scales_of(instrument.terms)
        self.book = Book()
        self.epoch_number = 0
        self.sequence = 0
        self.time_ns = 0
        self.last_trade: Trade | None = None
        self.status = instrument.status
        self.auction: Auction | None = None
        self.told = False
        self.stale = False
        self.recent: deque[Trade] = deque(maxlen=RECENT_TRADES)
        self.series = {interval: CandleSeries(interval) for interval in Interval}

    @property
    def known(self) -> bool:
        """Whether there is any price to tell."""
        return self.last_trade is not None or self.book.bids.best is not None or self.book.asks.best is not None

    @property
    def position(self) -> int:
        """Where the last event stands among all that the feed ever told."""
        return position_of(self.epoch_number, self.sequence)

    def quote_state(self) -> QuoteState:
        """Returns what a quote would tell now."""
        bid, ask = self.book.bids.best, self.book.asks.best
        if bid is not None and ask is not None and bid.price >= ask.price:
            # Orders collect for an auction: neither is a price at which anybody could trade.
            bid = ask = None
        return QuoteState(bid, ask, self.last_trade, self.status, self.stale, self.auction)

    def set_status(self, status: TradingStatus) -> None:
        """Takes in whether it trades; an auction ends with its call phase."""
        self.status = status
        if status is not TradingStatus.CALL_AUCTION:
            self.auction = None

    def restore(self, snapshot: MarketSnapshot, epoch_number: int) -> None:
        """Begins anew from a snapshot of the feed."""
        self.epoch_number = epoch_number
        self.book.load(snapshot.bids, snapshot.asks)
        self.sequence = snapshot.sequence
        self.set_status(snapshot.status)
        self.told = True
        self.stale = False
        if snapshot.last_trade is not None:
            if not self._was_canceled(snapshot.last_trade):
                self.last_trade = snapshot.last_trade
            self.time_ns = max(self.time_ns, snapshot.last_trade.time_ns)

    def advance(self, sequence: int, time_ns: int) -> bool:
        """Moves on to the next event of the feed.

        Returns:
            False when the event is in here already.

        Raises:
            FeedGapError: The event is not the next one.
        """
        if sequence != self.sequence + 1:
            if sequence <= self.sequence:
                return False
            raise FeedGapError(f"{self.name}: event {sequence} came after {self.sequence}")
        self.sequence = sequence
        self.time_ns = time_ns
        self.stale = False
        return True

    def trade(self, trade: Trade) -> None:
        """Takes in a trade of the live feed."""
        self.last_trade = trade
        self.recent.append(trade)

    def adjust(self, entry: Trade) -> Trade | None:
        """Takes in what becomes of a trade; returns the trade as it is now, None when it is not a recent one."""
        for number, trade in enumerate(self.recent):
            if trade.key == entry.key:
                self.recent[number] = now = adjusted(trade, entry)
                last = self.last_trade
                if last is not None and last.key == now.key:
                    self.last_trade = self._last_of_recent()
                return now
        return None

    def reload(self, trades: Iterable[Trade], candles: Mapping[Interval, tuple[Candle | None, Candle | None]]) -> None:
        """Begins anew with what the store has after trades were adjusted; what is not stored yet is added behind it."""
        self.recent = deque((trade for trade in trades if not trade.adjusts), maxlen=RECENT_TRADES)
        self.last_trade = self._last_of_recent()
        for interval, (newest, before) in candles.items():
            self.series[interval].load(newest, before)

    def _last_of_recent(self) -> Trade | None:
        return next((trade for trade in reversed(self.recent) if not trade.canceled), None)

    def _was_canceled(self, told: Trade) -> bool:
        return any(trade.canceled for trade in self.recent if trade.key == told.key)

    def add_to_candles(self, trade: Trade) -> list[Interval]:
        """Adds a trade to the candles; returns the intervals whose newest candles changed."""
        return [interval for interval, series in self.series.items() if series.add(trade)]

    def recall(self, trades: Iterable[Trade]) -> None:
        """Remembers trades of the store, or of the feed's past, among the recent ones."""
        remembered = sorted({*self.recent, *trades})
        self.recent = deque(remembered, maxlen=RECENT_TRADES)
        last = self._last_of_recent()
        if last is not None and (self.last_trade is None or self.last_trade.position < last.position):
            self.last_trade = last
