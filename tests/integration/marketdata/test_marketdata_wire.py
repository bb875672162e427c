"""MarketDataService over the wire: streams, instruments made and halted, bad input, the bus, the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from redis.asyncio import Redis

from deploy.embedded.postgres import Postgres
from deploy.embedded.redis import Redis as RedisServer
from ordermesh.event.v1 import event_pb2
from ordermesh.marketdata.v1 import (
    book_access_pb2,
    book_pb2,
    candle_access_pb2,
    instrument_admin_pb2,
    instrument_pb2,
    market_data_service_pb2,
    market_trade_access_pb2,
    quote_query_pb2,
)
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fixtures.marketdata import BUY, SELL, MarketWorld, market_world
from tests.fixtures.waiting import eventually

APPLE, UNTRADED = "AAPL.XNAS", "USD-JPY.LMAX"


pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def world(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Postgres, redis_server: RedisServer
) -> AsyncIterator[MarketWorld]:
    """An engine and the service for all tests of this file; each trades in instruments of its own."""
    url = await postgres_server.ensure_database("marketdata_wire")
    async with market_world(tmp_path_factory.mktemp("world"), url, redis_server.url) as running:
        yield running


def terms(name: str = "AAPL.REPLAY", **others: Any) -> instrument_admin_pb2.CreateInstrumentRequest:
    """A request to make a share."""
    fields: dict[str, Any] = {"currency": "USD", "tick_size": "0.01", "lot_size": "1", **others}
    return instrument_admin_pb2.CreateInstrumentRequest(
        instrument=name,
        asset_class=instrument_pb2.ASSET_CLASS_EQUITY,
        **fields,
    )


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
    async with world.participant("quoter") as trader:
        await trader.send(trader.limit(number, BUY, 18_720, 100), trader.limit(number, SELL, 18_730, 50))
        await trader.send(trader.limit(number, BUY, 18_730, 20, immediate=True))

    async def ask() -> quote_query_pb2.GetQuoteResponse:
        request = quote_query_pb2.GetQuoteRequest(venue="XNAS", symbol="AAPL")
        answer: quote_query_pb2.GetQuoteResponse = await world.stub.GetQuote(request)
        return answer

    quote = (await eventually(ask, lambda answer: answer.quote.ask_quantity == "30")).quote
    assert (quote.bid_price, quote.bid_quantity, quote.ask_price) == ("187.2", "100", "187.3")
    assert (quote.last_price, quote.last_quantity) == ("187.3", "20")


async def test_an_instrument_made_while_running_trades_at_once(world: MarketWorld) -> None:
    """It gets a number, is listed in the engine, and streams of all instruments tell its quotes."""
    stream = world.stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest())
    while not (await stream.read()).HasField("snapshot_end"):
        pass
    made = await world.stub.CreateInstrument(terms())
    again = await world.stub.CreateInstrument(terms(min_quantity="1.0"))
    assert (made.created, again.created, again.instrument) == (True, False, made.instrument)
    number = made.instrument.engine_instrument_id
    async with world.participant("maker") as trader:
        await trader.send(trader.limit(number, BUY, 123, 5))
    async with asyncio.timeout(10):
        while True:
            quotes = (await stream.read()).update.quotes
            if any((quote.instrument, quote.bid_price) == ("AAPL.REPLAY", "1.23") for quote in quotes):
                break
    stream.cancel()


async def test_a_halt_stops_trading_and_is_told(world: MarketWorld) -> None:
    """The engine refuses orders of a halted instrument, the quote says so, and a resumption undoes both."""
    halted, trading = instrument_pb2.INSTRUMENT_STATUS_HALTED, instrument_pb2.INSTRUMENT_STATUS_TRADING
    number = await number_of(world, "MSFT.XNAS")
    async with world.participant("halted") as trader:
        await trader.send(trader.limit(number, BUY, 100, 5))
        request = instrument_admin_pb2.UpdateInstrumentRequest(instrument="MSFT.XNAS", status=halted)
        answer = await world.stub.UpdateInstrument(request)
        assert (answer.instrument.status, answer.instrument.version) == (halted, 2)
        (refused,) = await trader.ask(trader.limit(number, BUY, 100, 5))
        assert refused.reason
        await eventually(lambda: status_of(world), lambda status: status == halted)
        with pytest.raises(CodedError) as refusal:
            await world.stub.UpdateInstrument(
                instrument_admin_pb2.UpdateInstrumentRequest(instrument="MSFT.XNAS", status=trading, expected_version=1)
            )
        assert refusal.value.reason == "VERSION_MISMATCH"
        request.status = trading
        await world.stub.UpdateInstrument(request)
        await eventually(lambda: status_of(world), lambda status: status == trading)


async def status_of(world: MarketWorld) -> int:
    """Returns the status that Microsoft's quote tells."""
    answer = await world.stub.GetQuote(quote_query_pb2.GetQuoteRequest(instrument="MSFT.XNAS"))
    return int(answer.quote.status)


async def number_of(world: MarketWorld, name: str) -> int:
    """Returns the engine's number of an instrument."""
    answer = await world.stub.GetInstrument(market_data_service_pb2.GetInstrumentRequest(instrument=name))
    return int(answer.instrument.engine_instrument_id)


async def test_a_book_is_told_to_the_depth_asked_for(world: MarketWorld) -> None:
    """Levels come best first, as many as asked for, with quantity and number of orders."""
    number, name = await number_of(world, "NVDA.XNAS"), "NVDA.XNAS"
    async with world.participant("deep") as trader:
        for price in range(100, 120):
            await trader.send(trader.limit(number, BUY, price, 1), trader.limit(number, BUY, price, 2))
            await trader.send(trader.limit(number, SELL, price + 100, 4))

    async def book(depth: int) -> book_pb2.OrderBook:
        request = book_access_pb2.GetOrderBookRequest(instrument=name, depth=depth)
        answer: book_access_pb2.GetOrderBookResponse = await world.stub.GetOrderBook(request)
        return answer.book

    # The last order that was sent makes the last ask: with it everything is there.
    deep = await eventually(partial(book, 1000), lambda deep: len(deep.asks) == 20)
    assert len(deep.bids) == 20
    told = await book(3)
    assert [(level.price, level.quantity, level.order_count) for level in told.bids] == [
        ("1.19", "3", 2),
        ("1.18", "3", 2),
        ("1.17", "3", 2),
    ]
    assert [level.price for level in told.asks] == ["2", "2.01", "2.02"]


def asking(method: str, request: Message, reason: str, field: str) -> Any:
    """A bad request, and what it is answered with."""
    return pytest.param(method, request, reason, field, id=f"{method}-{field}-{reason}")


api, quotes, trades = market_data_service_pb2, quote_query_pb2, market_trade_access_pb2
candles, books, admin = candle_access_pb2, book_access_pb2, instrument_admin_pb2
UNKNOWN, INVALID, TOKEN = "UNKNOWN_INSTRUMENT", "INVALID_FIELD", "INVALID_PAGE_TOKEN"
NINETY_NINE: Any = 99
BAD = [
    asking("GetInstrument", api.GetInstrumentRequest(instrument="NOPE.XNAS"), UNKNOWN, "instrument"),
    asking("GetInstrument", api.GetInstrumentRequest(instrument="nope"), INVALID, "instrument"),
    asking("GetInstrument", api.GetInstrumentRequest(), INVALID, "instrument"),
    asking("ListInstruments", api.ListInstrumentsRequest(page_size=1001), INVALID, "page_size"),
    asking("ListInstruments", api.ListInstrumentsRequest(asset_class=NINETY_NINE), INVALID, "asset_class"),
    asking("GetQuote", quotes.GetQuoteRequest(venue="XNAS"), INVALID, "instrument"),
    asking("GetQuote", quotes.GetQuoteRequest(instrument=APPLE, symbol="AAPL"), INVALID, "instrument"),
    asking("GetQuote", quotes.GetQuoteRequest(instrument="NOPE.XNAS"), UNKNOWN, "instrument"),
    asking("ListQuotes", quotes.ListQuotesRequest(instruments=[APPLE, "NO.XNAS"]), UNKNOWN, "instruments[1]"),
    asking("ListQuotes", quotes.ListQuotesRequest(page_token="rubbish"), TOKEN, "page_token"),
    asking("GetOrderBook", books.GetOrderBookRequest(instrument=APPLE, depth=1001), INVALID, "depth"),
    asking("ListMarketTrades", trades.ListMarketTradesRequest(instrument=APPLE, page_token="x"), TOKEN, "page_token"),
    asking("ListCandles", candles.ListCandlesRequest(instrument=APPLE, interval=NINETY_NINE), INVALID, "interval"),
    asking("ListCandles", candles.ListCandlesRequest(), INVALID, "instrument"),
    asking("CreateInstrument", terms(tick_size="0"), INVALID, "tick_size"),
    asking("CreateInstrument", terms(lot_size="-1"), INVALID, "lot_size"),
    asking("CreateInstrument", terms(min_quantity="1.5"), INVALID, "min_quantity"),
    asking("CreateInstrument", terms(currency="dollars"), INVALID, "currency"),
    asking("CreateInstrument", terms("OLD.XTST", expires_at=Timestamp(seconds=-1)), INVALID, "expires_at"),
    asking("CreateInstrument", terms("LATE.XTST", expires_at=Timestamp(seconds=9_214_646_400)), INVALID, "expires_at"),
    asking("CreateInstrument", terms(APPLE), "INSTRUMENT_EXISTS", "description"),
    asking("UpdateInstrument", admin.UpdateInstrumentRequest(instrument=APPLE), INVALID, "status"),
]


@pytest.mark.parametrize(("method", "request_", "reason", "field"), BAD)
async def test_bad_input_names_the_field_and_changes_nothing(
    world: MarketWorld, method: str, request_: Message, reason: str, field: str
) -> None:
    """A bad request gets a reason of the contract and the field at fault; instruments stay as they were."""
    before = await world.stub.ListInstruments(api.ListInstrumentsRequest())
    with pytest.raises(CodedError) as refusal:
        await getattr(world.stub, method)(request_)
    assert (refusal.value.reason, refusal.value.violations[0].field) == (reason, field)
    assert await world.stub.ListInstruments(api.ListInstrumentsRequest()) == before


@pytest.mark.parametrize(
    ("method", "request_", "field"),
    [
        ("StreamQuotes", api.StreamQuotesRequest(instruments=[APPLE, "NO.XNAS"]), "instruments[1]"),
        ("StreamTrades", trades.StreamTradesRequest(instruments=["NO.XNAS"]), "instruments[0]"),
        ("StreamOrderBook", books.StreamOrderBookRequest(), "instruments"),
        ("StreamOrderBook", books.StreamOrderBookRequest(instruments=[APPLE], depth=1001), "depth"),
        ("StreamCandles", candles.StreamCandlesRequest(interval=NINETY_NINE), "interval"),
    ],
)
async def test_a_bad_stream_is_refused_before_it_begins(
    world: MarketWorld, method: str, request_: Message, field: str
) -> None:
    """A stream that cannot be served ends at once, with the field at fault."""
    with pytest.raises(CodedError) as refusal:
        await getattr(world.stub, method)(request_).read()
    assert refusal.value.violations[0].field == field


async def test_nothing_known_is_told_as_such(world: MarketWorld) -> None:
    """A quote without any price is refused; an empty book that the venue told is an answer."""
    with pytest.raises(CodedError) as refusal:
        await world.stub.GetQuote(quote_query_pb2.GetQuoteRequest(instrument=UNTRADED))
    assert (refusal.value.kind, refusal.value.reason) == (ErrorKind.PRECONDITION, "NO_MARKET_DATA")
    answer = await world.stub.GetOrderBook(book_access_pb2.GetOrderBookRequest(instrument=UNTRADED))
    assert (answer.book.instrument, len(answer.book.bids)) == (UNTRADED, 0)
    request = quote_query_pb2.ListQuotesRequest(instruments=[UNTRADED])
    assert not (await world.stub.ListQuotes(request)).tickers


async def test_a_page_token_of_other_filters_is_refused(world: MarketWorld) -> None:
    """A token goes on where it was made, and nowhere else."""
    first = await world.stub.ListInstruments(market_data_service_pb2.ListInstrumentsRequest(page_size=3))
    rest = await world.stub.ListInstruments(
        market_data_service_pb2.ListInstrumentsRequest(page_size=100, page_token=first.next_page_token)
    )
    names = [instrument.instrument for instrument in (*first.instruments, *rest.instruments)]
    assert names == sorted(set(names))
    assert rest.next_page_token == ""
    with pytest.raises(CodedError) as refusal:
        await world.stub.ListInstruments(
            market_data_service_pb2.ListInstrumentsRequest(venue="XNAS", page_token=first.next_page_token)
        )
    assert refusal.value.reason == "INVALID_PAGE_TOKEN"


async def test_quotes_are_on_the_bus(world: MarketWorld, redis_server: RedisServer) -> None:
    """A quote that changed is published under its topic, with growing ids, the newest state last."""
    redis = Redis.from_url(redis_server.url)
    try:
        number = await number_of(world, "JPM.XNYS")
        async with world.participant("bus") as trader:
            for price in (100, 101, 102):
                await trader.send(trader.limit(number, BUY, price, 5))

        async def newest() -> event_pb2.Event:
            entries: Any = await redis.xrange("{ordermesh:0}:market.data.updated")
            events = [event_pb2.Event.FromString(fields[b"event"]) for _, fields in entries]
            ours = [event for event in events if event.quote.instrument == "JPM.XNYS"]
            sequences = [event.sequence for event in events]
            assert sequences == sorted(set(sequences))
            return ours[-1] if ours else event_pb2.Event()

        event = await eventually(newest, lambda event: event.quote.bid_price == "1.02")
        assert event.topic == event_pb2.TOPIC_MARKET_DATA_UPDATED
    finally:
        await redis.aclose()


async def test_streams_are_told_when_the_service_stops(
    tmp_path: Path, postgres_server: Postgres, redis_server: RedisServer
) -> None:
    """On SIGTERM every stream ends with going_away, and the process ends well."""
    url = await postgres_server.ensure_database("marketdata_drain")
    async with market_world(tmp_path, url, redis_server.url) as world:
        await _stop_and_read(world)


async def _stop_and_read(world: MarketWorld) -> None:
    stub = world.stub
    streams = [
        stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest()),
        stub.StreamOrderBook(book_access_pb2.StreamOrderBookRequest(instruments=[APPLE])),
        stub.StreamTrades(market_trade_access_pb2.StreamTradesRequest()),
        stub.StreamCandles(candle_access_pb2.StreamCandlesRequest()),
    ]
    for stream in streams:
        while not (await stream.read()).HasField("snapshot_end"):
            pass
    stopping = asyncio.create_task(world.service.stop())
    for stream in streams:
        last = await stream.read()
        assert last.going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
        assert await stream.read() is None
    assert await stopping == 0


async def test_a_client_that_does_not_read_slows_nobody(world: MarketWorld) -> None:
    """While one client reads nothing at all, another sees every later quote within moments."""
    name = "RELIANCE.XNSE"
    number = await number_of(world, name)
    stalled = world.stub.StreamOrderBook(book_access_pb2.StreamOrderBookRequest(instruments=[name], depth=1000))
    await stalled.read()
    reading = world.stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest(instruments=[name]))
    while not (await reading.read()).HasField("snapshot_end"):
        pass
    async with world.participant("swift") as trader, asyncio.timeout(60):
        for begin in range(1000, 5000, 100):
            await trader.send(*(trader.limit(number, BUY, price, 1) for price in range(begin, begin + 100)))
            wanted = f"{(begin + 99) / 10:.1f}"
            while not any(quote.bid_price == wanted for quote in (await reading.read()).update.quotes):
                pass
    stalled.cancel()
    reading.cancel()
