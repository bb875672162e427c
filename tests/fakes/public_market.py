"""The public market as MarketDataService tells it, played: quotes, trades and candles that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc

from ordermesh.marketdata.v1 import (
    candle_access_pb2,
    candle_pb2,
    instrument_pb2,
    market_data_service_pb2_grpc,
    market_trade_access_pb2,
    market_trade_pb2,
    quote_pb2,
)
from ordermesh.marketdata.v1 import market_data_service_pb2 as market_data
from ordermesh.type.v1 import stream_pb2


def trade(price: str, quantity: str, at_ns: int, instrument: str = "AAPL.XNAS") -> market_trade_pb2.MarketTrade:
    """Returns a public trade."""
    message = market_trade_pb2.MarketTrade(instrument=instrument, price=price, quantity=quantity)
    message.venue_time.FromNanoseconds(at_ns)
    return message


def candle(
    interval: candle_pb2.CandleInterval.ValueType, open_ns: int, *, volume: str, turnover: str, count: int
) -> candle_pb2.Candle:
    """Returns what a sum over candles needs of one."""
    message = candle_pb2.Candle(interval=interval, volume=volume, turnover=turnover, trade_count=count)
    message.open_time.FromNanoseconds(open_ns)
    return message


@dataclass
class FakePublicMarket(market_data_service_pb2_grpc.MarketDataServiceServicer):
    """Tells what it was given.

    Attributes:
        trades: Public trades, oldest first.
        candles: Candles, oldest first.
        readers: Streams of quotes that are open.
        dumb: Whether streams of quotes say nothing at all.
        down: Whether nothing is answered.
        largest_page: Most entries that it puts on a page.
        pages: Pages that it told.
    """

    instruments: dict[str, instrument_pb2.Instrument] = field(default_factory=dict)
    quotes: dict[str, quote_pb2.Quote] = field(default_factory=dict)
    trades: list[market_trade_pb2.MarketTrade] = field(default_factory=list)
    candles: list[candle_pb2.Candle] = field(default_factory=list)
    readers: list[asyncio.Queue[Any]] = field(default_factory=list)
    dumb: bool = False
    down: bool = False
    largest_page: int = 1_000
    pages: int = 0

    def quote(
        self, bid: str = "", ask: str = "", last: str = "", *, name: str = "AAPL.XNAS", **more: Any
    ) -> quote_pb2.Quote:
        """Sets a quote and tells it."""
        told = quote_pb2.Quote(instrument=name, bid_price=bid, ask_price=ask, last_price=last, **more)
        told.venue_time.GetCurrentTime()
        self.quotes[name] = told
        for reader in self.readers:
            reader.put_nowait(market_data.StreamQuotesResponse(update=market_data.QuoteUpdate(quotes=[told])))
        return told

    def cut(self) -> None:
        """Ends all streams of quotes."""
        for reader in self.readers:
            reader.put_nowait(None)

    async def GetInstrument(self, request: Any, context: Any) -> Any:
        await self._answer(context)
        found = self.instruments.get(request.instrument)
        if found is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such instrument")
        return market_data.GetInstrumentResponse(instrument=found)

    async def StreamQuotes(self, request: Any, context: Any) -> AsyncIterator[Any]:
        await self._answer(context)
        reader: asyncio.Queue[Any] = asyncio.Queue()
        self.readers.append(reader)
        try:
            if not self.dumb:
                for message in self._snapshot():
                    yield message
            while (response := await reader.get()) is not None:
                yield response
        finally:
            self.readers.remove(reader)

    async def ListMarketTrades(self, request: Any, context: Any) -> Any:
        await self._answer(context)
        begin, end = _bounds(request)
        wanted = [
            each
            for each in reversed(self.trades)
            if each.instrument == request.instrument and begin <= each.venue_time.ToNanoseconds() < end
        ]
        page, token = self._page(wanted, request)
        return market_trade_access_pb2.ListMarketTradesResponse(trades=page, next_page_token=token)

    async def ListCandles(self, request: Any, context: Any) -> Any:
        await self._answer(context)
        begin, end = _bounds(request)
        wanted = [
            each
            for each in reversed(self.candles)
            if each.interval == request.interval and begin <= each.open_time.ToNanoseconds() < end
        ]
        page, token = self._page(wanted, request)
        return candle_access_pb2.ListCandlesResponse(candles=page, next_page_token=token)

    async def _answer(self, context: Any) -> None:
        if self.down:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "market data is away")

    def _snapshot(self) -> list[market_data.StreamQuotesResponse]:
        quotes = market_data.QuoteSnapshot(quotes=list(self.quotes.values()))
        return [
            market_data.StreamQuotesResponse(subscribed=stream_pb2.Subscribed()),
            market_data.StreamQuotesResponse(snapshot_begin=stream_pb2.SnapshotBegin()),
            market_data.StreamQuotesResponse(snapshot=quotes),
            market_data.StreamQuotesResponse(snapshot_end=stream_pb2.SnapshotEnd(count=len(self.quotes))),
        ]

    def _page(self, wanted: list[Any], request: Any) -> tuple[list[Any], str]:
        self.pages += 1
        first, size = int(request.page_token or 0), min(request.page_size, self.largest_page)
        return wanted[first : first + size], str(first + size) if len(wanted) > first + size else ""


def _bounds(request: Any) -> tuple[int, int]:
    """The bounds of a list, cut to microseconds as the service cuts them."""
    begin, end = getattr(request, "from").ToNanoseconds(), request.to.ToNanoseconds()
    return begin // 1_000 * 1_000, end // 1_000 * 1_000
