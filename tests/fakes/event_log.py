"""A log of events in memory: what the relay publishes from, and what consumers fill their gaps from."""

from __future__ import annotations

from collections.abc import Sequence

from ordermesh.event.v1 import event_pb2
from services.bus.relay import Published
from services.bus.topics import NAME_OF_TOPIC, TOPIC_OF_NAME
from services.kernel.errors import unavailable


class FakeEventLog:
    """Holds committed events; may be told not to answer."""

    def __init__(self, epoch: str = "01890000-0000-7000-8000-000000000001") -> None:
        self.events: list[event_pb2.Event] = []
        self.identity = epoch
        self.away = False
        self.reads = 0
        self.refused = 0
        self._last: dict[str, int] = {}

    def commit(self, *topics: str) -> list[Published]:
        """Appends one event for each topic named, and returns them as the relay is told of them."""
        new = [self._event(len(self.events) + 1 + n, topic) for n, topic in enumerate(topics)]
        self.events += new
        return [published(event) for event in new]

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Published]:
        """Answers the relay."""
        self._check_here()
        return [published(event) for event in self._after(sequence, limit, topics)]

    async def read_events(self, after_sequence: int, limit: int, topics: Sequence[str]) -> Sequence[event_pb2.Event]:
        """Answers a consumer."""
        self.reads += 1
        self._check_here()
        return self._after(after_sequence, limit, topics)

    async def last_sequence(self) -> int:
        """Answers the relay."""
        return len(self.events)

    async def epoch(self) -> str:
        """Answers the relay."""
        return self.identity

    def of(self, *topics: str) -> list[int]:
        """Returns the sequences of all events of some topics."""
        return [event.sequence for event in self._after(0, len(self.events), topics)]

    def _check_here(self) -> None:
        if self.away:
            self.refused += 1
            raise unavailable("SERVICE_UNAVAILABLE", "the log is away")

    def _after(self, sequence: int, limit: int, topics: Sequence[str]) -> list[event_pb2.Event]:
        wanted = [e for e in self.events[sequence:] if not topics or NAME_OF_TOPIC[e.topic] in topics]
        return wanted[:limit]

    def _event(self, sequence: int, topic: str) -> event_pb2.Event:
        previous, self._last[topic] = self._last.get(topic, 0), sequence
        number = event_pb2.Topic.Name(event_pb2.Topic.ValueType(TOPIC_OF_NAME[topic]))
        return event_pb2.Event(
            epoch=self.identity, sequence=sequence, previous_sequence=previous, topic=event_pb2.Topic.Value(number)
        )


def published(event: event_pb2.Event) -> Published:
    """Returns an event as the relay is told of it."""
    return Published(NAME_OF_TOPIC[event.topic], event.sequence, event.SerializeToString())
