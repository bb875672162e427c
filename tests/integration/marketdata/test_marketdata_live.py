"""MarketDataService on the real engine, Postgres and Redis: what happens at the venue is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ordermesh.marketdata.v1 import instrument_pb2, market_data_service_pb2, quote_query_pb2
from tests.fixtures.marketdata import BUY, SELL, MarketWorld, market_world
from tests.fixtures.trader import eventually


@pytest.fixture
async def world(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[MarketWorld]:
    """An engine and the service."""
    async with market_world(tmp_path, postgres_url, redis_url) as running:
        yield running


async def number_of(world: MarketWorld, name: str) -> int:
    """Returns the engine's number of an instrument."""
    answer = await world.stub.GetInstrument(market_data_service_pb2.GetInstrumentRequest(instrument=name))
    return answer.instrument.engine_instrument_id


async def test_a_new_installation_has_instruments_of_every_kind(world: MarketWorld) -> None:
    """At least nine instruments are seeded, of all four kinds, each with a number in the engine."""
    answer = await world.stub.ListInstruments(market_data_service_pb2.ListInstrumentsRequest())
    kinds = {instrument.asset_class for instrument in answer.instruments}
    assert len(answer.instruments) >= 9
    assert kinds == {
        instrument_pb2.ASSET_CLASS_EQUITY,
        instrument_pb2.ASSET_CLASS_CRYPTO,
        instrument_pb2.ASSET_CLASS_FX,
        instrument_pb2.ASSET_CLASS_FUTURE,
    }
    assert all(instrument.engine_instrument_id for instrument in answer.instruments)


async def test_a_quote_follows_the_book_and_the_trades(world: MarketWorld) -> None:
    """Orders and a trade in the engine become the quote, in decimals of the instrument."""
    number = await number_of(world, "AAPL.XNAS")
    async with world.participant() as trader:
        await trader.send(trader.limit(number, BUY, 18_720, 100), trader.limit(number, SELL, 18_730, 50))
        await trader.send(trader.limit(number, BUY, 18_730, 20, immediate=True))

    async def ask() -> quote_query_pb2.GetQuoteResponse:
        return await world.stub.GetQuote(quote_query_pb2.GetQuoteRequest(venue="XNAS", symbol="AAPL"))

    quote = (await eventually(ask, lambda answer: answer.quote.ask_quantity == "30")).quote
    assert (quote.bid_price, quote.bid_quantity, quote.ask_price) == ("187.2", "100", "187.3")
    assert (quote.last_price, quote.last_quantity) == ("187.3", "20")
