"""OrderService's log over a real Postgres and Redis: what ReadEvents and the bus tell."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import redis.asyncio

from ordermesh.event.v1 import event_log_service_pb2, event_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED
from tests.fakes.order_world import Client
from tests.fixtures.waiting import eventually


async def test_the_log_and_the_bus_tell_the_same(client: Client, redis_url: str) -> None:
    """Each topic is a chain without a gap, equal on Redis and in ReadEvents, with the sequence as the entry's id."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    read = await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest())
    assert {event.epoch for event in read.events} == {read.epoch}
    connection: Any = redis.asyncio.Redis.from_url(redis_url)
    async with connection as bus:
        for topic in ("order.placed", "order.executed", "trade.executed"):
            number = event_pb2.Topic.Value(f"TOPIC_{topic.upper().replace('.', '_')}")
            of_topic = [event for event in read.events if event.topic == number]
            previous = 0
            for event in of_topic:
                assert event.previous_sequence == previous
                previous = event.sequence
            key = f"{{ordermesh:0}}:{topic}"
            entries = await until_there(partial(bus.xrange, key), len(of_topic))
            assert [entry_id.decode() for entry_id, _ in entries] == [f"{event.sequence}-0" for event in of_topic]
            assert [event_pb2.Event.FromString(fields[b"event"]) for _, fields in entries] == of_topic
    trades = [event for event in read.events if event.HasField("trade")]
    assert trades[-1].trade.order_id == placed.order_id


async def until_there(read: Callable[[], Awaitable[Any]], count: int) -> Any:
    """Returns the entries of a stream, once there are so many."""
    return await eventually(read, lambda entries: len(entries) == count)


async def test_events_can_be_read_by_topic_and_from_a_sequence(client: Client) -> None:
    """A page holds at most what was asked for, and the next begins after its last sequence."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    everything = (await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest())).events
    trades = await client.events.ReadEvents(
        event_log_service_pb2.ReadEventsRequest(topics=[event_pb2.TOPIC_TRADE_EXECUTED])
    )
    assert list(trades.events) == [event for event in everything if event.topic == event_pb2.TOPIC_TRADE_EXECUTED]
    found: list[event_pb2.Event] = []
    while True:
        after = found[-1].sequence if found else 0
        wanted = event_log_service_pb2.ReadEventsRequest(after_sequence=after, limit=2)
        page = await client.events.ReadEvents(wanted)
        if not page.events:
            break
        found += page.events
    assert found == list(everything)
