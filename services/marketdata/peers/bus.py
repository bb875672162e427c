"""Topic `market.data.updated`: the newest quotes, at most so many a second for each instrument, best effort.

No log stands behind the topic. What was published while Redis was away is gone, and nobody may need it: a reader that
wants every change follows StreamQuotes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from ordermesh.event.v1 import event_pb2
from ordermesh.marketdata.v1 import quote_pb2
from services.bus.backoff import Backoff
from services.bus.topics import FIELD, NAME_OF_TOPIC, entry_id, sequence_of, stream_key
from services.kernel.clock import Clock
from services.kernel.drain import Wakeup
from services.mesh.streams import timestamp

TOPIC: Final = event_pb2.TOPIC_MARKET_DATA_UPDATED
MOST_KEPT: Final = 10_000
"""Entries that stay in Redis."""

_log = structlog.stdlib.get_logger(__name__)


class QuotePublisher:
    """Publishes quotes that changed.

    Sequences count microseconds since 1970, and up where that would not: so they grow across restarts as well.
    """

    def __init__(
        self, redis: Redis, quote: Callable[[str], quote_pb2.Quote | None], clock: Clock, seconds: float
    ) -> None:
        """Publishes nothing yet.

        Args:
            redis: The bus.
            quote: Tells the newest quote of an instrument.
            clock: Tells the time of an event.
            seconds: Least time between two quotes of one instrument.
        """
        self._redis, self._quote, self._clock, self._seconds = redis, quote, clock, seconds
        self._key = stream_key(0, NAME_OF_TOPIC[TOPIC])
        self._changed: set[str] = set()
        self._wakeup = Wakeup()
        self._sequence = 0
        self.published = 0
        self.failures = 0

    def changed(self, names: Sequence[str]) -> None:
        """Takes note that the quotes of instruments have changed."""
        if names:
            self._changed.update(names)
            self._wakeup.call()

    async def run(self) -> None:
        """Publishes for ever."""
        backoff = Backoff()
        while True:
            await self._wakeup.wait()
            names, self._changed = self._changed, set()
            try:
                await self._publish(sorted(names))
            except (RedisError, OSError) as error:
                self.failures += 1
                _log.warning("quotes were not published", error=str(error))
                await backoff.wait()
            else:
                backoff.reset()
                await asyncio.sleep(self._seconds)

    async def _publish(self, names: list[str]) -> None:
        try:
            await self._add(names)
        except ResponseError:
            # The clock was set back since another process wrote: go on above what is there.
            rows = await self._redis.xrevrange(self._key, count=1)
            last = sequence_of(rows[0][0] or b"") if rows else 0
            if last <= self._sequence:
                raise
            self._sequence = last
            await self._add(names)

    async def _add(self, names: list[str]) -> None:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for event in filter(None, map(self._event, names)):
                # Queued here, awaited as one below.
                _ = pipeline.xadd(
                    self._key,
                    {FIELD: event.SerializeToString()},
                    id=entry_id(event.sequence),
                    maxlen=MOST_KEPT,
                    approximate=True,
                )
            self.published += len(await pipeline.execute())

    def _event(self, name: str) -> event_pb2.Event | None:
        quote = self._quote(name)
        if quote is None:
            return None
        now = self._clock.now_ns()
        previous, self._sequence = self._sequence, max(self._sequence + 1, now // 1000)
        return event_pb2.Event(
            sequence=self._sequence, previous_sequence=previous, topic=TOPIC, time=timestamp(now), quote=quote
        )
