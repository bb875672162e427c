"""The shape of a market-data stream: the newest states, then what is newest whenever the reader is ready."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import Message

from ordermesh.type.v1 import stream_pb2
from services.kernel.drain import Pace
from services.marketdata.servicer.wire import Wire
from services.mesh.access.life import TokenLife, current_life
from services.mesh.draining import Draining
from services.mesh.streams import Frames

T = TypeVar("T")
M = TypeVar("M", bound=Message)
T_co = TypeVar("T_co", covariant=True)

CHUNK = 200
"""Most entries in one message of a snapshot."""


class Reading(Protocol[T_co]):
    """What waits for one reader."""

    def wake(self) -> None:
        """Makes the reader look around."""
        ...

    async def wait(self) -> object:
        """Waits for something, or to be woken."""
        ...

    def take(self) -> Sequence[T_co]:
        """Returns what waits."""
        ...

    def close(self) -> None:
        """Ends the reading."""
        ...


def never() -> stream_pb2.GoingAwayReason.ValueType:
    """Tells that a reader of a conflated stream never loses anything."""
    return stream_pb2.GOING_AWAY_REASON_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Subscription(Generic[T]):
    """What one reader's stream is made of.

    Attributes:
        reader: What waits for it.
        snapshot: The messages of its snapshot, each with its number of entries: all that was before the reader began.
        update: Makes the message of what has changed.
        lost: Tells why the reader has lost something; unspecified while it has not.
    """

    reader: Reading[T]
    snapshot: Iterable[tuple[int, Wire]]
    update: Callable[[Sequence[T]], Wire]
    lost: Callable[[], stream_pb2.GoingAwayReason.ValueType] = never


class Silence:
    """Tells when nothing was said for an interval.

    One timer for each interval, not one for each message: at a thousand readers timers cost as much as their messages.
    """

    __slots__ = ("_last", "_loop", "_seconds", "_timer", "_wake", "over_long")

    def __init__(self, seconds: float, wake: Callable[[], None]) -> None:
        """Begins to listen.

        Args:
            seconds: The interval.
            wake: Called when it is over and nothing was said.
        """
        self._loop, self._seconds, self._wake = asyncio.get_running_loop(), seconds, wake
        self.over_long = False
        self._last = self._loop.time()
        self._timer = self._loop.call_later(seconds, self._look)

    def broken(self) -> None:
        """Is told that something is being said."""
        self._last = self._loop.time()
        if self.over_long:
            self.over_long = False
            self._timer = self._loop.call_later(self._seconds, self._look)

    def close(self) -> None:
        """Ends the listening."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._last + self._seconds - self._loop.time()
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self.over_long = True
            self._wake()


async def market_stream(
    frames: Frames[M],
    draining: Draining,
    heartbeat_seconds: float,
    subscribe: Callable[[], Subscription[T]],
    conflation_seconds: float = 0.0,
) -> AsyncIterator[Wire]:
    """Yields the messages of one reader's stream until the server drains, or the reader leaves or may read no more.

    Args:
        frames: Makes the shared messages.
        draining: Tells when the server is about to stop.
        heartbeat_seconds: After how long a silence a heartbeat is sent.
        subscribe: Begins the reading; called once the stream runs, so that it is ended whatever happens.
        conflation_seconds: Least time between two updates.
    """
    subscription = subscribe()
    reader, update, lost = subscription.reader, subscription.update, subscription.lost
    life = current_life()
    stop_listening = _listen(draining, life, reader.wake)
    silence = Silence(heartbeat_seconds, reader.wake)
    pace = Pace(conflation_seconds)
    try:
        yield frames.subscribed(heartbeat_seconds)
        yield frames.snapshot_begin()
        count = 0
        for entries, message in subscription.snapshot:
            count += entries
            yield message
        yield frames.snapshot_end(count)
        while True:
            await reader.wait()
            if conflation_seconds:
                await pace.turn()
            if life.due:
                yield _of_token(frames, life)
                if life.over:
                    return
            if changed := reader.take():
                silence.broken()
                yield update(changed)
            elif reason := lost():
                yield frames.going_away(reason)
                return
            elif silence.over_long:
                silence.broken()
                yield frames.heartbeat()
            if draining.begun:
                yield frames.going_away(stream_pb2.GOING_AWAY_REASON_DRAINING)
                return
    finally:
        silence.close()
        stop_listening()
        reader.close()


def _listen(draining: Draining, life: TokenLife, wake: Callable[[], None]) -> Callable[[], None]:
    of_draining, of_life = draining.listen(wake), life.listen(wake)

    def stop() -> None:
        of_draining()
        of_life()

    return stop


def _of_token(frames: Frames[M], life: TokenLife) -> M:
    """Returns what is to be said of the reader's token: that it has ended, or will soon."""
    if life.over:
        return frames.going_away(stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED)
    life.told()
    return frames.token_expiring(life.ends_ns)


def chunks(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cuts entries into parts that fit into one message each."""
    for begin in range(0, len(entries), CHUNK):
        yield entries[begin : begin + CHUNK]
