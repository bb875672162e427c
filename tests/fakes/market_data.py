"""MarketDataService, played: a few instruments, and quotes that a test sets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Packed
from google.rpc import error_details_pb2, status_pb2

from ordermesh.marketdata.v1 import instrument_pb2, market_data_service_pb2_grpc, quote_pb2
from ordermesh.marketdata.v1 import market_data_service_pb2 as market_data
from ordermesh.type.v1 import stream_pb2


def instrument(name: str, number: int, tick: str = "0.01", lot: str = "1", **more: Any) -> instrument_pb2.Instrument:
    """Returns the terms of an instrument."""
    symbol, _, venue = name.rpartition(".")
    values: dict[str, Any] = {
        "currency": "USD",
        "contract_multiplier": "1",
        "status": instrument_pb2.INSTRUMENT_STATUS_TRADING,
    }
    return instrument_pb2.Instrument(
        instrument=name,
        symbol=symbol,
        venue=venue,
        engine_instrument_id=number,
        tick_size=tick,
        lot_size=lot,
        version=1,
        **(values | more),
    )


AAPL = instrument("AAPL.XNAS", 1)
BTC = instrument("BTC-USDT.BINANCE", 2, "0.1", "0.001", currency="USDT")
ES = instrument("ESZ6.XCME", 3, "0.25", "1", contract_multiplier="50")


class FakeMarketData(market_data_service_pb2_grpc.MarketDataServiceServicer):
    """Tells the instruments it was given, and streams the quotes that a test sets.

    Attributes:
        asked: Instruments that were asked for one by one.
        readers: Number of quote streams that are open.
        refusing: Streams of quotes are refused.
    """

    def __init__(self, *instruments: instrument_pb2.Instrument) -> None:
        self.instruments = {each.instrument: each for each in instruments or (AAPL, BTC, ES)}
        self.quotes: dict[str, quote_pb2.Quote] = {}
        self.asked: list[str] = []
        self.refusing = False
        self._streams: set[asyncio.Queue[market_data.StreamQuotesResponse | None]] = set()

    @property
    def readers(self) -> int:
        return len(self._streams)

    def quote(self, name: str, bid: str = "", ask: str = "", last: str = "") -> None:
        """Sets a quote and tells it."""
        told = self.quotes[name] = quote_pb2.Quote(instrument=name, bid_price=bid, ask_price=ask, last_price=last)
        for stream in self._streams:
            stream.put_nowait(market_data.StreamQuotesResponse(update=market_data.QuoteUpdate(quotes=[told])))

    def cut(self) -> None:
        """Ends all streams of quotes."""
        for stream in self._streams:
            stream.put_nowait(None)

    async def GetInstrument(self, request: Any, context: Any) -> Any:
        self.asked.append(request.instrument)
        if (found := self.instruments.get(request.instrument)) is None:
            await _not_found(context, request.instrument)
        return market_data.GetInstrumentResponse(instrument=found)

    async def ListInstruments(self, request: Any, context: Any) -> Any:
        return market_data.ListInstrumentsResponse(instruments=list(self.instruments.values()))

    async def StreamQuotes(self, request: Any, context: Any) -> AsyncIterator[Any]:
        stream: asyncio.Queue[market_data.StreamQuotesResponse | None] = asyncio.Queue()
        if self.refusing:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no quotes now")
        self._streams.add(stream)
        try:
            yield market_data.StreamQuotesResponse(subscribed=stream_pb2.Subscribed())
            yield market_data.StreamQuotesResponse(snapshot_begin=stream_pb2.SnapshotBegin())
            yield market_data.StreamQuotesResponse(
                snapshot=market_data.QuoteSnapshot(quotes=list(self.quotes.values()))
            )
            yield market_data.StreamQuotesResponse(snapshot_end=stream_pb2.SnapshotEnd(count=len(self.quotes)))
            while (response := await stream.get()) is not None:
                yield response
        finally:
            self._streams.discard(stream)


async def _not_found(context: Any, name: str) -> None:
    status = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message=f"no instrument {name}")
    packed = Packed()
    packed.Pack(error_details_pb2.ErrorInfo(reason="UNKNOWN_INSTRUMENT", domain="ordermesh.dev"))
    status.details.append(packed)
    details = (("grpc-status-details-bin", status.SerializeToString()),)
    await context.abort(grpc.StatusCode.NOT_FOUND, status.message, details)
