"""From the log to the bus."""

from __future__ import annotations

from collections.abc import Sequence

from services.bus.relay import Published, Relay
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.store.history import History
from services.order.wire_events import TOPIC_NAMES, TOPIC_OF_NAME, EventEncoder


class BusLog:
    """The log as the relay reads it."""

    def __init__(self, book: Book, history: History) -> None:
        self._book, self._history = book, history

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Published]:
        """Returns about `limit` committed events after a sequence, by sequence; none when there are no more."""
        wanted = [TOPIC_OF_NAME[name] for name in topics]
        encoder = EventEncoder(self._book.epoch)
        rows = await self._history.after(sequence, limit, wanted, self._book.sequence)
        return [
            Published(TOPIC_NAMES[topic], row.sequence, event)
            for row in rows
            for topic, event in encoder.events_of(row, wanted)
        ]

    async def last_sequence(self) -> int:
        """Returns the last committed sequence."""
        return self._book.sequence

    async def epoch(self) -> str:
        """Returns the incarnation of the log."""
        return self._book.epoch


class Publishing:
    """Hands what was committed to the relay; a listener of the writer."""

    def __init__(self, relay: Relay, epoch: str) -> None:
        self._relay = relay
        self._events_of = EventEncoder(epoch).events_of

    def committed(self, draft: Draft) -> None:
        """Wraps each entry into its events of the bus."""
        events_of = self._events_of
        self._relay.publish(
            [
                Published(TOPIC_NAMES[topic], entry.sequence, event)
                for entry in draft.entries
                for topic, event in events_of(entry)
            ]
        )
