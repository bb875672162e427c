"""The quotes and the public market as OrderService knows them, over real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from ordermesh.marketdata.v1 import candle_pb2
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import add_MarketDataServiceServicer_to_server
from services.kernel.errors import CodedError
from services.mesh.client import Channel
from services.order.domain.executions import Mark, Traded
from services.order.peers.market_record import MOST_TRADES, PublicMarket
from services.order.peers.quotes import QuoteBoard
from tests.fakes.order_market_data import instrument
from tests.fakes.public_market import FakePublicMarket, candle, trade
from tests.fixtures.serving import serving
from tests.fixtures.waiting import eventually

AAPL = "AAPL.XNAS"
HOUR = 3_600_000_000_000
SECOND = 1_000_000_000


@pytest.fixture
def market() -> FakePublicMarket:
    """A market of one instrument."""
    return FakePublicMarket(instruments={AAPL: instrument(AAPL)})


@pytest.fixture
async def channel(market: FakePublicMarket) -> AsyncIterator[Channel]:
    """A channel to it."""
    async with serving(add_MarketDataServiceServicer_to_server, market) as running:
        yield running.channel


@asynccontextmanager
async def followed(channel: Channel, *, silence_seconds: float = 5.0) -> AsyncIterator[QuoteBoard]:
    """Follows the quotes for the time of a block."""
    board = QuoteBoard(channel, silence_seconds=silence_seconds)
    running = asyncio.create_task(board.run())
    try:
        yield board
    finally:
        running.cancel()
        await asyncio.wait([running])


def bid(board: QuoteBoard) -> Decimal | None:
    """Returns the bid that is told."""
    quote = board.quote(AAPL)
    return None if quote is None else quote.bid


def fresh(board: QuoteBoard) -> bool:
    """Tells whether the quote is fresh."""
    quote = board.quote(AAPL)
    return quote is not None and not quote.stale


async def test_the_newest_quote_is_told(market: FakePublicMarket, channel: Channel) -> None:
    """From the snapshot at first, then every change: prices, sizes, last trade and times; nothing of other markets."""
    market.quote("99", "101", "100")
    async with followed(channel) as board:
        await eventually(lambda: fresh(board))
        assert board.quote("MSFT.XNAS") is None
        told = market.quote("99.5", "101", "100.5", bid_quantity="7", ask_quantity="8", last_quantity="9")
        await eventually(lambda: bid(board) == Decimal("99.5"))
        quote = board.quote(AAPL)
        assert quote is not None
        assert (quote.ask, quote.last, quote.mid, quote.stale) == (101, Decimal("100.5"), Decimal("100.25"), False)
        assert (quote.bid_quantity, quote.ask_quantity, quote.last_quantity) == (7, 8, 9)
        assert (quote.quoted_at_ns, quote.traded_at_ns) == (told.venue_time.ToNanoseconds(), 0)
        assert board.quote(AAPL) is quote


async def test_a_side_that_is_empty_is_none(market: FakePublicMarket, channel: Channel) -> None:
    """No price is made up; the time of the last trade is the venue's."""
    told = market.quote(ask="101")
    told.last_trade_time.FromNanoseconds(7)
    async with followed(channel) as board:
        await eventually(lambda: fresh(board))
        quote = board.quote(AAPL)
        assert quote is not None
        assert (quote.bid, quote.mid, quote.spread, quote.last, quote.traded_at_ns) == (None, None, None, None, 7)


async def test_a_lost_feed_makes_quotes_stale(market: FakePublicMarket, channel: Channel) -> None:
    """MarketDataService says so itself; the price stays."""
    market.quote("99", "101")
    async with followed(channel) as board:
        await eventually(lambda: fresh(board))
        market.quote("99", "101", stale=True)
        await eventually(lambda: not fresh(board))
        assert bid(board) == 99


async def test_while_market_data_is_away_the_last_is_told_as_stale(market: FakePublicMarket, channel: Channel) -> None:
    """Fresh again after the next snapshot; what that leaves out is not known any more."""
    market.quote("99", "101")
    market.quote("1", "2", name="GONE.XNAS")
    async with followed(channel) as board:
        await eventually(lambda: fresh(board))
        assert board.quote("GONE.XNAS") is not None
        market.down = True
        market.cut()
        await eventually(lambda: not fresh(board))
        assert bid(board) == 99
        del market.quotes["GONE.XNAS"]
        market.quote("98", "101")
        market.down = False
        await eventually(lambda: fresh(board))
        assert bid(board) == 98
        assert board.quote("GONE.XNAS") is None


async def test_a_silent_stream_is_ended(market: FakePublicMarket, channel: Channel) -> None:
    """Without a sign of life quotes are stale, and the stream is begun anew."""
    market.quote("99", "101")
    async with followed(channel, silence_seconds=0.2) as board:
        await eventually(lambda: fresh(board))
        market.dumb = True
        await eventually(lambda: not fresh(board))
        market.dumb = False
        await eventually(lambda: fresh(board))


async def test_the_last_trade_of_a_time(market: FakePublicMarket, channel: Channel) -> None:
    """Both bounds belong to it, to the nanosecond."""
    market.trades = [trade("10", "1", 1_500), trade("11", "1", 2_400), trade("12", "1", 2_401)]
    public = PublicMarket(channel)
    assert await public.last_trade(AAPL, 1_500, 2_400) == Mark(Decimal(11), 2_400)
    assert await public.last_trade(AAPL, 1_500, 2_399) == Mark(Decimal(10), 1_500)
    assert await public.last_trade(AAPL, 1_501, 2_399) is None
    assert await public.last_trade(AAPL, 0, 9_000) == Mark(Decimal(12), 2_401)


async def test_trades_that_were_taken_back_do_not_count(market: FakePublicMarket, channel: Channel) -> None:
    """Neither as the last one, however many they are, nor in the sum."""
    market.trades = [trade(str(10 + number), "1", number * 1_000) for number in range(40)]
    for canceled in market.trades[5:]:
        canceled.canceled = True
    public = PublicMarket(channel)
    assert await public.last_trade(AAPL, 0, 90_000) == Mark(Decimal(14), 4_000)
    assert await public.last_trade(AAPL, 5_000, 90_000) is None
    assert await public.traded(AAPL, 3_000, 90_000) == Traded(Decimal(13 + 14), Decimal(2), 2, 3_000, 90_000)


async def test_what_was_traded_is_summed_over_all_pages(market: FakePublicMarket, channel: Channel) -> None:
    """Exactly the trades of the time."""
    market.trades = [trade(str(10 + number), "2", number * 1_000) for number in range(10)]
    market.largest_page = 3
    assert await PublicMarket(channel).traded(AAPL, 2_000, 7_000) == Traded(
        Decimal(2 * (12 + 13 + 14 + 15 + 16 + 17)), Decimal(12), 6, 2_000, 7_000
    )


async def test_many_trades_are_summed_up_from_candles(market: FakePublicMarket, channel: Channel) -> None:
    """Beyond the bound the candles that the time touches; the multiplier is taken out of their turnover."""
    market.instruments[AAPL].contract_multiplier = "50"
    market.trades = [trade("10", "1", HOUR + number) for number in range(MOST_TRADES + 6)]
    one_second = candle_pb2.CANDLE_INTERVAL_1S
    market.candles = [
        candle(one_second, HOUR - SECOND, volume="9", turnover="9", count=9),
        candle(one_second, HOUR, volume="3", turnover="1500", count=2),
        candle(one_second, HOUR + SECOND, volume="1", turnover="600", count=1),
    ]
    begin, end = HOUR + 5, HOUR + SECOND
    assert await PublicMarket(channel).traded(AAPL, begin, end) == Traded(
        Decimal(42), Decimal(4), 3, HOUR, HOUR + 2 * SECOND
    )


async def test_what_is_not_kept_as_trades_is_looked_for_in_longer_candles(
    market: FakePublicMarket, channel: Channel
) -> None:
    """The shortest that are there and not too many; nothing when there are none at all."""
    public = PublicMarket(channel)
    assert await public.traded(AAPL, HOUR, HOUR + SECOND) is None
    market.candles = [candle(candle_pb2.CANDLE_INTERVAL_1M, HOUR, volume="2", turnover="30", count=2)]
    told = await public.traded(AAPL, HOUR, HOUR + SECOND)
    assert told == Traded(Decimal(30), Decimal(2), 2, HOUR, HOUR + 60 * SECOND)
    assert told.average == 15
    market.candles = [candle(candle_pb2.CANDLE_INTERVAL_1H, HOUR, volume="2", turnover="30", count=2)]
    long = await public.traded(AAPL, 0, 5_000 * 60 * SECOND)
    assert long is not None
    assert long.begin_ns == 0


async def test_what_prices_mean_is_asked_once(market: FakePublicMarket, channel: Channel) -> None:
    """Terms never change: they are told while MarketDataService is away, too; unknown ones fail."""
    public = PublicMarket(channel)
    assert (await public.contract(AAPL)).currency == "USD"
    market.down = True
    assert (await public.contract(AAPL)).multiplier == 1
    with pytest.raises(CodedError):
        await public.contract("MSFT.XNAS")
    with pytest.raises(CodedError):
        await public.traded(AAPL, 0, 1)
