"""How listings and connections have served routed children lately: how fast they answer, and how much they fill."""

from __future__ import annotations

from typing import Final

from services.order.domain.order_event import OrderEvent
from services.order.domain.values import TimeInForce

USUAL_LATENCY_SECONDS: Final = 0.005
"""Latency of a connection that nothing is known of."""
_NEWEST_WEIGHT: Final = 0.2
_PRIOR_FILLED: Final = 9.0
_PRIOR_SENT: Final = 10.0
_OLDER_WEIGHT: Final = 0.95
_SECOND_NS: Final = 1_000_000_000
_FIRST_REPORT: Final = 2
"""Version of an order after the first report of its venue."""


class RoutingRecord:
    """Figures of connections and listings, measured on routed children alone: other orders cost nothing."""

    def __init__(self) -> None:
        self._latency: dict[str, float] = {}
        self._filled: dict[tuple[str, str], tuple[float, float]] = {}

    def latency_seconds(self, connection_id: str) -> float:
        """Returns the mean time from command to first report, newer ones weighing more."""
        return self._latency.get(connection_id, USUAL_LATENCY_SECONDS)

    def fill_probability(self, instrument: str, connection_id: str) -> float:
        """Returns the mean of the Beta distribution of what is sent and fills."""
        filled, sent = self._filled.get((instrument, connection_id), (0.0, 0.0))
        return (_PRIOR_FILLED + filled) / (_PRIOR_SENT + sent)

    def heard(self, event: OrderEvent, now_ns: int) -> None:
        """Takes note of what happened to a child."""
        order = event.order
        connection_id = order.connection_id
        if not connection_id:
            return
        if order.version == _FIRST_REPORT and event.report is not None:
            seconds = max(0, now_ns - order.created_at_ns) / _SECOND_NS
            before = self._latency.get(connection_id, seconds)
            self._latency[connection_id] = before + _NEWEST_WEIGHT * (seconds - before)
        if not order.live and order.terms.time_in_force is TimeInForce.IOC:
            key = (order.terms.instrument, connection_id)
            filled, sent = self._filled.get(key, (0.0, 0.0))
            part = float(order.cumulative / order.terms.quantity)
            self._filled[key] = (_OLDER_WEIGHT * filled + part, _OLDER_WEIGHT * sent + 1)
