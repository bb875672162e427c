"""EventLogService: the log of alerts, for consumers of the bus that have a gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from services.risk.domain.alert import Alert
from services.risk.pipeline.ports import AlertStore

_DEFAULT_LIMIT: Final = 1_000


class AlertEvents(Protocol):
    """Alerts as events."""

    def event(self, alert: Alert) -> event_pb2.Event:
        """Returns an alert as an event."""
        ...


class EventLogServicer(event_log_service_pb2_grpc.EventLogServiceServicer):
    """Serves the topic `risk.limit.exceeded`."""

    def __init__(self, store: AlertStore, events: AlertEvents, epoch: str) -> None:
        self._store = store
        self._events = events
        self._epoch = epoch

    async def ReadEvents(
        self, request: event_log_service_pb2.ReadEventsRequest, context: Any
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Reads committed events after a sequence."""
        alerts: Sequence[Alert] = ()
        if not request.topics or event_pb2.TOPIC_RISK_LIMIT_EXCEEDED in request.topics:
            alerts = await self._store.alerts_after(request.after_sequence, request.limit or _DEFAULT_LIMIT)
        return event_log_service_pb2.ReadEventsResponse(
            events=[self._events.event(alert) for alert in alerts],
            epoch=self._epoch,
            last_sequence=await self._store.last_alert(),
        )
