"""Publishes committed events to Redis Streams, each exactly once, and never in the way of the order path.

The entry id of an event is its sequence, and Redis refuses an id that is not above the stream's last. So publishing
again is harmless, and the last id is the cursor: the relay reads it on every connection and goes on from the log. While
Redis is away nothing is queued beyond a bound; what was missed comes from the log later.

A marker key, one per relay, holds the log's epoch. When it is gone (a flushed Redis) or another (a new log), the
streams are made anew from the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.bus.backoff import Backoff
from services.bus.connection import ANSWER_SECONDS
from services.bus.topics import entry_id, sequence_of, stream_key
from services.kernel.drain import Pace, Wakeup
from services.kernel.errors import CodedError, ErrorKind

MARKER: Final = "relay"
"""Part of the key of the marker, before the first of the relay's topics."""

_log = structlog.stdlib.get_logger(__name__)
_ADD_ALL: Final = """
local marker, reached = KEYS[#KEYS - 1], KEYS[#KEYS]
if redis.call('EXISTS', marker) == 0 then
  return 0
end
for i = 3, #ARGV, 3 do
  local key = KEYS[tonumber(ARGV[i])]
  local answer = redis.pcall('XADD', key, 'MAXLEN', '~', ARGV[1], ARGV[i + 1], 'event', ARGV[i + 2])
  if type(answer) == 'table' and answer.err and not string.find(answer.err, 'equal or smaller', 1, true) then
    return redis.error_reply(answer.err)
  end
end
redis.call('SET', reached, ARGV[2])
return 1
"""
"""Adds many entries in one step: a command for each costs more than everything else that is done for it.

An entry that is there already is passed over. What was reached is kept beside the streams, because the last ids of
topics in which little happens say little.
"""


@dataclass(frozen=True, slots=True)
class Published:
    """A committed event on its way to the bus.

    Attributes:
        topic: Name of the topic, such as `order.placed`.
        sequence: Its place in the log.
        payload: Serialised `ordermesh.event.v1.Event`.
    """

    topic: str
    sequence: int
    payload: bytes


class CommittedLog(Protocol):
    """The log that the relay publishes, as its owner reads it."""

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Published]:
        """Returns about `limit` committed events after a sequence, by sequence; none when there are no more.

        Events of one sequence in several topics come in one answer.
        """
        ...

    async def last_sequence(self) -> int:
        """Returns the last committed sequence."""
        ...

    async def epoch(self) -> str:
        """Returns the incarnation of the log."""
        ...


@dataclass(frozen=True, slots=True)
class RelayOptions:
    """How much is published at once, kept in Redis, and held in memory; the least time between two publications."""

    most_per_batch: int = 1_000
    most_kept: int = 100_000
    most_waiting: int = 50_000
    interval_seconds: float = 0.0


class Relay:
    """Publishes the topics of one shard. `publish` is for the commit path and returns at once; `run` does the work."""

    def __init__(
        self,
        redis: Redis,
        log: CommittedLog,
        topics: Iterable[str],
        *,
        shard: int = 0,
        options: RelayOptions | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self._redis, self._log, self._options = redis, log, options or RelayOptions()
        self._keys = {topic: stream_key(shard, topic) for topic in topics}
        self._marker = stream_key(shard, f"{MARKER}:{min(self._keys)}")
        self._reached = f"{self._marker}:reached"
        self._numbers = {topic: number for number, topic in enumerate(self._keys, 1)}
        self._script_keys = [*self._keys.values(), self._marker, self._reached]
        self._add_all = redis.register_script(_ADD_ALL)
        self._backoff = backoff or Backoff()
        self._waiting: list[Published] = []
        self._wakeup = Wakeup()
        self._behind = True
        self.connected = False
        self.published = 0

    def publish(self, events: Sequence[Published]) -> None:
        """Takes note of events just committed, by sequence.

        When too many wait they are forgotten here, and read from the log later.
        """
        if len(self._waiting) + len(events) > self._options.most_waiting:
            self._waiting.clear()
            self._behind = True
        if not self._behind:
            self._waiting.extend(events)
        self._wakeup.call()

    async def run(self) -> None:
        """Publishes for ever; a Redis or a store that is away is tried again and again."""
        while True:
            try:
                await self._session()
            except (RedisError, OSError) as error:
                if self.connected:
                    _log.warning("the bus is away; events wait in the log", error=str(error))
                self.connected = False
            except CodedError as error:
                if error.kind is not ErrorKind.UNAVAILABLE:
                    raise
                _log.warning("the log cannot be read; publishing later", error=str(error))
            self._behind = True
            self._waiting.clear()
            await self._backoff.wait()

    async def _session(self) -> None:
        await self._catch_up()
        pace = Pace(self._options.interval_seconds)
        while True:
            await self._wakeup.wait()
            while self._behind or self._waiting:
                await pace.turn()
                if self._behind:
                    await self._catch_up()
                else:
                    await self._publish_waiting()

    async def _publish_waiting(self) -> None:
        most = self._options.most_per_batch
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        if not await self._add(batch):
            self._behind = True
            self._waiting.clear()

    async def _catch_up(self) -> None:
        """Publishes from the log what Redis lacks, then takes events as they are committed."""
        epoch = await self._log.epoch()
        async with asyncio.timeout(ANSWER_SECONDS):
            if await self._redis.get(self._marker) != epoch.encode():
                await self._begin_anew(epoch)
        if not self.connected:
            _log.info("the bus is there")
        self.connected = True
        self._backoff.reset()
        reached = await self._last_ids()
        # Events committed from here on wait in memory; the log is read until it has nothing more.
        self._waiting.clear()
        self._behind = False
        passed = int(await self._redis.get(self._reached) or 0)
        after = max(passed, min(reached.values()), await self._log.last_sequence() - self._options.most_kept, 0)
        while not self._behind:
            events = await self._log.read_after(after, self._options.most_per_batch, list(self._keys))
            if not events:
                return
            after = events[-1].sequence
            missing = [event for event in events if event.sequence > reached[event.topic]]
            if missing and not await self._add(missing):
                self._behind = True

    async def _begin_anew(self, epoch: str) -> None:
        _log.info("the bus is empty or holds another log; its streams are made anew from this one")
        await self._redis.delete(*self._keys.values(), self._reached)
        await self._redis.set(self._marker, epoch)

    async def _last_ids(self) -> dict[str, int]:
        async with self._redis.pipeline(transaction=False) as pipeline:
            for key in self._keys.values():
                await pipeline.xrevrange(key, count=1)
            async with asyncio.timeout(ANSWER_SECONDS):
                answers = await pipeline.execute()
        return {t: sequence_of(rows[0][0]) if rows else 0 for t, rows in zip(self._keys, answers, strict=True)}

    async def _add(self, events: Sequence[Published]) -> bool:
        """Adds events, in one step; returns False when the marker is gone: Redis was flushed, and nothing was added."""
        # The last sequence may have events in further topics, which come in the next batch.
        arguments: list[str | bytes | int] = [self._options.most_kept, events[-1].sequence - 1]
        for event in events:
            arguments += (self._numbers[event.topic], entry_id(event.sequence), event.payload)
        async with asyncio.timeout(ANSWER_SECONDS):
            marked = await self._add_all(keys=self._script_keys, args=arguments)
        if marked:
            self.published += len(events)
        return bool(marked)
