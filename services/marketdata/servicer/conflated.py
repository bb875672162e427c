"""The shape of a market-data stream: the newest states, then what is newest whenever the reader is ready."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from typing import Generic, Protocol, TypeVar

from google.protobuf.message import Message

from ordermesh.type.v1 import stream_pb2
from services.marketdata.servicer.wire import Wire
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

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits for something; returns False when nothing came in that time."""
        ...

    def take(self) -> Sequence[T_co]:
        """Returns what waits."""
        ...

    def close(self) -> None:
        """Ends the reading."""
        ...


class MarketStream(Generic[T, M]):
    """One reader's stream."""

    def __init__(
        self,
        frames: Frames[M],
        draining: Draining,
        snapshot: Callable[[Sequence[T]], Iterable[tuple[int, Wire]]],
        update: Callable[[Sequence[T]], Wire],
        too_slow: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes what makes the messages.

        Args:
            frames: Makes the shared messages.
            draining: Tells when the server is about to stop.
            snapshot: Makes the messages of the snapshot, each with its number of entries.
            update: Makes the message of what has changed.
            too_slow: Tells whether the reader has lost something.
        """
        self._frames, self._draining = frames, draining
        self._snapshot, self._update, self._too_slow = snapshot, update, too_slow

    async def run(self, reader: Reading[T], heartbeat_seconds: float) -> AsyncIterator[Wire]:
        """Yields the messages until the server drains or the reader leaves; the reader is closed then."""
        frames, draining, update = self._frames, self._draining, self._update
        stop_listening = draining.listen(reader.wake)
        try:
            yield frames.subscribed(heartbeat_seconds)
            yield frames.snapshot_begin()
            count = 0
            for entries, message in self._snapshot(reader.take()):
                count += entries
                yield message
            yield frames.snapshot_end(count)
            while True:
                woken = await reader.wait(heartbeat_seconds)
                changed = reader.take()
                if changed:
                    yield update(changed)
                if self._too_slow():
                    yield frames.going_away(stream_pb2.GOING_AWAY_REASON_SLOW_READER)
                    return
                if draining.begun:
                    yield frames.going_away(stream_pb2.GOING_AWAY_REASON_DRAINING)
                    return
                if not woken and not changed:
                    yield frames.heartbeat()
        finally:
            stop_listening()
            reader.close()


def chunks(entries: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cuts entries into parts that fit into one message each."""
    for begin in range(0, len(entries), CHUNK):
        yield entries[begin : begin + CHUNK]
