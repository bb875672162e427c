"""Reads topics of the bus after a cursor, complete and in order, whatever happens to Redis.

Every event names the one before it in its topic. Where that is not the last that was read (a trimmed or flushed stream,
or one that lags), the gap is filled from the owner's log. While Redis is away the log is polled instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ordermesh.event.v1 import event_pb2
from services.bus.backoff import Backoff
from services.bus.connection import ANSWER_SECONDS
from services.bus.topics import FIELD, NAME_OF_TOPIC, entry_id, stream_key
from services.kernel.errors import CodedError

Event = event_pb2.Event

_log = structlog.stdlib.get_logger(__name__)


class EventSource(Protocol):
    """The owner's log, over RPC."""

    async def read_events(self, after_sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Event]:
        """Returns about `limit` committed events of some topics after a sequence, by sequence; none when no more.

        Events of one sequence in several topics come in one answer.

        Raises:
            CodedError: The owner does not answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class ConsumerOptions:
    """How much is read at once, and how long to wait for something to read."""

    most_per_batch: int = 500
    block_milliseconds: int = 1_000
    poll_seconds: float = 0.25


Answer = Sequence[tuple[bytes, Sequence[tuple[bytes, Mapping[bytes, bytes]]]]]
"""What XREAD answers: the entries of each stream that has some."""


class Consumer:
    """Reads some topics of a shard for one consumer."""

    def __init__(
        self,
        redis: Redis,
        source: EventSource,
        topics: Iterable[str],
        cursors: Mapping[str, int],
        *,
        shard: int = 0,
        options: ConsumerOptions | None = None,
    ) -> None:
        self._redis, self._source = redis, source
        self._topic_of_key = {stream_key(shard, topic).encode(): topic for topic in topics}
        self._cursors = {topic: cursors.get(topic, 0) for topic in self._topic_of_key.values()}
        self._options = options or ConsumerOptions()
        self._backoff = Backoff()
        # While the bus is away: the sequence up to which the log was read for all topics.
        self._scanned: int | None = None
        self.connected = False

    @property
    def cursors(self) -> dict[str, int]:
        """The last sequence yielded per topic."""
        return dict(self._cursors)

    async def batches(self) -> AsyncIterator[list[Event]]:
        """Yields batches for ever: no event twice, none left out, each topic in its order.

        Within a batch, events are sorted by sequence; an event of one topic may still come a batch later than a
        younger one of another topic.
        """
        while True:
            try:
                batch = await self._next()
            except CodedError as error:
                _log.warning("the owner of the log does not answer", error=str(error))
                await self._backoff.wait()
                continue
            self._backoff.reset()
            if batch:
                yield batch

    async def _next(self) -> list[Event]:
        wanted: dict[Any, Any] = {key: entry_id(self._cursors[topic]) for key, topic in self._topic_of_key.items()}
        block = self._options.block_milliseconds
        try:
            async with asyncio.timeout(block / 1000 + ANSWER_SECONDS):
                answer = await self._redis.xread(wanted, count=self._options.most_per_batch, block=block)
        except (RedisError, OSError) as error:
            return await self._poll(error)
        self.connected, self._scanned = True, None
        return await self._accept(cast("Answer", answer or ()))

    async def _accept(self, answer: Answer) -> list[Event]:
        batch: list[Event] = []
        for key, entries in answer:
            topic = self._topic_of_key[key]
            events = [Event.FromString(fields[FIELD]) for _, fields in entries]
            batch += await self._without_gap(topic, events)
        return self._advance(batch)

    async def _without_gap(self, topic: str, events: Sequence[Event]) -> list[Event]:
        complete: list[Event] = []
        last = self._cursors[topic]
        for event in events:
            if event.sequence <= last:
                continue
            if event.previous_sequence > last:
                complete += await self._fill(topic, last, event.previous_sequence)
            complete.append(event)
            last = event.sequence
        return complete

    async def _fill(self, topic: str, after: int, up_to: int) -> list[Event]:
        _log.info("filling a gap from the log", topic=topic, after=after, up_to=up_to)
        filled: list[Event] = []
        while after < up_to:
            events = [
                e
                for e in await self._source.read_events(after, self._options.most_per_batch, [topic])
                if e.sequence <= up_to
            ]
            if not events:
                raise RuntimeError(f"the log lacks events of {topic} after {after} that the bus says exist")
            filled += events
            after = events[-1].sequence
        return filled

    async def _poll(self, error: Exception) -> list[Event]:
        if self._scanned is None:
            _log.warning("the bus is away; polling the log", error=str(error))
            self._scanned = min(self._cursors.values())
        self.connected = False
        events = await self._source.read_events(self._scanned, self._options.most_per_batch, list(self._cursors))
        if not events:
            await asyncio.sleep(self._options.poll_seconds)
            return []
        # Not only the cursors move on: a page may hold nothing but what another topic's cursor is far beyond.
        self._scanned = events[-1].sequence
        return self._advance([event for event in events if event.sequence > self._cursors[NAME_OF_TOPIC[event.topic]]])

    def _advance(self, batch: list[Event]) -> list[Event]:
        batch.sort(key=lambda event: event.sequence)
        for event in batch:
            self._cursors[NAME_OF_TOPIC[event.topic]] = event.sequence
        return batch
