"""The relay and the consumer over a real Redis that is slow to come, goes away, and forgets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from ordermesh.event.v1 import event_pb2
from services.bus.backoff import Backoff
from services.bus.broadcast import Broadcaster, listen
from services.bus.connection import connect
from services.bus.consumer import Consumer, ConsumerOptions
from services.bus.relay import Relay, RelayOptions
from services.bus.topics import sequence_of, stream_key
from tests.fakes.event_log import FakeEventLog
from tests.fixtures.servers import OwnRedis
from tests.fixtures.waiting import eventually

TOPICS = ("order.placed", "order.executed")
QUICK = ConsumerOptions(most_per_batch=7, block_milliseconds=20, poll_seconds=0.005)


@pytest_asyncio.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A client of an empty Redis."""
    client = connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def log() -> FakeEventLog:
    """An empty log."""
    return FakeEventLog()


def relay_of(redis: Redis, log: FakeEventLog, **options: int) -> Relay:
    """Returns a relay that is not patient."""
    return Relay(redis, log, TOPICS, options=RelayOptions(**options), backoff=Backoff(0.005, 0.02))


@asynccontextmanager
async def running(relay: Relay) -> AsyncIterator[None]:
    """Runs a relay for the time of a block; a relay that ends by itself fails the test."""
    task = asyncio.create_task(relay.run())
    try:
        yield
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def entries(redis: Redis, topic: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """Returns what a topic's stream holds."""
    return cast("list[tuple[bytes, dict[bytes, bytes]]]", await redis.xrange(stream_key(0, topic)))


async def on_bus(redis: Redis, topic: str) -> list[int]:
    """Returns the sequences that a topic's stream holds."""
    return [sequence_of(entry) for entry, _ in await entries(redis, topic)]


async def until_on_bus(redis: Redis, log: FakeEventLog, *topics: str) -> None:
    """Waits until the bus holds all events of some topics."""

    async def all_on_bus() -> list[list[int]]:
        return [await on_bus(redis, topic) for topic in topics]

    await eventually(all_on_bus, lambda found: found == [log.of(topic) for topic in topics])


async def collect(consumer: Consumer, count: int) -> list[int]:
    """Returns the sequences of the next events."""
    got: list[int] = []
    async with asyncio.timeout(15):
        async for batch in consumer.batches():
            got += [event.sequence for event in batch]
            if len(got) >= count:
                break
    return got


async def test_committed_events_reach_the_bus_under_their_sequence(redis: Redis, log: FakeEventLog) -> None:
    """What was committed before the relay came and what is committed while it runs is there, once."""
    log.commit("order.placed", "order.executed", "order.placed")
    relay = relay_of(redis, log)
    async with running(relay):
        await until_on_bus(redis, log, *TOPICS)
        relay.publish(log.commit("order.executed", "order.placed"))
        await until_on_bus(redis, log, *TOPICS)
    [first, *_] = await entries(redis, "order.placed")
    assert first[0] == b"1-0"
    assert event_pb2.Event.FromString(first[1][b"event"]) == log.events[0]


async def test_publishing_again_changes_nothing(redis: Redis, log: FakeEventLog) -> None:
    """A second relay over the same log, or the same events told twice, leave the streams as they are."""
    told = log.commit(*TOPICS * 3)
    for _ in range(2):
        relay = relay_of(redis, log, most_per_batch=2)
        async with running(relay):
            await until_on_bus(redis, log, *TOPICS)
            relay.publish(told)
            relay.publish(log.commit(*TOPICS))
            await until_on_bus(redis, log, *TOPICS)


async def test_a_flushed_redis_is_filled_again(redis: Redis, log: FakeEventLog) -> None:
    """The next event finds the marker gone, and everything comes back from the log in order."""
    log.commit(*TOPICS * 10)
    relay = relay_of(redis, log, most_per_batch=3)
    async with running(relay):
        await until_on_bus(redis, log, *TOPICS)
        for _ in range(2):
            await redis.flushall()
            relay.publish(log.commit("order.placed"))
            await until_on_bus(redis, log, *TOPICS)


async def test_streams_of_another_log_are_made_anew(redis: Redis, log: FakeEventLog) -> None:
    """After the log began anew, old ids do not keep its events out."""
    log.commit(*TOPICS * 5)
    async with running(relay_of(redis, log)):
        await until_on_bus(redis, log, *TOPICS)
    anew = FakeEventLog("01890000-0000-7000-8000-000000000002")
    anew.commit(*TOPICS)
    async with running(relay_of(redis, anew)):
        await until_on_bus(redis, anew, *TOPICS)


async def test_a_redis_that_is_away_blocks_nobody_and_gets_all_when_it_is_back(
    own_redis: OwnRedis, log: FakeEventLog
) -> None:
    """While it is away memory is bounded; what was missed comes from the log."""
    redis = connect(own_redis.url)
    relay = relay_of(redis, log, most_waiting=5, most_per_batch=3)
    async with running(relay):
        relay.publish(log.commit(*TOPICS))
        await until_on_bus(redis, log, *TOPICS)
        await own_redis.stop()
        for _ in range(20):
            relay.publish(log.commit(*TOPICS))
            assert len(relay._waiting) <= 5
        await eventually(lambda: not relay.connected)
        for _ in range(20):
            relay.publish(log.commit(*TOPICS))
            assert len(relay._waiting) <= 5
        await own_redis.start()
        await eventually(lambda: relay.connected)
        await until_on_bus(redis, log, *TOPICS)
    await redis.aclose()


async def test_streams_are_trimmed(redis: Redis, log: FakeEventLog) -> None:
    """About as many entries are kept as asked for, also when a long log is published at once."""
    for _ in range(50):
        log.commit(*["order.placed"] * 100)
    async with running(relay_of(redis, log, most_kept=200)):
        await eventually(lambda: on_bus(redis, "order.placed"), lambda found: found[-1:] == [5000])
        assert 200 <= await redis.xlen(stream_key(0, "order.placed")) <= 400


async def test_a_consumer_reads_everything_after_its_cursor_in_order(redis: Redis, log: FakeEventLog) -> None:
    """Topics it did not ask for do not come; what its cursor covers does not come again."""
    log.commit(*TOPICS * 10, "order.canceled")
    relay = relay_of(redis, log)
    async with running(relay):
        consumer = Consumer(redis, log, TOPICS, {"order.placed": 5}, options=QUICK)
        got = await collect(consumer, 17)
        assert sorted(got) == [n for n in log.of(*TOPICS) if n > 5 or n % 2 == 0]
        assert consumer.cursors == {"order.placed": 19, "order.executed": 20}
        relay.publish(log.commit("order.placed"))
        assert await collect(consumer, 1) == [22]
    assert log.reads == 0


async def test_a_trimmed_stream_is_filled_from_the_log(redis: Redis, log: FakeEventLog) -> None:
    """What the bus no longer holds is asked for from its owner."""
    log.commit(*TOPICS * 20)
    async with running(relay_of(redis, log)):
        await until_on_bus(redis, log, *TOPICS)
        await redis.xtrim(stream_key(0, "order.placed"), maxlen=3, approximate=False)
        got = await collect(Consumer(redis, log, ["order.placed"], {}, options=QUICK), 20)
    assert got == log.of("order.placed")
    assert log.reads > 0


async def test_a_hole_in_a_stream_is_filled_from_the_log(redis: Redis, log: FakeEventLog) -> None:
    """An event missing in the middle is noticed by its successor."""
    log.commit(*["order.placed"] * 10)
    async with running(relay_of(redis, log)):
        await until_on_bus(redis, log, "order.placed")
        await redis.xdel(stream_key(0, "order.placed"), "4-0", "5-0")
        assert await collect(Consumer(redis, log, ["order.placed"], {}, options=QUICK), 10) == list(range(1, 11))


async def test_a_consumer_goes_on_while_redis_is_away(own_redis: OwnRedis, log: FakeEventLog) -> None:
    """It polls the log instead, and returns to the bus when that is back; nothing is lost or doubled."""
    redis, own = connect(own_redis.url), connect(own_redis.url)
    relay = relay_of(redis, log)
    consumer = Consumer(own, log, TOPICS, {}, options=QUICK)
    async with running(relay):
        relay.publish(log.commit(*TOPICS))
        got = await collect(consumer, 2)
        await own_redis.stop()
        relay.publish(log.commit(*TOPICS))
        got += await collect(consumer, 2)
        assert not consumer.connected
        await own_redis.start()
        await eventually(lambda: relay.connected)
        relay.publish(log.commit(*TOPICS))
        got += await collect(consumer, 2)
        relay.publish(log.commit(*TOPICS))
        got += await collect(consumer, 2)
        await eventually(lambda: consumer.connected)
    assert sorted(got) == list(range(1, 9))
    await redis.aclose()
    await own.aclose()


async def test_a_consumer_waits_for_an_owner_that_is_away(redis: Redis, log: FakeEventLog) -> None:
    """With a gap to fill and nobody to ask, nothing is skipped; once the owner answers, all comes."""
    log.commit(*["order.placed"] * 6)
    async with running(relay_of(redis, log)):
        await until_on_bus(redis, log, "order.placed")
        await redis.xdel(stream_key(0, "order.placed"), "3-0")
        log.away = True
        collecting = asyncio.create_task(collect(Consumer(redis, log, ["order.placed"], {}, options=QUICK), 6))
        await eventually(lambda: log.reads > 1)
        assert not collecting.done()
        log.away = False
        assert await collecting == list(range(1, 7))


async def test_polling_passes_a_topic_in_which_nothing_happens(own_redis: OwnRedis, log: FakeEventLog) -> None:
    """A cursor far behind, in a topic long silent, does not keep the others from moving on."""
    log.commit("order.placed", *["order.executed"] * 30)
    await own_redis.stop()
    redis = connect(own_redis.url)
    consumer = Consumer(redis, log, TOPICS, {"order.placed": 1, "order.executed": 29}, options=QUICK)
    assert await collect(consumer, 2) == [30, 31]
    log.commit("order.placed")
    assert await collect(consumer, 1) == [32]
    await redis.aclose()


async def test_the_relay_waits_for_a_store_that_is_away(redis: Redis, log: FakeEventLog) -> None:
    """A log that cannot be read is tried again; then everything is published."""
    log.commit(*TOPICS)
    log.away = True
    async with running(relay_of(redis, log)):
        await eventually(lambda: log.refused > 2)
        log.away = False
        await until_on_bus(redis, log, *TOPICS)


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_happens_to_redis_each_event_is_seen_once_in_its_topics_order(
    redis: Redis, log: FakeEventLog, seed: int
) -> None:
    """Flushes, trims, deletions and relays that start anew, at random: the consumer sees what the log holds."""
    random = Random(seed)
    relay = relay_of(redis, log, most_per_batch=5, most_waiting=20)
    consumer = Consumer(redis, log, TOPICS, {}, options=QUICK)
    got: list[int] = []

    async def consume() -> None:
        async for batch in consumer.batches():
            got.extend(event.sequence for event in batch)

    consuming = asyncio.create_task(consume())
    async with running(relay):
        for _ in range(40):
            relay.publish(log.commit(*random.choices(TOPICS, k=random.randint(1, 15))))
            match random.randint(0, 5):
                case 0:
                    await redis.flushall()
                case 1:
                    await redis.xtrim(stream_key(0, random.choice(TOPICS)), maxlen=2, approximate=False)
                case 2:
                    await redis.delete(stream_key(0, random.choice(TOPICS)))
                case 3:
                    await eventually(lambda: len(got) > len(log.events) // 2)
                case _:
                    await asyncio.sleep(0)
        relay.publish(log.commit(*TOPICS))
        await eventually(lambda: len(got) >= len(log.events))
    consuming.cancel()
    await asyncio.gather(consuming, return_exceptions=True)
    assert sorted(got) == log.of(*TOPICS)
    for topic in TOPICS:
        mine = set(log.of(topic))
        assert [sequence for sequence in got if sequence in mine] == log.of(topic)


async def test_a_broadcast_is_heard_by_who_listens(redis: Redis) -> None:
    """The newest value of each key arrives, under growing sequences; the older ones were folded."""
    broadcaster = Broadcaster(redis, "market.data.updated", least_interval_seconds=0.01)
    heard: list[event_pb2.Event] = []

    async def hear() -> None:
        async for events in listen(redis, "market.data.updated"):
            heard.extend(events)

    tasks = [asyncio.create_task(hear()), asyncio.create_task(broadcaster.run())]

    def publish(key: str) -> None:
        for epoch in ("older", f"newest of {key}"):
            broadcaster.publish(key, event_pb2.Event(topic=event_pb2.TOPIC_MARKET_DATA_UPDATED, epoch=epoch))

    def publish_until_heard() -> list[event_pb2.Event]:
        publish("first")
        return heard

    await eventually(publish_until_heard, seconds=10)
    publish("second")
    await eventually(lambda: heard[-1].epoch, lambda epoch: epoch == "newest of second", 10)
    assert "older" not in {event.epoch for event in heard}
    sequences = [event.sequence for event in heard]
    assert sequences == sorted(set(sequences))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
