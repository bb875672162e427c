"""MarketDataService: requests in, one call, answers out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from ordermesh.marketdata.v1 import book_access_pb2 as book_api
from ordermesh.marketdata.v1 import candle_access_pb2 as candle_api
from ordermesh.marketdata.v1 import instrument_admin_pb2 as admin_api
from ordermesh.marketdata.v1 import market_data_service_pb2 as api
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc, quote_pb2
from ordermesh.marketdata.v1 import market_trade_access_pb2 as trade_api
from ordermesh.marketdata.v1 import quote_query_pb2 as quote_api
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, precondition
from services.marketdata.domain.candle import SECOND_NS, Interval
from services.marketdata.domain.day import day_of
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.market import Market
from services.marketdata.domain.series import is_complete
from services.marketdata.pipeline.catalogue import Catalogue
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.history import History
from services.marketdata.pipeline.hub import Hub
from services.marketdata.servicer.auctions import AuctionMethods
from services.marketdata.servicer.broadcasts import Broadcasts
from services.marketdata.servicer.conflated import Subscription, market_stream
from services.marketdata.servicer.render import (
    INTERVAL_OF_CONTRACT,
    BookState,
    book_message,
    candle_message,
    day_message,
    instrument_message,
    quote_message,
)
from services.marketdata.servicer.requests import DEFAULT_DEPTH, DEFAULT_PAGE_SIZE, TimePages, name_of, terms_of
from services.mesh.draining import Draining
from services.mesh.pages import Pages
from services.mesh.streams import Frames, heartbeat_seconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What the servicer speaks for."""

    catalogue: Catalogue
    hub: Hub
    history: History
    epochs: Epochs
    broadcasts: Broadcasts
    draining: Draining
    clock: Clock


class MarketDataServicer(AuctionMethods, market_data_service_pb2_grpc.MarketDataServiceServicer):
    """See the contract."""

    def __init__(self, parts: Parts) -> None:
        self._catalogue, self._hub, self._history = parts.catalogue, parts.hub, parts.history
        self._epochs, self._broadcasts = parts.epochs, parts.broadcasts
        self._draining, self._clock = parts.draining, parts.clock
        self._quote_frames = Frames(api.StreamQuotesResponse, parts.clock)
        self._book_frames = Frames(book_api.StreamOrderBookResponse, parts.clock)
        self._trade_frames = Frames(trade_api.StreamTradesResponse, parts.clock)
        self._candle_frames = Frames(candle_api.StreamCandlesResponse, parts.clock)

    async def GetInstrument(self, request: api.GetInstrumentRequest, context: Any) -> api.GetInstrumentResponse:
        """Tells one instrument."""
        return api.GetInstrumentResponse(instrument=self._told(self._catalogue.get(request.instrument)))

    async def ListInstruments(self, request: api.ListInstrumentsRequest, context: Any) -> api.ListInstrumentsResponse:
        """Lists instruments by name."""
        wanted = [
            instrument
            for instrument in self._catalogue.all()
            if request.venue in ("", instrument.terms.name.venue)
            and request.asset_class in (0, int(instrument.terms.asset_class))
        ]
        page, token = Pages(request, DEFAULT_PAGE_SIZE).cut(wanted, lambda instrument: instrument.name)
        return api.ListInstrumentsResponse(instruments=map(self._told, page), next_page_token=token)

    async def CreateInstrument(
        self, request: admin_api.CreateInstrumentRequest, context: Any
    ) -> admin_api.CreateInstrumentResponse:
        """Makes an instrument."""
        instrument, created = await self._catalogue.create(terms_of(request))
        return admin_api.CreateInstrumentResponse(instrument=self._told(instrument), created=created)

    async def UpdateInstrument(
        self, request: admin_api.UpdateInstrumentRequest, context: Any
    ) -> admin_api.UpdateInstrumentResponse:
        """Halts or resumes an instrument."""
        status = TradingStatus(request.status)
        instrument = await self._catalogue.set_status(request.instrument, status, request.expected_version)
        return admin_api.UpdateInstrumentResponse(instrument=instrument_message(instrument))

    async def GetQuote(self, request: quote_api.GetQuoteRequest, context: Any) -> quote_api.GetQuoteResponse:
        """Tells an instrument, its quote and its day."""
        market = self._hub.market(name_of(request))
        if not market.known:
            raise _no_market_data(market)
        ticker = self._ticker(market)
        return quote_api.GetQuoteResponse(
            instrument=self._told(market.instrument), quote=ticker.quote, statistics=ticker.statistics
        )

    async def ListQuotes(self, request: quote_api.ListQuotesRequest, context: Any) -> quote_api.ListQuotesResponse:
        """Lists quotes and days."""
        markets = self._markets(request.instruments) or self._hub.markets.values()
        wanted = [m for m in markets if m.known and request.venue in ("", m.instrument.terms.name.venue)]
        page, token = Pages(request, DEFAULT_PAGE_SIZE).cut(wanted, lambda market: market.name)
        return quote_api.ListQuotesResponse(tickers=map(self._ticker, page), next_page_token=token)

    async def GetOrderBook(self, request: book_api.GetOrderBookRequest, context: Any) -> book_api.GetOrderBookResponse:
        """Tells an order book."""
        market = self._hub.market(request.instrument)
        if not market.told:
            raise _no_market_data(market)
        state = BookState.of(market, request.depth or DEFAULT_DEPTH, self._epochs.name_of(market.epoch_number))
        return book_api.GetOrderBookResponse(book=book_message(state))

    async def ListMarketTrades(
        self, request: trade_api.ListMarketTradesRequest, context: Any
    ) -> trade_api.ListMarketTradesResponse:
        """Lists public trades."""
        pages, market = TimePages(request), self._hub.market(request.instrument)
        recovering = self._history.recovering(market.instrument)
        trades, more = await self._history.trades(market.instrument, pages.page)
        message = self._broadcasts.trades.message
        return trade_api.ListMarketTradesResponse(
            trades=[message(market, trade) for trade in trades],
            next_page_token=pages.token(trades[-1].time_ns, trades[-1].position) if more else "",
            recovering=recovering or self._history.recovering(market.instrument),
        )

    async def ListCandles(self, request: candle_api.ListCandlesRequest, context: Any) -> candle_api.ListCandlesResponse:
        """Lists candles."""
        name, pages = name_of(request), TimePages(request)
        market, interval = self._hub.market(name), INTERVAL_OF_CONTRACT[request.interval]
        candles, more = await self._history.candles(market.instrument, interval, pages.page)
        now = self._hub.venue_time_ns
        messages = [
            candle_message(market.name, candle, interval, market.scales, complete=is_complete(candle, interval, now))
            for candle in candles
        ]
        token = pages.token(candles[-1].open_second * SECOND_NS, 0) if more else ""
        return candle_api.ListCandlesResponse(candles=messages, next_page_token=token)

    def StreamQuotes(self, request: api.StreamQuotesRequest, context: Any) -> AsyncIterator[Any]:
        """Streams quotes."""
        names = [market.name for market in self._markets(request.instruments)] or None
        conflation_seconds = request.conflation_interval.ToNanoseconds() / 1e9
        return self._stream(
            self._quote_frames, request, lambda: self._broadcasts.quotes.subscribe(names), conflation_seconds
        )

    def StreamOrderBook(self, request: book_api.StreamOrderBookRequest, context: Any) -> AsyncIterator[Any]:
        """Streams order books."""
        markets, depth = self._markets(request.instruments), request.depth or DEFAULT_DEPTH
        return self._stream(self._book_frames, request, lambda: self._broadcasts.books.subscribe(markets, depth))

    def StreamTrades(self, request: trade_api.StreamTradesRequest, context: Any) -> AsyncIterator[Any]:
        """Streams public trades."""
        named = self._markets(request.instruments)

        def subscribe() -> Subscription[Any]:
            # Trades of this turn are handed out first: the snapshot has them, and the reader does not get them again.
            self._hub.flush()
            names, markets = [market.name for market in named] or None, named or self._hub.markets.values()
            return self._broadcasts.trades.subscribe(names, markets, request.recent_trades)

        return self._stream(self._trade_frames, request, subscribe)

    def StreamCandles(self, request: candle_api.StreamCandlesRequest, context: Any) -> AsyncIterator[Any]:
        """Streams candles."""
        names = [market.name for market in self._markets(request.instruments)] or None
        interval = INTERVAL_OF_CONTRACT[request.interval]
        return self._stream(self._candle_frames, request, lambda: self._broadcasts.candles.subscribe(interval, names))

    def _stream(
        self,
        frames: Frames[Any],
        request: Any,
        subscribe: Callable[[], Subscription[Any]],
        conflation_seconds: float = 0.0,
    ) -> AsyncIterator[Any]:
        seconds = heartbeat_seconds(request.heartbeat_interval)
        return market_stream(frames, self._draining, seconds, subscribe, conflation_seconds)

    def _markets(self, names: Sequence[str]) -> list[Market]:
        found = (self._hub.market(name, f"instruments[{index}]") for index, name in enumerate(names))
        return list(dict.fromkeys(found))

    def _told(self, instrument: Instrument) -> Any:
        return instrument_message(instrument, self._hub.markets.get(instrument.name))

    def _ticker(self, market: Market) -> quote_pb2.Ticker:
        now = max(self._clock.now_ns(), self._hub.venue_time_ns)
        day = day_of(market.series[Interval.DAY], now)
        return quote_pb2.Ticker(quote=quote_message(market), statistics=day_message(day, market.scales))


def _no_market_data(market: Market) -> CodedError:
    return precondition(
        "NO_MARKET_DATA", f"nothing is known of the market of {market.name} yet", instrument=market.name
    )
