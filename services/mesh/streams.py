"""The shape that every stream to a client shares: subscribed, snapshot, updates, heartbeats, going_away.

A `Hub` hands what happens to the `Subscription` of each reader; `PrivateStream` turns one into the messages of a stream
that may lose nothing. Subscribing comes before the snapshot is taken, and what the snapshot holds already is dropped,
so that the two join without a gap or an overlap.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar
from uuid import UUID

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.type.v1 import stream_pb2
from services.kernel.clock import Clock
from services.kernel.errors import out_of_range
from services.mesh.access.life import TokenLife, current_life
from services.mesh.draining import Draining
from services.mesh.hub import MOST_PER_UPDATE, Hub, Sequenced, Subscription
from services.mesh.tokens import ResumeTokens

__all__ = [
    "Frames",
    "Hub",
    "PrivateStream",
    "Sequenced",
    "Snapshot",
    "Source",
    "Subscription",
    "authorized",
    "duration",
    "heartbeat_seconds",
    "resume_tokens",
    "timestamp",
]

LEAST_HEARTBEAT_SECONDS: Final = 1.0
MOST_HEARTBEAT_SECONDS: Final = 60.0
DEFAULT_HEARTBEAT_SECONDS: Final = 10.0
RETRY_AFTER_SECONDS: Final = 1.0


E_ = TypeVar("E_", bound=Sequenced)
M = TypeVar("M")
"""What a stream yields: a message, or a message's bytes."""


@dataclass(frozen=True, slots=True)
class Snapshot(Generic[M]):
    """State as of a sequence.

    Attributes:
        sequence: What it reflects.
        chunks: It, in messages of the stream.
        count: Entries in all chunks together.
    """

    sequence: int
    chunks: Iterable[M]
    count: int


@dataclass(frozen=True, slots=True)
class Source(Generic[E_, M]):
    """What a private stream is made of, given by the service.

    Attributes:
        hub: Where live events come from.
        accepts: Which of them this reader wants; None for all.
        snapshot: Takes the state; called after subscribing.
        read_after: Reads up to a number of committed events after a sequence that this reader wants, oldest first, and
            tells the sequence up to which it has looked.
        encode: Makes the update of some events and the token to resume after them.
        key: The key of the hub whose events this reader wants; None for all.
    """

    hub: Hub[E_]
    accepts: Callable[[E_], bool] | None
    snapshot: Callable[[], Awaitable[Snapshot[M]]]
    read_after: Callable[[int, int], Awaitable[tuple[Sequence[E_], int]]]
    encode: Callable[[Sequence[E_], str], M]
    key: Hashable | None = None


class Frames(Generic[M]):
    """Makes the shared messages of a stream whose response has them in a oneof under their usual names."""

    __slots__ = ("_clock", "_response")

    def __init__(self, response: Callable[..., M], clock: Clock) -> None:
        self._response, self._clock = response, clock

    def subscribed(self, heartbeat_seconds: float, epoch: str = "", sequence: int = 0, *, resumed: bool = False) -> M:
        """Returns the first message."""
        interval = duration(heartbeat_seconds)
        part = stream_pb2.Subscribed(epoch=epoch, sequence=sequence, heartbeat_interval=interval, resumed=resumed)
        return self._response(subscribed=part)

    def snapshot_begin(self, sequence: int = 0) -> M:
        """Returns the message before the snapshot."""
        return self._response(snapshot_begin=stream_pb2.SnapshotBegin(sequence=sequence))

    def snapshot_end(self, count: int, sequence: int = 0, resume_token: str = "") -> M:
        """Returns the message after the snapshot."""
        part = stream_pb2.SnapshotEnd(sequence=sequence, count=count, resume_token=resume_token)
        return self._response(snapshot_end=part)

    def heartbeat(self, sequence: int = 0, resume_token: str = "") -> M:
        """Returns the message of an interval in which nothing happened."""
        part = stream_pb2.Heartbeat(sequence=sequence, time=timestamp(self._clock.now_ns()), resume_token=resume_token)
        return self._response(heartbeat=part)

    def going_away(self, reason: stream_pb2.GoingAwayReason.ValueType, resume_token: str = "") -> M:
        """Returns the last message."""
        retry = duration(RETRY_AFTER_SECONDS)
        part = stream_pb2.GoingAway(reason=reason, resume_token=resume_token, retry_after=retry)
        return self._response(going_away=part)

    def token_expiring(self, ends_ns: int) -> M:
        """Returns the message before the end of the caller's token."""
        return self._response(token_expiring=stream_pb2.TokenExpiring(expires_at=timestamp(ends_ns)))


class PrivateStream(Generic[E_, M]):
    """One reader's stream that loses nothing: it is complete, or it ends with a reason and a token to go on."""

    def __init__(
        self,
        frames: Frames[M],
        source: Source[E_, M],
        tokens: ResumeTokens,
        draining: Draining,
        *,
        heartbeat_seconds: float = DEFAULT_HEARTBEAT_SECONDS,
    ) -> None:
        self._frames, self._source, self._tokens, self._draining = frames, source, tokens, draining
        self._heartbeat_seconds = heartbeat_seconds
        self._life = TokenLife()
        self._sequence = 0

    async def run(self, resume_token: str = "") -> AsyncIterator[M]:
        """Yields the messages of the stream until the server drains, or the reader is too slow, leaves or may no more.

        Raises:
            CodedError: INVALID_RESUME_TOKEN or STREAM_GAP, when the stream cannot go on from the token.
        """
        self._life = current_life()
        after = self._resume_after(resume_token)
        subscription = self._source.hub.subscribe(self._source.accepts, self._source.key)
        stop_listening = self._draining.listen(subscription.wake), self._life.listen(subscription.wake)
        try:
            async for message in self._start(after):
                yield message
            async for message in self._live(subscription):
                yield message
        finally:
            for stop in stop_listening:
                stop()
            subscription.close()

    def _resume_after(self, token: str) -> int | None:
        if not token:
            return None
        point = self._tokens.read(token)
        if point.epoch != self._tokens.epoch or point.sequence > self._source.hub.last_sequence:
            raise out_of_range("STREAM_GAP", "the log has begun anew since the token was made; subscribe without it")
        return point.sequence

    async def _start(self, after: int | None) -> AsyncIterator[M]:
        last = self._source.hub.last_sequence
        epoch = str(self._tokens.epoch)
        yield self._frames.subscribed(self._heartbeat_seconds, epoch, last, resumed=after is not None)
        if after is None:
            async for message in self._snapshot():
                yield message
        else:
            self._sequence = after
            async for message in self._catch_up(last):
                yield message

    async def _snapshot(self) -> AsyncIterator[M]:
        snapshot = await self._source.snapshot()
        self._sequence = snapshot.sequence
        yield self._frames.snapshot_begin(snapshot.sequence)
        for chunk in snapshot.chunks:
            yield chunk
        yield self._frames.snapshot_end(snapshot.count, snapshot.sequence, self._token())

    async def _catch_up(self, last: int) -> AsyncIterator[M]:
        while self._sequence < last:
            events, looked_up_to = await self._source.read_after(self._sequence, MOST_PER_UPDATE)
            if looked_up_to <= self._sequence:
                raise out_of_range("STREAM_GAP", "the log no longer holds what follows the token")
            self._sequence = looked_up_to
            if events:
                yield self._source.encode(events, self._token())

    async def _live(self, subscription: Subscription[E_]) -> AsyncIterator[M]:
        while True:
            woken = await subscription.wait(self._heartbeat_seconds)
            if self._life.due:
                # Before what waits: there may always be something.
                if self._life.over:
                    yield self._going_away(stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED)
                    return
                yield self._expiring()
            if events := self._fresh(subscription):
                yield self._source.encode(events, self._token())
            elif reason := self._leaving(subscription):
                yield self._going_away(reason)
                return
            elif not woken:
                yield self._heartbeat()

    def _fresh(self, subscription: Subscription[E_]) -> list[E_]:
        """Returns what waits for the reader and was not told yet; the token is the one after it from now on."""
        events = [event for event in subscription.take() if event.sequence > self._sequence]
        if events:
            self._sequence = events[-1].sequence
        return events

    def _leaving(self, subscription: Subscription[E_]) -> stream_pb2.GoingAwayReason.ValueType | None:
        if subscription.overflowed:
            return stream_pb2.GOING_AWAY_REASON_SLOW_READER
        if self._life.over:
            return stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED
        return stream_pb2.GOING_AWAY_REASON_DRAINING if self._draining.begun else None

    def _going_away(self, reason: stream_pb2.GoingAwayReason.ValueType) -> M:
        return self._frames.going_away(reason, self._token())

    def _expiring(self) -> M:
        self._life.told()
        return self._frames.token_expiring(self._life.ends_ns)

    def _heartbeat(self) -> M:
        self._sequence = max(self._sequence, self._source.hub.last_sequence)
        return self._frames.heartbeat(self._sequence, self._token())

    def _token(self) -> str:
        return self._tokens.make(self._sequence)


def heartbeat_seconds(asked: Duration | None) -> float:
    """Returns the interval of heartbeats: what the caller asked for, brought into the bounds."""
    seconds = asked.ToNanoseconds() / 1e9 if asked is not None else 0.0
    if seconds <= 0:
        return DEFAULT_HEARTBEAT_SECONDS
    return min(max(seconds, LEAST_HEARTBEAT_SECONDS), MOST_HEARTBEAT_SECONDS)


def duration(seconds: float) -> Duration:
    """Returns a duration of so many seconds."""
    result = Duration()
    result.FromNanoseconds(round(seconds * 1e9))
    return result


def timestamp(nanoseconds: int) -> Timestamp:
    """Returns the time of so many nanoseconds since 1970."""
    seconds, nanos = divmod(nanoseconds, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def authorized(ends_ns: int) -> stream_pb2.StreamAuthorized:
    """Returns the answer to another token that ends then; 0 stands for a stream without an end."""
    return stream_pb2.StreamAuthorized(expires_at=timestamp(ends_ns) if ends_ns else None)


def resume_tokens(epoch: str, filters: bytes) -> ResumeTokens:
    """Returns the tokens of a stream with these filters."""
    return ResumeTokens(UUID(epoch), filters)
