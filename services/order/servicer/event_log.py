"""EventLogService: the order log for other services of the mesh."""

from __future__ import annotations

from typing import Any, Final

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from services.kernel.errors import invalid_field
from services.order.domain.values import Topic
from services.order.pipeline.book import Book
from services.order.pipeline.queries import Log
from services.order.wire_events import events_of

DEFAULT_LIMIT: Final = 1_000


class EventLogServicer(event_log_service_pb2_grpc.EventLogServiceServicer):
    """Serves consumers of the bus that have a gap."""

    def __init__(self, book: Book, history: Log) -> None:
        self._book, self._history = book, history

    async def ReadEvents(
        self, request: event_log_service_pb2.ReadEventsRequest, context: Any
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Reads committed events after a sequence."""
        if request.shard != self._book.shard:
            raise invalid_field("shard", f"must be {self._book.shard}, the shard of this server")
        topics = [topic for topic in Topic if int(topic) in set(map(int, request.topics))]
        last = self._book.sequence
        limit = request.limit or DEFAULT_LIMIT
        events: list[event_pb2.Event] = []
        if topics or not request.topics:
            rows = await self._history.after(request.after_sequence, limit, topics, last)
            events = [
                event_pb2.Event.FromString(event)
                for row in rows
                for _, event in events_of(row, self._book.epoch, topics)
            ]
        return event_log_service_pb2.ReadEventsResponse(
            events=_cut(events, limit), epoch=self._book.epoch, last_sequence=last
        )


def _cut(events: list[event_pb2.Event], limit: int) -> list[event_pb2.Event]:
    """Returns at most so many events, those of one sequence together; `limit` of 1 may give both of a fill."""
    if len(events) <= limit:
        return events
    last = events[limit - 1].sequence
    if events[limit].sequence != last:
        return events[:limit]
    whole = [event for event in events[:limit] if event.sequence != last]
    return whole or [event for event in events if event.sequence == last]
