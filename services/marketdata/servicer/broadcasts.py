"""All broadcasts of the service, fed by the turns of the hub."""

from __future__ import annotations

from services.marketdata.domain.candle import Interval
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.hub import Hub, Turn
from services.marketdata.servicer.books import BookBroadcast
from services.marketdata.servicer.candles import CandleBroadcast
from services.marketdata.servicer.quotes import QuoteBroadcast
from services.marketdata.servicer.trades import MOST_WAITING, TradeBroadcast


class Broadcasts:
    """Quotes, books, trades and candles."""

    def __init__(self, hub: Hub, epochs: Epochs, most_waiting_trades: int = MOST_WAITING) -> None:
        self.quotes = QuoteBroadcast()
        self.books = BookBroadcast(lambda: hub.epoch)
        self.trades = TradeBroadcast(epochs.name_of, most_waiting_trades)
        self.candles = CandleBroadcast(lambda: hub.venue_time_ns)
        hub.listen(self._turn)

    def _turn(self, turn: Turn) -> None:
        self.quotes.turn(turn)
        self.books.turn(turn)
        self.trades.turn(turn)
        self.candles.turn(turn)

    def begin(self, hub: Hub) -> None:
        """Publishes the candles that the store knew, so that streams begin with them."""
        for market in hub.markets.values():
            for interval in Interval:
                self.candles.publish(market, interval)
