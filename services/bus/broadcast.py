"""Topics that no log stands behind: the newest quotes and values, best effort.

What is waiting when Redis is away is conflated to the newest per key; who listens hears what is published from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Final, cast

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ordermesh.event.v1 import event_pb2
from services.bus.backoff import Backoff
from services.bus.connection import ANSWER_SECONDS
from services.bus.consumer import Answer
from services.bus.fanout import Fanout
from services.bus.topics import FIELD, entry_id, sequence_of, stream_key
from services.kernel.clock import Clock, SystemClock

MOST_KEPT: Final = 10_000
BLOCK_MILLISECONDS: Final = 1_000

_log = structlog.stdlib.get_logger(__name__)


class Broadcaster:
    """Publishes the newest event per key of one topic. `publish` returns at once; `run` does the work."""

    def __init__(
        self,
        redis: Redis,
        topic: str,
        *,
        shard: int = 0,
        clock: Clock | None = None,
        least_interval_seconds: float = 0.05,
    ) -> None:
        self._redis, self._key = redis, stream_key(shard, topic)
        self._clock = clock or SystemClock()
        self._least_interval_seconds = least_interval_seconds
        self._fanout: Fanout[str, event_pb2.Event] = Fanout()
        self._reader = self._fanout.subscribe()
        self._sequence = 0

    def publish(self, key: str, event: event_pb2.Event) -> None:
        """Makes an event the newest of its key; its sequence is set when it is sent."""
        self._fanout.publish(key, event)

    async def run(self) -> None:
        """Publishes for ever; while Redis is away, all but the newest of each key is dropped."""
        backoff = Backoff()
        while True:
            await self._reader.wait()
            events = [latest.value for latest in self._reader.take()]
            try:
                await self._send(events)
            except (RedisError, OSError) as error:
                _log.debug("the bus is away; a broadcast is dropped", error=str(error))
                await backoff.wait()
                continue
            backoff.reset()
            await asyncio.sleep(self._least_interval_seconds)

    async def _send(self, events: list[event_pb2.Event]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event in events:
                # The time, so that a new process goes on above the old one; one more when the clock does not.
                self._sequence = event.sequence = max(self._sequence + 1, self._clock.now_ns() // 1000)
                await pipeline.xadd(
                    self._key,
                    {FIELD: event.SerializeToString()},
                    id=entry_id(event.sequence),
                    maxlen=MOST_KEPT,
                    approximate=True,
                )
            async with asyncio.timeout(ANSWER_SECONDS):
                for answer in await pipeline.execute(raise_on_error=False):
                    await self._accept(answer)

    async def _accept(self, answer: object) -> None:
        if isinstance(answer, ResponseError) and "equal or smaller" in str(answer):
            # The clock stands behind the one that published last: go on above what is there.
            last = await self._redis.xrevrange(self._key, count=1)
            self._sequence = max(
                [self._sequence, *(sequence_of(row[0]) for row in cast("list[tuple[bytes, object]]", last or ()))]
            )
        elif isinstance(answer, Exception):
            raise answer


async def listen(redis: Redis, topic: str, *, shard: int = 0) -> AsyncIterator[list[event_pb2.Event]]:
    """Yields what is published on a topic from now on, in batches, for ever; nothing while Redis is away."""
    key, after, backoff = stream_key(shard, topic), "$", Backoff()
    while True:
        try:
            async with asyncio.timeout(BLOCK_MILLISECONDS / 1000 + ANSWER_SECONDS):
                answer = cast("Answer", await redis.xread({key: after}, block=BLOCK_MILLISECONDS) or ())
        except (RedisError, OSError) as error:
            _log.debug("the bus is away; hearing nothing", error=str(error))
            after = "$"
            await backoff.wait()
            continue
        backoff.reset()
        for _, entries in answer:
            after = entries[-1][0].decode()
            yield [event_pb2.Event.FromString(fields[FIELD]) for _, fields in entries]
