"""The live markets: the feed moves them, and once per turn of the loop listeners are told what has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from services.kernel.drain import Wakeup
from services.marketdata.domain.auction import Auction
from services.marketdata.domain.candle import SECOND_NS, Interval
from services.marketdata.domain.instrument import Instrument, TradingStatus, unknown_instrument
from services.marketdata.domain.market import Market, MarketSnapshot, QuoteState
from services.marketdata.domain.series import is_complete
from services.marketdata.domain.trade import Aggressor, Trade
from services.marketdata.pipeline.ports import StoredHistory


@dataclass(slots=True)
class Turn:
    """What has changed since the turn before.

    Attributes:
        quotes: Markets whose quote changed.
        books: Markets whose book changed.
        trades: New trades in the order of the feed.
        candles: Markets and intervals whose newest candles changed.
        interrupted: Markets that have missed trades.
    """

    quotes: list[Market] = field(default_factory=list)
    books: list[Market] = field(default_factory=list)
    trades: list[tuple[Market, Trade]] = field(default_factory=list)
    candles: list[tuple[Market, Interval]] = field(default_factory=list)
    interrupted: list[Market] = field(default_factory=list)


class TradeSink(Protocol):
    """Keeps what the feed told, for history."""

    def add(self, number: int, trade: Trade) -> None:
        """Takes a trade of the live feed."""
        ...

    def restarted(self, number: int, before: int, after: int, last_trade_id: int) -> None:
        """Is told that the live feed of an instrument jumped from one position to another.

        Args:
            number: The instrument.
            before: Where it was.
            after: Where it goes on.
            last_trade_id: The venue's number of the last trade up to there; 0 when there was none.
        """
        ...


class Hub:
    """All live markets.

    Attributes:
        markets: By instrument name.
        venue_time_ns: The latest time that the venue told, nanoseconds since 1970; 0 before the first.
        epoch: Epoch of the feed; empty before the first connection.
        epoch_number: Our number of it.
        connected: Whether the feed is there.
    """

    def __init__(self, sink: TradeSink, schedule: Callable[[Callable[[], None]], object]) -> None:
        """Begins without markets.

        Args:
            sink: Keeps trades.
            schedule: Runs a function at the next turn of the loop, such as `loop.call_soon`.
        """
        self.markets: dict[str, Market] = {}
        self.by_number: dict[int, Market] = {}
        self.venue_time_ns = 0
        self.epoch = ""
        self.epoch_number = 0
        self.connected = False
        self._sink = sink
        self._schedule = schedule
        self._scheduled = False
        self._listeners: list[Callable[[Turn], None]] = []
        self._told: dict[int, QuoteState] = {}
        self._touched: dict[int, Market] = {}
        self._books: dict[int, Market] = {}
        self._trades: list[tuple[Market, Trade]] = []
        self._candles: dict[tuple[int, Interval], Market] = {}
        self._interrupted: list[Market] = []
        self._second = 0
        self._news = Wakeup()

    def add(self, instrument: Instrument) -> Market:
        """Begins, or goes on, to keep the market of an instrument."""
        market = self.markets.get(instrument.name)
        if market is None:
            market = Market(instrument)
            self.markets[instrument.name] = self.by_number[instrument.number] = market
        else:
            market.instrument = instrument
        return market

    def market(self, name: str, field: str = "instrument") -> Market:
        """Returns the market of an instrument.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT, naming the field.
        """
        market = self.markets.get(name)
        if market is None:
            raise unknown_instrument(name, field)
        return market

    def listen(self, listener: Callable[[Turn], None]) -> None:
        """Tells a listener of every turn from now on."""
        self._listeners.append(listener)

    def opened(self, epoch: str, epoch_number: int) -> None:
        """Is told that the feed is there, and in which epoch."""
        self.epoch, self.epoch_number, self.connected = epoch, epoch_number, True
        self._mark_stale(self.by_number.values(), stale=False)

    def lost(self) -> None:
        """Is told that the feed is gone: what is known from now on may be old."""
        self.connected = False
        self._mark_stale(self.by_number.values(), stale=True)

    def restore(self, snapshot: MarketSnapshot) -> None:
        """Takes a whole market in."""
        market = self.by_number[snapshot.number]
        before = market.position
        # Also the first time: who subscribes to a new instrument may be earlier than the venue's first word of it.
        if _missed(market, snapshot):
            self._interrupted.append(market)
        market.restore(snapshot, self.epoch_number)
        if snapshot.last_trade is not None:
            self._time(snapshot.last_trade.time_ns)
        last = snapshot.last_trade.trade_id if snapshot.last_trade is not None else 0
        self._sink.restarted(market.number, before, market.position, last)
        self._books[market.number] = market
        self._touch(market)

    def level(self, market: Market, *, bid: bool, price: int, quantity: int, orders: int) -> None:
        """Gives a level of the book new totals. The market was advanced before."""
        (market.book.bids if bid else market.book.asks).set(price, quantity, orders)
        self._books[market.number] = market
        self._touch(market)

    def trade(self, market: Market, trade_id: int, price: int, quantity: int, aggressor: Aggressor) -> None:
        """Takes a trade in. The market was advanced before."""
        trade = Trade(market.position, market.time_ns, price, quantity, aggressor, trade_id)
        market.trade(trade)
        self._sink.add(market.number, trade)
        self._trades.append((market, trade))
        self._add_to_candles(market, trade)
        self._touch(market)

    def adjust(self, market: Market, trade_id: int, price: int, quantity: int) -> None:
        """Takes in what becomes of a trade; zero quantity: it is taken back. The market was advanced before.

        Who reads trades is told it anew. Candles follow once the store has made them anew.
        """
        entry = Trade(
            market.position,
            market.time_ns,
            price,
            quantity,
            Aggressor.UNKNOWN,
            trade_id,
            canceled=not quantity,
            adjusts=True,
        )
        self._sink.add(market.number, entry)
        if (now := market.adjust(entry)) is not None:
            self._trades.append((market, now))
        self._touch(market)

    def adjusted(self, number: int, stored: StoredHistory, waiting: list[Trade]) -> None:
        """Takes in the trades and candles of the store after some were adjusted, and what is not stored yet."""
        market = self.by_number[number]
        market.reload([*stored.trades, *waiting], stored.candles)
        for trade in waiting:
            if trade.adjusts:
                market.adjust(trade)
            else:
                market.add_to_candles(trade)
        for interval in Interval:
            self._candles[number, interval] = market
        self._touch(market)

    def recovered(self, number: int, trades: list[Trade]) -> None:
        """Takes in trades, and what became of some, that did not come live."""
        market = self.by_number[number]
        market.recall(trade for trade in trades if not trade.adjusts)
        for trade in trades:
            if trade.adjusts:
                market.adjust(trade)
            else:
                self._add_to_candles(market, trade)
        self._touch(market)

    def live_position(self, number: int) -> int:
        """Returns how far the live feed of an instrument is."""
        return self.by_number[number].position

    def status(self, market: Market, status: TradingStatus) -> None:
        """Takes a halt, a resumption, or the begin or end of a call phase in. The market was advanced before."""
        market.set_status(status)
        self._touch(market)

    def auction(self, market: Market, auction: Auction | None) -> None:
        """Takes in what the venue says of an auction; what comes after its end is late."""
        if market.status is TradingStatus.CALL_AUCTION:
            market.auction = auction
            self._touch(market)

    async def all_told(self) -> None:
        """Waits until the feed has told every market there is."""
        while not (self.connected and all(market.told for market in self.by_number.values())):
            await self._news.wait()

    def heard(self, time_ns: int) -> None:
        """Is told the venue's time, by an event or a heartbeat."""
        self._time(time_ns)

    def flush(self) -> None:
        """Tells the listeners what has changed since the last time."""
        self._scheduled = False
        turn = Turn(
            quotes=[m for m in self._touched.values() if self._is_news(m)],
            books=list(self._books.values()),
            trades=self._trades,
            candles=[(market, interval) for (_, interval), market in self._candles.items()],
            interrupted=self._interrupted,
        )
        self._touched, self._books, self._candles, self._trades = {}, {}, {}, []
        self._interrupted = []
        for listener in self._listeners:
            listener(turn)
        self._news.call()

    def _add_to_candles(self, market: Market, trade: Trade) -> None:
        for interval in market.add_to_candles(trade):
            self._candles[market.number, interval] = market

    def _is_news(self, market: Market) -> bool:
        state = market.quote_state()
        if self._told.get(market.number) == state:
            return False
        self._told[market.number] = state
        return True

    def _touch(self, market: Market) -> None:
        self._touched[market.number] = market
        self._wake()

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._schedule(self.flush)

    def _time(self, time_ns: int) -> None:
        if time_ns <= self.venue_time_ns:
            return
        self.venue_time_ns = time_ns
        if time_ns // SECOND_NS > self._second:
            before, self._second = self._second, time_ns // SECOND_NS
            self._complete_candles(before)

    def _complete_candles(self, before: int) -> None:
        """Tells the candles anew whose end the venue's time has just passed."""
        for market in self.by_number.values():
            for interval, series in market.series.items():
                candle = series.newest
                if candle is None or is_complete(candle, interval, before * SECOND_NS):
                    continue
                if is_complete(candle, interval, self.venue_time_ns):
                    self._candles[market.number, interval] = market
                    self._wake()

    def _mark_stale(self, markets: Iterable[Market], *, stale: bool) -> None:
        for market in markets:
            if market.told and market.stale != stale:
                market.stale = stale
                self._books[market.number] = market
                self._touch(market)


def _missed(market: Market, snapshot: MarketSnapshot) -> bool:
    """Tells whether a snapshot knows of a trade that the live market does not."""
    newest = snapshot.last_trade
    if newest is None:
        return False
    known = [market.last_trade] if market.last_trade is not None else []
    # One that was taken back is no last trade any more, and still known.
    return all(each.key != newest.key for each in (*known, *market.recent))
