"""The engine's market feed: snapshot and live part join, sequences have no gaps, recovery, heartbeats."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from ordermesh.engine.v1 import (
    instrument_pb2,
    instrument_service_pb2,
    instrument_service_pb2_grpc,
    market_feed_pb2,
    market_feed_service_pb2,
    market_feed_service_pb2_grpc,
    order_pb2,
)
from tests.fixtures.engine import BUY, SELL, Engine, Trader, define, new_order, order_id

Levels = dict[tuple[int, int], tuple[int, int]]


class Reader:
    """A reader that keeps a book from the feed, and checks that nothing is missing."""

    def __init__(self, channel: grpc.aio.Channel, instrument: int, after: int = 0, **fields: Any) -> None:
        subscription = market_feed_service_pb2.InstrumentSubscription(
            instrument_id=instrument, after_feed_sequence=after
        )
        request = market_feed_service_pb2.SubscribeRequest(subscriptions=[subscription], **fields)
        self.call = market_feed_service_pb2_grpc.MarketFeedServiceStub(channel).Subscribe(request)
        self.sequence = after
        self.levels: Levels = {}
        self.trades: list[int] = []
        self.snapshots = 0
        self.epoch = ""

    async def next(self) -> market_feed_service_pb2.SubscribeResponse:
        """Reads and takes in the next message."""
        async with asyncio.timeout(30):
            message = await self.call.read()
        assert isinstance(message, market_feed_service_pb2.SubscribeResponse)
        self.epoch = message.subscribed.epoch or self.epoch
        if message.HasField("snapshot"):
            self._take_snapshot(message.snapshot)
        for event in message.update.events:
            assert event.feed_sequence == self.sequence + 1
            self.sequence = event.feed_sequence
            self._take_event(event)
        return message

    async def until(self, sequence: int) -> None:
        """Reads until that event has come."""
        while self.sequence < sequence:
            await self.next()

    def _take_snapshot(self, snapshot: market_feed_pb2.FeedSnapshot) -> None:
        self.snapshots += snapshot.complete
        self.sequence = snapshot.feed_sequence
        for side, levels in ((BUY, snapshot.bids), (SELL, snapshot.asks)):
            for level in levels:
                self.levels[side, level.price_ticks] = (level.quantity_lots, level.order_count)

    def _take_event(self, event: market_feed_pb2.FeedEvent) -> None:
        if event.HasField("trade"):
            self.trades.append(event.trade.trade_id)
        if event.HasField("level") and event.level.quantity_lots == 0:
            del self.levels[event.level.side, event.level.price_ticks]
        elif event.HasField("level"):
            self.levels[event.level.side, event.level.price_ticks] = (
                event.level.quantity_lots,
                event.level.order_count,
            )


@pytest_asyncio.fixture
async def engine(tmp_path: Path) -> AsyncIterator[Engine]:
    """An engine that keeps few events."""
    engine = await Engine(tmp_path, "--feed-events-kept=200", "--feed-events-waiting=50000").start()
    yield engine
    assert await engine.stop() == 0


@pytest_asyncio.fixture
async def channel(engine: Engine) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the engine, which has two instruments."""
    async with engine.channel() as channel:
        await define(channel, 1, 2)
        yield channel


BATCH = 8000


def move(sequence: int, order: int) -> order_pb2.Command:
    """Returns a command that moves an order to another price: two events, and one level in the end."""
    replace = order_pb2.ReplaceOrder(
        order_id=order_id(order), price_ticks=100 + (sequence - 1) // BATCH, quantity_lots=1
    )
    return order_pb2.Command(command_sequence=sequence, replace_order=replace)


def random_orders(first: int, count: int) -> list[order_pb2.Command]:
    """Returns orders that trade with one another."""
    draw = random.Random(first)
    return [
        new_order(sequence, draw.choice([BUY, SELL]), draw.randrange(1, 9), draw.randrange(90, 111))
        for sequence in range(first, first + count)
    ]


async def last_sequence(channel: grpc.aio.Channel, instrument: int = 1) -> int:
    """Asks how far an instrument's feed is."""
    stub = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
    listed = await stub.ListInstruments(instrument_service_pb2.ListInstrumentsRequest())
    return next(each.feed_sequence for each in listed.instruments if each.instrument.instrument_id == instrument)


async def test_readers_that_join_at_any_time_see_the_same_book(channel: grpc.aio.Channel) -> None:
    """Snapshot and live events join without gap or overlap while orders keep coming."""
    trader = await Trader(channel, "one").open()
    readers: list[Reader] = []
    for first in range(1, 2001, 100):
        readers.append(Reader(channel, 1))
        await trader.send(*random_orders(first, 100))
    await trader.stream.done_writing()
    assert (await trader.error())[0] == grpc.StatusCode.OK
    last = await last_sequence(channel)
    for reader in readers:
        await reader.until(last)
        assert reader.sequence == last
        assert reader.levels == readers[0].levels
        assert reader.snapshots == 1


async def test_a_reader_goes_on_from_its_sequence(channel: grpc.aio.Channel) -> None:
    """Events after a sequence that are still kept are sent instead of a snapshot; older ones give a snapshot."""
    trader = await Trader(channel, "one").open()
    await trader.send(*random_orders(1, 20))
    reader = Reader(channel, 1)
    await reader.until(await last_sequence(channel))
    reader.call.cancel()
    await trader.send(*random_orders(21, 30))
    await trader.send(*random_orders(51, 30))
    await trader.stream.done_writing()
    await trader.error()
    again = Reader(channel, 1, after=reader.sequence, epoch=reader.epoch)
    again.levels = reader.levels
    last = await last_sequence(channel)
    await again.until(last)
    fresh = Reader(channel, 1)
    await fresh.until(last)
    assert (again.snapshots, fresh.snapshots) == (0, 1)
    assert again.levels == fresh.levels
    other_epoch = Reader(channel, 1, after=reader.sequence, epoch="another")
    await other_epoch.until(last)
    assert other_epoch.snapshots == 1
    pruned = Reader(channel, 2, after=1)
    await pruned.next()
    assert pruned.sequence == 1


async def test_a_sequence_that_is_no_longer_kept_gives_a_snapshot(channel: grpc.aio.Channel) -> None:
    """A reader that was away for too long starts again from a snapshot, and is told so by it."""
    trader = await Trader(channel, "one").open()
    await trader.send(*(new_order(number, BUY, 1, number) for number in range(1, 401)))
    await trader.executions(400)
    reader = Reader(channel, 1, after=5)
    await reader.until(401)
    assert (reader.snapshots, len(reader.levels)) == (1, 400)


async def test_a_trade_is_published_once_with_its_aggressor(channel: grpc.aio.Channel) -> None:
    """The public trade carries the id of the executions, price, quantity and the incoming side."""
    trader = await Trader(channel, "one").open()
    reader = Reader(channel, 1)
    await reader.until(1)
    await trader.send(new_order(1, BUY, 5, 100), new_order(2, SELL, 3, 99))
    executions = await trader.executions(4)
    events: list[market_feed_pb2.FeedEvent] = []
    while not any(event.HasField("trade") for event in events):
        events.extend((await reader.next()).update.events)
    (trade,) = [event.trade for event in events if event.HasField("trade")]
    assert trade.trade_id == executions[-1].trade_id
    assert (trade.price_ticks, trade.quantity_lots, trade.aggressor_side) == (100, 3, SELL)


async def test_a_halt_is_on_the_feed(channel: grpc.aio.Channel) -> None:
    """Readers see a halt as an event, and a later snapshot shows it."""
    reader = Reader(channel, 1)
    await reader.until(1)
    stub = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
    await stub.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=1))
    message = await reader.next()
    assert message.update.events[0].status.status == instrument_pb2.TRADING_STATUS_HALTED
    later = Reader(channel, 1)
    await later.next()
    assert (await later.next()).snapshot.status == instrument_pb2.TRADING_STATUS_HALTED


async def test_a_quiet_feed_has_heartbeats(channel: grpc.aio.Channel) -> None:
    """Heartbeats come at the interval asked for and carry the last sequence of each instrument."""
    reader = Reader(channel, 2, heartbeat_interval_milliseconds=20)
    while not (message := await reader.next()).HasField("heartbeat"):
        continue
    (position,) = message.heartbeat.positions
    assert (position.instrument_id, position.feed_sequence) == (2, 1)


@pytest.mark.parametrize(
    ("numbers", "code"),
    [
        ([], grpc.StatusCode.INVALID_ARGUMENT),
        ([1, 1], grpc.StatusCode.INVALID_ARGUMENT),
        ([1, 9], grpc.StatusCode.NOT_FOUND),
    ],
)
async def test_a_bad_subscription_is_refused(
    channel: grpc.aio.Channel, numbers: list[int], code: grpc.StatusCode
) -> None:
    """No instrument, one named twice, an unknown one: each its own error."""
    stub = market_feed_service_pb2_grpc.MarketFeedServiceStub(channel)
    subscriptions = [market_feed_service_pb2.InstrumentSubscription(instrument_id=number) for number in numbers]
    call = stub.Subscribe(market_feed_service_pb2.SubscribeRequest(subscriptions=subscriptions))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() == code


async def test_a_stalled_reader_is_ended_and_harms_nobody(engine: Engine, channel: grpc.aio.Channel) -> None:
    """A reader that stops reading is ended with RESOURCE_EXHAUSTED; trading and other readers go on."""
    stalled = Reader(channel, 1)
    await stalled.until(1)
    reading = Reader(channel, 1)
    trader = await Trader(channel, "one").open()
    await trader.send(*(new_order(number, BUY, 1, 100) for number in range(1, BATCH + 1)))
    await trader.executions(BATCH)
    events, sequence = 1 + BATCH, BATCH + 1
    # Until what lies in buffers on the way, and what the engine keeps for a reader, is exceeded.
    while not any(event["event"] == "feed_reader_too_slow" for event in engine.events()):
        await trader.send(*(move(sequence + offset, 1 + offset) for offset in range(BATCH)))
        await trader.executions(BATCH)
        events, sequence = events + 2 * BATCH, sequence + BATCH
        await reading.until(events)
    assert (reading.sequence, len(reading.levels)) == (events, 1)
    assert await ending(stalled) == grpc.StatusCode.RESOURCE_EXHAUSTED


async def ending(reader: Reader) -> grpc.StatusCode:
    """Reads until the stream has failed."""
    try:
        while True:
            await reader.next()
    except grpc.aio.AioRpcError as error:
        return error.code()
