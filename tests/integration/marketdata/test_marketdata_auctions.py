"""Auctions between MarketDataService and the real engine: told while they go on, and there again after a crash."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from deploy.embedded.postgres import Postgres
from deploy.embedded.redis import Redis as RedisServer
from ordermesh.marketdata.v1 import (
    auction_admin_pb2,
    auction_pb2,
    instrument_admin_pb2,
    instrument_pb2,
    market_data_service_pb2,
    market_trade_access_pb2,
    quote_pb2,
    quote_query_pb2,
)
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError
from tests.fixtures.marketdata import BUY, SELL, MarketWorld, market_world
from tests.fixtures.waiting import eventually

OPENING, CLOSING = auction_pb2.AUCTION_KIND_OPENING, auction_pb2.AUCTION_KIND_CLOSING
TRADING = instrument_pb2.INSTRUMENT_STATUS_TRADING
HALTED = instrument_pb2.INSTRUMENT_STATUS_HALTED
CALL_AUCTION = instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres, redis_server: RedisServer
) -> AsyncIterator[MarketWorld]:
    """An engine and the service for all tests of this file; each trades in an instrument of its own."""
    url = await postgres_server.ensure_database("marketdata_auctions")
    async with market_world(Path(tmp_path_factory.mktemp("world")), url, redis_server.url) as running:
        yield running


async def quote_of(world: MarketWorld, name: str) -> quote_pb2.Quote:
    """Returns the newest quote."""
    answer = await world.stub.GetQuote(quote_query_pb2.GetQuoteRequest(instrument=name))
    quote: quote_pb2.Quote = answer.quote
    return quote


async def begin(
    world: MarketWorld, name: str, kind: auction_pb2.AuctionKind.ValueType
) -> auction_admin_pb2.BeginAuctionResponse:
    """Begins an auction."""
    request = auction_admin_pb2.BeginAuctionRequest(instrument=name, kind=kind)
    answer: auction_admin_pb2.BeginAuctionResponse = await world.stub.BeginAuction(request)
    return answer


async def number_of(world: MarketWorld, name: str) -> int:
    """Returns the engine's number of an instrument."""
    answer = await world.stub.GetInstrument(market_data_service_pb2.GetInstrumentRequest(instrument=name))
    return int(answer.instrument.engine_instrument_id)


async def test_an_auction_is_told_with_quotes_until_it_ends(world: MarketWorld) -> None:
    """The quote says what it would come to, and no bid nor ask while they are crossed; then it traded."""
    name = "MSFT.XNAS"
    number = await number_of(world, name)
    async with world.participant("told") as trader:
        begun = await begin(world, name, OPENING)
        assert (begun.begun, begun.instrument.status) == (True, CALL_AUCTION)
        await trader.send(trader.limit(number, BUY, 30_010, 8), trader.limit(number, SELL, 30_000, 5))
        told = await eventually(lambda: quote_of(world, name), lambda quote: quote.auction.indicative_quantity == "5")
        assert (told.status, told.auction.kind, told.auction.indicative_price) == (CALL_AUCTION, OPENING, "300")
        assert (told.auction.surplus_quantity, told.auction.surplus_side) == ("3", trading_pb2.SIDE_BUY)
        assert (told.bid_price, told.ask_price, told.last_price) == ("", "", "")
        request = auction_admin_pb2.UncrossAuctionRequest(instrument=name, reference_price="300.00")
        ended = await world.stub.UncrossAuction(request)
        assert (ended.price, ended.quantity, ended.instrument.status) == ("300", "5", TRADING)
        after = await eventually(lambda: quote_of(world, name), lambda quote: quote.status == TRADING)
        assert not after.HasField("auction")
        assert (after.bid_price, after.bid_quantity, after.last_price) == ("300.1", "3", "300")
        with pytest.raises(CodedError, match="AUCTION_PHASE_MISMATCH"):
            await world.stub.UncrossAuction(request)
        listed = await world.stub.ListMarketTrades(market_trade_access_pb2.ListMarketTradesRequest(instrument=name))
        [trade] = listed.trades
        assert (trade.price, trade.quantity, trade.aggressor_side) == ("300", "5", trading_pb2.SIDE_UNSPECIFIED)


async def test_a_call_phase_is_there_after_both_were_killed(world: MarketWorld) -> None:
    """The engine's journal has it; a halt of before it stays ended, one within it stays."""
    name = "NVDA.XNAS"
    number = await number_of(world, name)
    halt = instrument_admin_pb2.UpdateInstrumentRequest(instrument=name, status=HALTED)
    await world.stub.UpdateInstrument(halt)
    await begin(world, name, CLOSING)
    async with world.participant("crash") as trader:
        await trader.send(trader.limit(number, BUY, 100, 4), trader.limit(number, SELL, 90, 4))
    await world.service.kill()
    await world.engine.kill()
    await world.engine.start()
    await world.service.start()

    def is_collecting(quote: quote_pb2.Quote) -> bool:
        return quote.status == CALL_AUCTION and quote.auction.indicative_quantity == "4"

    told = await eventually(lambda: quote_of(world, name), is_collecting)
    assert told.auction.kind == CLOSING
    assert not (await begin(world, name, CLOSING)).begun
    with pytest.raises(CodedError, match="AUCTION_PHASE_MISMATCH"):
        await begin(world, name, OPENING)
    await world.stub.UpdateInstrument(halt)
    await eventually(lambda: quote_of(world, name), lambda quote: quote.status == HALTED)
    with pytest.raises(CodedError, match="AUCTION_PHASE_MISMATCH"):
        await world.stub.UncrossAuction(auction_admin_pb2.UncrossAuctionRequest(instrument=name))
    await world.stub.UpdateInstrument(instrument_admin_pb2.UpdateInstrumentRequest(instrument=name, status=TRADING))
    await eventually(lambda: quote_of(world, name), is_collecting)
    ended = await world.stub.UncrossAuction(auction_admin_pb2.UncrossAuctionRequest(instrument=name))
    assert ended.quantity == "4"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"instrument": "NONE.XNAS"}, "UNKNOWN_INSTRUMENT"),
        ({"reference_price": "1.005"}, "PRICE_OFF_TICK"),
        ({"reference_price": "1" + 16 * "0"}, "PRICE_OUT_OF_RANGE"),
        ({"reference_price": "20000000000"}, "PRICE_OUT_OF_RANGE"),
        ({"reference_price": "0"}, "INVALID_FIELD"),
    ],
)
async def test_bad_input_leaves_the_auction_as_it_is(world: MarketWorld, values: dict[str, str], reason: str) -> None:
    """Each with its reason; the engine's own bounds among them."""
    name = "JPM.XNYS"
    await begin(world, name, OPENING)
    with pytest.raises(CodedError) as refused:
        await world.stub.UncrossAuction(auction_admin_pb2.UncrossAuctionRequest(**({"instrument": name} | values)))
    assert refused.value.reason == reason
    assert not (await begin(world, name, OPENING)).begun


@pytest.mark.parametrize("kind", [0, 3])
async def test_a_kind_must_be_one(world: MarketWorld, kind: int) -> None:
    """Nothing begins without one; and no status but trading and halted can be set by hand."""
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        await begin(world, "AAPL.XNAS", kind)  # type: ignore[arg-type]  # no kind that there is
    request = instrument_admin_pb2.UpdateInstrumentRequest(instrument="AAPL.XNAS", status=CALL_AUCTION)
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        await world.stub.UpdateInstrument(request)
