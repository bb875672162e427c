"""MarketDataService as OrderService meets it: in memory, behind real gRPC."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.marketdata.v1 import (
    book_access_pb2,
    book_pb2,
    instrument_pb2,
    market_data_service_pb2,
    market_trade_access_pb2,
    market_trade_pb2,
)
from ordermesh.type.v1 import stream_pb2
from tests.fakes.public_market import FakePublicMarket


def instrument(name: str, **changes: Any) -> instrument_pb2.Instrument:
    """Returns an instrument with a tick of a cent and a lot of one."""
    message = instrument_pb2.Instrument(
        instrument=name,
        symbol=name.split(".", maxsplit=1)[0],
        venue=name.split(".", maxsplit=1)[1],
        currency="USD",
        tick_size="0.01",
        lot_size="1",
        min_quantity="1",
        max_quantity="1000000",
        contract_multiplier="1",
        status=instrument_pb2.INSTRUMENT_STATUS_TRADING,
        version=1,
    )
    for key, value in changes.items():
        setattr(message, key, value)
    return message


Trades = market_trade_access_pb2.StreamTradesResponse


@dataclass
class FakeMarketData(FakePublicMarket):
    """Knows some instruments, and what a test sets of their markets: quotes, and trades that it makes.

    Attributes:
        epoch: Epoch of the next trades.
        recovering: How often to say that trades are still being recovered.
        subscribed: Instruments whose trades are followed now.
    """

    instruments: dict[str, instrument_pb2.Instrument] = field(
        default_factory=lambda: {name: instrument(name) for name in ("AAPL.XNAS", "MSFT.XNAS")}
    )
    books: dict[str, book_pb2.OrderBook] = field(default_factory=dict)
    epoch: str = "epoch"
    recovering: int = 0
    subscribed: list[str] = field(default_factory=list)
    _readers: set[tuple[str, asyncio.Queue[Trades | None]]] = field(default_factory=set)

    def trade(self, price: str, name: str = "AAPL.XNAS", *, told: bool = True) -> market_trade_pb2.MarketTrade:
        """Makes a trade now; one that is not told live is in the list alone."""
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        made = self.trades
        trade = market_trade_pb2.MarketTrade(
            instrument=name,
            trade_id=str(len(made) + 1),
            price=price,
            quantity="1",
            sequence=len(made) + 1,
            epoch=self.epoch,
            venue_time=Timestamp(seconds=seconds, nanos=nanos),
        )
        made.append(trade)
        for wanted, queue in self._readers if told else ():
            if wanted == name:
                queue.put_nowait(Trades(update=market_trade_access_pb2.MarketTradeUpdate(trades=[trade])))
        return trade

    def cut_trades(self, reason: stream_pb2.GoingAwayReason.ValueType | None = None) -> None:
        """Ends all streams of trades, with a reason or without a word."""
        for _, queue in self._readers:
            if reason is not None:
                queue.put_nowait(Trades(going_away=stream_pb2.GoingAway(reason=reason)))
            queue.put_nowait(None)

    async def StreamTrades(self, request: Any, context: Any) -> AsyncIterator[Trades]:
        await self._answer(context)
        [name] = request.instruments
        queue: asyncio.Queue[Trades | None] = asyncio.Queue()
        self._readers.add((name, queue))
        self.subscribed.append(name)
        try:
            yield Trades(subscribed=stream_pb2.Subscribed())
            yield Trades(snapshot_begin=stream_pb2.SnapshotBegin())
            yield Trades(snapshot_end=stream_pb2.SnapshotEnd())
            while (told := await queue.get()) is not None:
                yield told
        finally:
            self._readers.discard((name, queue))
            self.subscribed.remove(name)

    async def ListMarketTrades(self, request: Any, context: Any) -> Any:
        if request.HasField("to"):
            return await super().ListMarketTrades(request, context)
        await self._answer(context)
        self.recovering = max(0, self.recovering - 1)
        wanted = [each for each in reversed(self.trades) if each.instrument == request.instrument]
        page, token = self._page(wanted, request)
        return market_trade_access_pb2.ListMarketTradesResponse(
            trades=page, next_page_token=token, recovering=self.recovering > 0
        )

    async def GetOrderBook(self, request: Any, context: Any) -> Any:
        found = self.books.get(request.instrument)
        if found is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nothing is known of its market")
        return book_access_pb2.GetOrderBookResponse(book=found)

    async def ListInstruments(self, request: Any, context: Any) -> Any:
        return market_data_service_pb2.ListInstrumentsResponse(instruments=self.instruments.values())
