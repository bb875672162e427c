"""The mesh as `make run` starts it: agents make a market, and a newcomer trades in it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import grpc
import pytest
from rich.console import Console

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import (
    book_access_pb2,
    candle_access_pb2,
    candle_pb2,
    market_data_service_pb2,
    quote_pb2,
    quote_query_pb2,
)
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED
from services.market.agents.profile import PROFILES
from services.market.replay.command import Recording, Venue, play_market
from services.mesh.client import Channel
from tests.fixtures.direct import direct_channels
from tests.fixtures.trader import BUY, GTC, Trader, trader
from tests.fixtures.users import operator
from tests.fixtures.waiting import PATIENCE_SECONDS, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

RECORDING = """\
34200.000000001,1,1001,100,1000000,1
34200.000000002,1,1002,100,1001000,-1
34200.000000003,1,1003,50,1000000,1
34200.100000000,4,1001,100,1000000,1
34200.100000001,4,1003,20,1000000,1
34200.200000000,3,1003,30,1000000,1
"""


async def test_every_instrument_has_a_market(living_mesh: Mesh) -> None:
    """All instruments that agents know are quoted on both sides, and their quotes move."""
    async with (await operator(living_mesh)).calling() as channel:
        stream = MarketDataServiceStub(channel).StreamQuotes(market_data_service_pb2.StreamQuotesRequest())
        quotes: dict[str, set[tuple[str, str]]] = {name: set() for name in PROFILES}
        async with asyncio.timeout(PATIENCE_SECONDS * 2):
            async for response in stream:
                for quote in (*response.snapshot.quotes, *response.update.quotes):
                    if quote.bid_price and quote.ask_price and quote.instrument in quotes:
                        assert float(quote.bid_price) < float(quote.ask_price)
                        quotes[quote.instrument].add((quote.bid_price, quote.ask_price))
                if all(len(seen) >= 2 for seen in quotes.values()):
                    break
        stream.cancel()


async def test_a_newcomer_s_market_order_fills_at_once(living_mesh: Mesh) -> None:
    """A market order meets the makers' quotes, and the position is there with its value."""
    async with trader(living_mesh) as someone:
        await _quoted(someone, "AAPL.XNAS")
        order = await someone.place(BUY, "AAPL.XNAS", "10")
        filled = await someone.reports.until(order.order_id, ORDER_STATUS_FILLED)
        fills = sum(bool(report.last_quantity) for report in someone.reports.of(order.order_id))
        position = await someone.position("AAPL.XNAS", trades=fills)
        assert position.quantity == "10"
        assert float(position.average_cost) == pytest.approx(float(filled.average_price))
        assert position.value.market_value


async def test_a_resting_order_is_traded_with(living_mesh: Mesh) -> None:
    """A bid one tick above the best is hit by the agents before long."""
    async with trader(living_mesh) as someone:
        quote = await _quoted(someone, "NVDA.XNAS")
        price = f"{(float(quote.bid_price) + float(quote.ask_price)) / 2 + 0.02:.2f}"
        order = await someone.place(BUY, "NVDA.XNAS", "1", price, time_in_force=GTC)
        await someone.reports.until(order.order_id, ORDER_STATUS_FILLED)


async def test_trades_become_candles(living_mesh: Mesh) -> None:
    """The public tape and the one-second candles agree that something traded."""
    async with trader(living_mesh) as someone:

        async def candles() -> list[candle_pb2.Candle]:
            request = candle_access_pb2.ListCandlesRequest(
                instrument="BTC-USDT.BINANCE", interval=candle_pb2.CANDLE_INTERVAL_1S, page_size=50
            )
            return list((await someone.market_data.ListCandles(request)).candles)

        found = await eventually(candles, lambda some: len(some) >= 2)
        for candle in found:
            prices = [float(candle.open_price), float(candle.close_price)]
            assert float(candle.low_price) <= min(prices) <= max(prices) <= float(candle.high_price)


async def test_a_recording_plays_in_the_engine_and_a_user_trades_inside_it(living_mesh: Mesh, tmp_path: Path) -> None:
    """A replay fills the orders that its file names; a user's order beside it fills against the replay."""
    file = tmp_path / "ZZZ_2012-06-21_34200000_57600000_message_10.csv"
    file.write_text(RECORDING)
    desk, channels = await operator(living_mesh), direct_channels(living_mesh, "market")
    async with desk.calling() as market_data:
        venue = Venue(channels.to(living_mesh.address("engine")), cast("Channel", market_data))
        outcome = await play_market(Recording(file, None, "ZZZ", 10), Console(quiet=True), venue, speed=0, keep=True)
    await channels.close()
    assert (outcome.named_hits, outcome.executions, outcome.better_price) == (2, 2, 0)
    async with trader(living_mesh) as someone:
        order = await someone.place(BUY, "ZZZ.REPLAY", "5", "100.10")
        filled = await someone.reports.until(order.order_id, ORDER_STATUS_FILLED)
        assert filled.average_price == "100.1"


async def test_a_book_is_told_to_the_depth_asked_for(living_mesh: Mesh) -> None:
    """Three levels asked for are three levels told, best first."""
    async with trader(living_mesh) as someone:
        await _quoted(someone, "MSFT.XNAS")
        request = book_access_pb2.GetOrderBookRequest(instrument="MSFT.XNAS", depth=3)
        book = (await someone.market_data.GetOrderBook(request)).book
        assert len(book.bids) == len(book.asks) == 3
        prices = [float(level.price) for level in (*reversed(book.bids), *book.asks)]
        assert prices == sorted(prices)


async def _quoted(someone: Trader, instrument: str) -> quote_pb2.Quote:
    """Waits until an instrument has a bid and an ask, and returns the quote."""

    async def ask() -> quote_pb2.Quote | None:
        request = quote_query_pb2.GetQuoteRequest(instrument=instrument)
        try:
            return (await someone.market_data.GetQuote(request)).quote
        except grpc.aio.AioRpcError as error:
            if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                raise
            return None

    quote = await eventually(ask, lambda quote: bool(quote and quote.bid_price and quote.ask_price))
    assert quote is not None
    return quote
