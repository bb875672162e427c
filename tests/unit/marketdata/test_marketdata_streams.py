"""Streams: what readers get, slow ones too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from ordermesh.marketdata.v1 import book_access_pb2, candle_access_pb2, market_data_service_pb2, market_trade_access_pb2
from ordermesh.type.v1 import stream_pb2
from services.kernel.instrument import InstrumentId
from services.marketdata.domain.book import BookView, Level, apply_changes
from services.marketdata.domain.candle import SECOND_NS, Interval
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.servicer.broadcasts import Broadcasts
from services.marketdata.servicer.conflated import Subscription, market_stream
from services.mesh.draining import Draining
from services.mesh.streams import Frames
from tests.fakes.clock import FakeClock
from tests.fakes.market_feed import HandFeed

APPLE, BITCOIN = "AAPL.XNAS", "BTC-USDT.BINANCE"


class World:
    """Broadcasts on a feed that a test moves by hand."""

    def __init__(self, most_waiting_trades: int = 100) -> None:
        self.feed = HandFeed()
        self.feed.open()
        self.epochs = Epochs({"e-1": 1})
        self.broadcasts = Broadcasts(self.feed.hub, self.epochs, most_waiting_trades)
        self.feed.turn()
        self.draining = Draining()

    def stream(
        self,
        response: type[Any],
        subscribe: Callable[[], Subscription[Any]],
        seconds: float = 30,
        conflation_seconds: float = 0.0,
    ) -> Stream:
        """Returns a reader's stream."""
        frames = Frames(response, FakeClock())
        return Stream(response, market_stream(frames, self.draining, seconds, subscribe, conflation_seconds))

    def quotes(self, *names: str, seconds: float = 30, conflation_seconds: float = 0.0) -> Stream:
        """Returns a stream of quotes."""
        wanted = list(names) or None
        response = market_data_service_pb2.StreamQuotesResponse
        return self.stream(response, lambda: self.broadcasts.quotes.subscribe(wanted), seconds, conflation_seconds)

    def books(self, depth: int, *names: str) -> Stream:
        """Returns a stream of books."""
        markets = [self.feed.hub.markets[name] for name in names]
        response = book_access_pb2.StreamOrderBookResponse
        return self.stream(response, lambda: self.broadcasts.books.subscribe(markets, depth))

    def trades(self, *names: str, recent: int = 0) -> Stream:
        """Returns a stream of trades."""
        markets = [self.feed.hub.markets[name] for name in names]
        response = market_trade_access_pb2.StreamTradesResponse
        wanted = list(names) or None
        return self.stream(response, lambda: self.broadcasts.trades.subscribe(wanted, markets, recent))

    def candles(self, interval: Interval, *names: str) -> Stream:
        """Returns a stream of candles."""
        response = candle_access_pb2.StreamCandlesResponse
        return self.stream(response, lambda: self.broadcasts.candles.subscribe(interval, list(names) or None))


class Stream:
    """A reader that takes messages when the test says so."""

    def __init__(self, response: type[Any], messages: AsyncIterator[Any]) -> None:
        self._response, self._messages = response, messages
        self.raw: list[Any] = []

    async def next(self) -> Any:
        """Returns the next message."""
        async with asyncio.timeout(5):
            raw = await anext(self._messages)
        self.raw.append(raw)
        return self._response.FromString(raw) if isinstance(raw, bytes) else raw

    async def begin(self) -> list[Any]:
        """Reads to the end of the snapshot; returns the messages of the snapshot itself."""
        first = await self.next()
        assert first.WhichOneof("item") == "subscribed"
        assert (await self.next()).WhichOneof("item") == "snapshot_begin"
        parts = []
        while (message := await self.next()).WhichOneof("item") == "snapshot":
            parts.append(message.snapshot)
        assert message.WhichOneof("item") == "snapshot_end"
        return parts


@pytest.fixture
def world() -> World:
    """Markets that were told, empty."""
    return World()


async def test_a_quote_stream_begins_with_the_newest_of_each_instrument(world: World) -> None:
    """The snapshot holds one quote for each instrument asked for; changes of others are not sent."""
    world.feed.level(APPLE, 18_720, 5)
    world.feed.turn()
    stream = world.quotes(APPLE)
    (snapshot,) = await stream.begin()
    assert [(quote.instrument, quote.bid_price) for quote in snapshot.quotes] == [(APPLE, "187.2")]
    world.feed.level(BITCOIN, 5, 5)
    world.feed.level(APPLE, 18_721, 7)
    world.feed.turn()
    (quote,) = (await stream.next()).update.quotes
    assert (quote.instrument, quote.bid_price, quote.bid_quantity, quote.folded) == (APPLE, "187.21", "7", 0)


async def test_a_slow_reader_gets_the_newest_quote_and_how_many_were_folded(world: World) -> None:
    """What a reader did not take is replaced by what is newer, key by key, and counted."""
    stream = world.quotes()
    await stream.begin()
    for bid in range(1, 6):
        world.feed.level(APPLE, bid, 1)
        world.feed.turn()
    world.feed.level(BITCOIN, 3, 100_000)
    world.feed.turn()
    quotes = {quote.instrument: quote for quote in (await stream.next()).update.quotes}
    assert (quotes[APPLE].bid_price, quotes[APPLE].folded) == ("0.05", 4)
    assert (quotes[BITCOIN].bid_quantity, quotes[BITCOIN].folded) == ("1", 0)


async def test_a_reader_may_ask_for_fewer_updates(world: World) -> None:
    """With a conflation interval, what changes within it comes as one update, folded."""
    stream = world.quotes(APPLE, conflation_seconds=0.2)
    await stream.begin()
    world.feed.level(APPLE, 1, 1)
    world.feed.turn()
    (first,) = (await stream.next()).update.quotes
    waiting = asyncio.create_task(stream.next())
    for bid in range(2, 6):
        world.feed.level(APPLE, bid, 1)
        world.feed.turn()
        await asyncio.sleep(0)
    (second,) = (await waiting).update.quotes
    assert (first.bid_price, first.folded) == ("0.01", 0)
    assert (second.bid_price, second.folded) == ("0.05", 3)


async def test_a_reader_that_stands_still_does_not_slow_another(world: World) -> None:
    """One reader takes every quote as it comes while another takes none; the second costs one entry, not a queue."""
    fast, stalled = world.quotes(APPLE), world.quotes(APPLE)
    await fast.begin()
    await stalled.begin()
    for bid in range(1, 501):
        world.feed.level(APPLE, bid, 1)
        world.feed.turn()
        (quote,) = (await fast.next()).update.quotes
        assert (quote.sequence, quote.folded) == (bid + 1, 0)
    (late,) = (await stalled.next()).update.quotes
    assert (late.sequence, late.folded) == (501, 499)


async def test_readers_in_step_share_one_encoding(world: World) -> None:
    """Two readers of the same change get the very same bytes; so do two that are behind by as much."""
    readers = [world.quotes(), world.quotes()]
    for reader in readers:
        await reader.begin()
    for rounds in (1, 3):
        for _ in range(rounds):
            world.feed.trade(APPLE, 100 + rounds)
            world.feed.turn()
        for reader in readers:
            await reader.next()
        assert readers[0].raw[-1] is readers[1].raw[-1]


async def test_book_changes_lead_from_the_snapshot_to_the_book(world: World) -> None:
    """Applied one by one, each on the sequence it names, the changes give the best levels as they are."""
    for price in range(100, 110):
        world.feed.level(APPLE, price, 1)
    world.feed.turn()
    stream = world.books(3, APPLE)
    (snapshot,) = await stream.begin()
    view, sequence = levels(snapshot.books[0]), snapshot.books[0].sequence
    steps = [(109, 0), (108, 0), (111, 4), (50, 1), (107, 9), (111, 0), (110, 2)]
    for price, quantity in steps:
        world.feed.level(APPLE, price, quantity)
        world.feed.turn()
        if price == 50:
            continue
        (change,) = (await stream.next()).update.changes
        assert (change.previous_sequence, change.whole) == (sequence, False)
        view, sequence = apply_changes(view, levels(change)), change.sequence
        assert view == world.feed.hub.markets[APPLE].book.top(3)
    assert sequence == world.feed.hub.markets[APPLE].sequence


async def test_a_slow_reader_of_books_gets_them_whole(world: World) -> None:
    """After folded updates the message holds all levels, says so, and counts."""
    stream = world.books(5, APPLE)
    await stream.begin()
    for price in (10, 11, 12):
        world.feed.level(APPLE, price, 1)
        world.feed.turn()
    (change,) = (await stream.next()).update.changes
    assert (change.whole, change.folded, change.previous_sequence) == (True, 2, 0)
    assert [level.price for level in change.bids] == ["0.12", "0.11", "0.1"]


async def test_a_book_of_a_new_epoch_comes_whole(world: World) -> None:
    """When the venue began anew the levels replace what the reader has, under the new epoch."""
    world.feed.level(APPLE, 10, 1)
    world.feed.turn()
    stream = world.books(5, APPLE)
    await stream.begin()
    world.feed.hub.opened("e-2", 2)
    world.feed.snapshot(APPLE, 1, bids=(Level(7, 1, 1),))
    world.feed.turn()
    (change,) = (await stream.next()).update.changes
    assert (change.whole, change.epoch, change.folded) == (True, "e-2", 0)
    assert [level.price for level in change.bids] == ["0.07"]


async def test_a_reader_that_comes_while_nobody_reads_gets_the_book_of_now(world: World) -> None:
    """A book that nobody read for a while is told as it is, not as it was when the last reader left."""
    first = world.books(5, APPLE)
    await first.begin()
    await first._messages.aclose()  # type: ignore[attr-defined]  # it is a generator
    world.feed.level(APPLE, 10, 1)
    world.feed.turn()
    (snapshot,) = await world.books(5, APPLE).begin()
    assert [level.price for level in snapshot.books[0].bids] == ["0.1"]


async def test_a_trade_stream_begins_with_recent_trades_and_has_every_later_one_once(world: World) -> None:
    """Snapshot and live part join: the last two before, then all that come."""
    for price in (1, 2, 3):
        world.feed.trade(APPLE, price)
    world.feed.turn()
    stream = world.trades(APPLE, recent=2)
    (snapshot,) = await stream.begin()
    assert [trade.price for trade in snapshot.trades] == ["0.02", "0.03"]
    world.feed.trade(APPLE, 4)
    world.feed.turn()
    world.feed.trade(BITCOIN, 9)
    world.feed.trade(APPLE, 5)
    world.feed.turn()
    update = (await stream.next()).update
    assert [(trade.price, trade.epoch) for trade in update.trades] == [("0.04", "e-1"), ("0.05", "e-1")]


async def test_a_reader_of_trades_that_is_too_slow_is_ended() -> None:
    """Trades are never folded: what was kept is sent, then the stream says why it ends."""
    world = World(most_waiting_trades=3)
    stream = world.trades()
    await stream.begin()
    for price in range(1, 6):
        world.feed.trade(APPLE, price)
        world.feed.turn()
    assert [trade.price for trade in (await stream.next()).update.trades] == ["0.01", "0.02", "0.03"]
    last = await stream.next()
    assert last.going_away.reason == stream_pb2.GOING_AWAY_REASON_SLOW_READER
    with pytest.raises(StopAsyncIteration):
        await stream.next()


async def test_readers_of_a_market_whose_feed_has_missed_trades_are_ended() -> None:
    """Those of others go on, and so do all when nothing was missed: what was known is told again."""
    world = World()
    world.feed.trade(APPLE, 5)
    world.feed.turn()
    apple, bitcoin = world.trades(APPLE), world.trades(BITCOIN)
    for stream in (apple, bitcoin):
        await stream.begin()
    world.feed.snapshot(APPLE, sequence=9, last_trade_id=1)
    world.feed.trade(APPLE, 6)
    world.feed.turn()
    assert [trade.price for trade in (await apple.next()).update.trades] == ["0.06"]
    world.feed.snapshot(APPLE, sequence=20, last_trade_id=7)
    world.feed.trade(APPLE, 8)
    world.feed.trade(BITCOIN, 8)
    world.feed.turn()
    assert (await apple.next()).going_away.reason == stream_pb2.GOING_AWAY_REASON_INTERRUPTED
    with pytest.raises(StopAsyncIteration):
        await apple.next()
    assert len((await bitcoin.next()).update.trades) == 1


@pytest.mark.parametrize("traded", [True, False])
async def test_readers_of_a_new_instrument_miss_no_trade_before_its_feed(traded: bool) -> None:
    """What was traded before the venue first told of it is in its first word alone: they are ended, to read it."""
    world = World()
    terms = replace(world.feed.hub.markets[APPLE].instrument.terms, name=InstrumentId("NEW", "XTST"))
    name = world.feed.hub.add(Instrument(terms, 99, TradingStatus.TRADING, 1, datetime(2026, 1, 1, tzinfo=UTC))).name
    stream = world.trades(name)
    await stream.begin()
    world.feed.snapshot(name, sequence=3, last_trade_id=int(traded))
    world.feed.trade(name, 6)
    world.feed.turn()
    first = await stream.next()
    assert first.going_away.reason == (stream_pb2.GOING_AWAY_REASON_INTERRUPTED if traded else 0)
    assert [trade.price for trade in first.update.trades] == ([] if traded else ["0.06"])


async def test_a_candle_stream_tells_the_open_candle_and_the_one_it_replaces(world: World) -> None:
    """The open candle grows; when the next begins, the one before comes first, complete."""
    world.feed.trade(APPLE, 100, 2)
    world.feed.turn()
    stream = world.candles(Interval.SECOND, APPLE)
    (snapshot,) = await stream.begin()
    assert [(candle.close_price, candle.complete) for candle in snapshot.candles] == [("1", False)]
    world.feed.trade(APPLE, 110, 1, at_ns=SECOND_NS // 2)
    world.feed.turn()
    (candle,) = (await stream.next()).update.candles
    assert (candle.open_price, candle.high_price, candle.volume, candle.turnover) == ("1", "1.1", "3", "3.1")
    world.feed.trade(APPLE, 90, 1, at_ns=SECOND_NS)
    world.feed.time(SECOND_NS)
    world.feed.turn()
    before, newest = (await stream.next()).update.candles
    assert (before.close_price, before.complete, before.trade_count) == ("1.1", True, 2)
    assert (newest.open_price, newest.complete, newest.folded) == ("0.9", False, 0)


async def test_a_slow_reader_of_candles_gets_the_newest_and_the_one_before(world: World) -> None:
    """Folded updates are counted, and the candle before comes along, complete."""
    stream = world.candles(Interval.SECOND, APPLE)
    await stream.begin()
    for second in range(3):
        world.feed.trade(APPLE, 100 + second, at_ns=second * SECOND_NS)
        world.feed.time(second * SECOND_NS)
        world.feed.turn()
    before, newest = (await stream.next()).update.candles
    assert (before.close_price, before.complete) == ("1.01", True)
    assert (newest.close_price, newest.folded) == ("1.02", 2)


async def test_a_silent_stream_sends_heartbeats(world: World) -> None:
    """When nothing changes for the interval a heartbeat comes, and another after the next."""
    stream = world.quotes(APPLE, seconds=0.01)
    await stream.begin()
    for _ in range(3):
        assert (await stream.next()).WhichOneof("item") == "heartbeat"
    world.feed.trade(APPLE, 1)
    world.feed.turn()
    assert (await stream.next()).WhichOneof("item") == "update"
    assert (await stream.next()).WhichOneof("item") == "heartbeat"


async def test_a_draining_server_says_goodbye(world: World) -> None:
    """What waits is sent, then the stream says that the server drains, and ends."""
    stream = world.quotes(APPLE)
    await stream.begin()
    world.feed.trade(APPLE, 1)
    world.feed.turn()
    world.draining.begin()
    assert (await stream.next()).WhichOneof("item") == "update"
    assert (await stream.next()).going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
    with pytest.raises(StopAsyncIteration):
        await stream.next()


def levels(message: Any) -> BookView:
    """The levels of a message, prices in hundredths."""
    bids, asks = (
        tuple(Level(round(float(level.price) * 100), int(level.quantity), level.order_count) for level in side)
        for side in (message.bids, message.asks)
    )
    return BookView(bids, asks)
