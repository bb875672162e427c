"""EventLogService: the order log for other services of the mesh."""

from __future__ import annotations

from typing import Any, Final

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from services.kernel.errors import invalid_field
from services.order.pipeline.book import Book
from services.order.pipeline.queries import Log
from services.order.wire_events import ALL, EventEncoder

DEFAULT_LIMIT: Final = 1_000


class EventLogServicer(event_log_service_pb2_grpc.EventLogServiceServicer):
    """Serves consumers of the bus that have a gap."""

    def __init__(self, book: Book, log: Log, shard_count: int) -> None:
        self._book, self._log, self._shard_count = book, log, shard_count

    async def ReadEvents(
        self, request: event_log_service_pb2.ReadEventsRequest, context: Any
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Reads committed events after a sequence."""
        if request.shard != self._book.shard:
            raise invalid_field("shard", f"must be {self._book.shard}, the shard of this server")
        asked = set(map(int, request.topics))
        topics = [topic for topic in ALL if int(topic) in asked] if asked else ALL
        last = self._book.sequence
        limit = request.limit or DEFAULT_LIMIT
        events: list[event_pb2.Event] = []
        if topics:
            encoder = EventEncoder(self._book.epoch)
            rows = await self._log.after(request.after_sequence, limit, topics, last)
            events = [event_pb2.Event.FromString(event) for row in rows for _, event in encoder.events_of(row, topics)]
        return event_log_service_pb2.ReadEventsResponse(
            events=_cut(events, limit), epoch=self._book.epoch, last_sequence=last, shard_count=self._shard_count
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
