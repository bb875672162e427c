"""Streams of public trades: every trade, or an end with a reason."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from ordermesh.marketdata.v1 import market_trade_access_pb2, market_trade_pb2
from ordermesh.type.v1.stream_pb2 import (
    GOING_AWAY_REASON_INTERRUPTED,
    GOING_AWAY_REASON_SLOW_READER,
    GOING_AWAY_REASON_UNSPECIFIED,
    GoingAwayReason,
)
from services.kernel.drain import Wakeup
from services.marketdata.domain.market import Market
from services.marketdata.domain.trade import Trade
from services.marketdata.pipeline.hub import Turn
from services.marketdata.servicer.conflated import Subscription, chunks
from services.marketdata.servicer.render import trade_message
from services.marketdata.servicer.wire import SharedEncoding, Wire

Response = market_trade_access_pb2.StreamTradesResponse

MOST_WAITING = 10_000
"""Trades that wait for one reader; with more it is too slow."""
MOST_PER_UPDATE = 1_000


class SharedTrade:
    """A trade that many readers get; nobody changes it."""

    __slots__ = ("message",)

    def __init__(self, message: market_trade_pb2.MarketTrade) -> None:
        self.message = message


class TradeReader:
    """The trades that wait for one reader: bounded, and lost once there are too many."""

    __slots__ = ("_leave", "_limit", "_reason", "_waiting", "_wakeup")

    def __init__(self, limit: int, leave: Callable[[TradeReader], None]) -> None:
        self._limit, self._leave = limit, leave
        self._waiting: list[SharedTrade] = []
        self._wakeup = Wakeup()
        self._reason: GoingAwayReason.ValueType = GOING_AWAY_REASON_UNSPECIFIED

    def offer(self, trades: Sequence[SharedTrade]) -> None:
        """Adds trades, all or none; from then on none."""
        if self._reason:
            return
        if len(self._waiting) + len(trades) > self._limit:
            self._reason = GOING_AWAY_REASON_SLOW_READER
        else:
            self._waiting.extend(trades)
        self._wakeup.call()

    def interrupt(self) -> None:
        """Takes note that trades are missing which nobody can hand out: from now on it gets none."""
        self._reason = self._reason or GOING_AWAY_REASON_INTERRUPTED
        self._wakeup.call()

    def wake(self) -> None:
        """Makes the reader look around, though nothing has come."""
        self._wakeup.call()

    async def wait(self) -> bool:
        """Waits for a trade, or to be woken."""
        return bool(self._waiting) or await self._wakeup.wait()

    def take(self) -> list[SharedTrade]:
        """Returns what waits, up to what fits into one message."""
        taken, self._waiting = self._waiting[:MOST_PER_UPDATE], self._waiting[MOST_PER_UPDATE:]
        return taken

    def lost(self) -> GoingAwayReason.ValueType:
        """Tells why the reader has lost something, once it has read what was kept for it."""
        return GOING_AWAY_REASON_UNSPECIFIED if self._waiting else self._reason

    def close(self) -> None:
        """Ends the reading."""
        self._leave(self)


class TradeBroadcast:
    """Hands every trade to its readers."""

    def __init__(self, epoch_name: Callable[[int], str], most_waiting: int = MOST_WAITING) -> None:
        self._epoch_name, self._most_waiting = epoch_name, most_waiting
        self._of_all: set[TradeReader] = set()
        self._of: defaultdict[str, set[TradeReader]] = defaultdict(set)
        self._shared: SharedEncoding[SharedTrade] = SharedEncoding(_encode)

    def turn(self, turn: Turn) -> None:
        """Hands out the trades of a turn, in order for readers of several instruments too."""
        for market in turn.interrupted:
            for reader in (*self._of_all, *self._of.get(market.name, ())):
                reader.interrupt()
        if not turn.trades or not (self._of_all or self._of):
            return
        self._shared.forget()
        shared = [(market.name, SharedTrade(self.message(market, trade))) for market, trade in turn.trades]
        everything = [trade for _, trade in shared]
        for reader in self._of_all:
            reader.offer(everything)
        wanted: defaultdict[TradeReader, list[SharedTrade]] = defaultdict(list)
        for name, trade in shared:
            for reader in self._of.get(name, ()):
                wanted[reader].append(trade)
        for reader, trades in wanted.items():
            reader.offer(trades)

    def subscribe(
        self, names: Iterable[str] | None, markets: Iterable[Market], recent_trades: int
    ) -> Subscription[SharedTrade]:
        """Returns a reader of the trades of some instruments, or of all, that begins with the last trades of markets.

        Everything that the markets know must have been handed out before.
        """
        reader = self._reader(names)
        return Subscription(reader, list(self._snapshot(markets, recent_trades)), self._update, reader.lost)

    def _reader(self, names: Iterable[str] | None) -> TradeReader:
        if names is None:
            reader = TradeReader(self._most_waiting, self._of_all.discard)
            self._of_all.add(reader)
            return reader
        wanted = frozenset(names)
        reader = TradeReader(self._most_waiting, lambda leaving: self._left(leaving, wanted))
        for name in wanted:
            self._of[name].add(reader)
        return reader

    def message(self, market: Market, trade: Trade) -> market_trade_pb2.MarketTrade:
        """Returns a trade as a message."""
        return trade_message(market.name, trade, market.scales, self._epoch_name(trade.epoch_number))

    def _snapshot(self, markets: Iterable[Market], recent_trades: int) -> Iterator[tuple[int, Wire]]:
        trades = [
            self.message(market, trade)
            for market in markets
            for trade in list(market.recent)[len(market.recent) - min(recent_trades, len(market.recent)) :]
        ]
        for part in chunks(trades):
            yield len(part), Response(snapshot=market_trade_access_pb2.MarketTradeSnapshot(trades=part))

    def _update(self, trades: Sequence[SharedTrade]) -> Wire:
        return self._shared.bytes_of([(trade, 0) for trade in trades])

    def _left(self, reader: TradeReader, names: frozenset[str]) -> None:
        for name in names:
            self._of[name].discard(reader)
            if not self._of[name]:
                del self._of[name]


def _encode(states: Sequence[tuple[SharedTrade, int]]) -> Response:
    return Response(update=market_trade_access_pb2.MarketTradeUpdate(trades=[trade.message for trade, _ in states]))
