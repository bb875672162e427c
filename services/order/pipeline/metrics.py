"""What OrderService counts."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from services.order.domain.ignored import Ignored
from services.order.domain.values import ExecutionType
from services.order.pipeline.entries import Draft

EVENTS: Final = "ordermesh_order_events_total"
REFUSED: Final = "ordermesh_orders_refused_total"
COMMIT_ENTRIES: Final = "ordermesh_order_commit_entries"
COMMIT_SECONDS: Final = "ordermesh_order_commit_seconds"
ACKNOWLEDGE_SECONDS: Final = "ordermesh_order_acknowledge_seconds"
LIVE_ORDERS: Final = "ordermesh_orders_live"
WAITING: Final = "ordermesh_orders_waiting"
REPORTS_IGNORED: Final = "ordermesh_venue_reports_ignored_total"
HELD_ORDERS: Final = "ordermesh_orders_held"
RELEASE_SECONDS: Final = "ordermesh_order_release_seconds"
ALGORITHMS: Final = "ordermesh_order_algorithms_running"
RECONCILED: Final = "ordermesh_order_reconciliation_findings_total"
PASSED_ON: Final = "ordermesh_order_calls_passed_on_total"

_ENTRIES = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_SECONDS = (0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0)


class Metrics:
    """The metrics of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        events = Counter(EVENTS, "Events committed.", ["type"], registry=registry)
        self._events = {type_.value: events.labels(type_.name) for type_ in ExecutionType}
        self._refused = Counter(REFUSED, "Orders refused and not stored.", ["reason"], registry=registry)
        self._entries = Histogram(COMMIT_ENTRIES, "Events in one transaction.", registry=registry, buckets=_ENTRIES)
        self._seconds = Histogram(COMMIT_SECONDS, "Time of a transaction.", registry=registry, buckets=_SECONDS)
        self._acknowledge = Histogram(
            ACKNOWLEDGE_SECONDS, "Time from request to answer.", registry=registry, buckets=_SECONDS
        )
        self.live = Gauge(LIVE_ORDERS, "Orders that may still trade.", registry=registry)
        self.waiting = Gauge(WAITING, "Orders taken in and not committed yet.", registry=registry)
        self.held = Gauge(HELD_ORDERS, "Orders that wait here, at no venue.", registry=registry)
        self._releases = Histogram(
            RELEASE_SECONDS, "Time from a trade to the commit of a release by it.", registry=registry, buckets=_SECONDS
        )
        self.algorithms = Gauge(ALGORITHMS, "Orders that are being worked by an algorithm.", registry=registry)
        self._ignored = Counter(
            REPORTS_IGNORED, "Reports of venues that changed nothing.", ["reason"], registry=registry
        )
        self._reconciled = Counter(
            RECONCILED, "What reconciliation with venues has found.", ["finding"], registry=registry
        )
        self._passed_on = Counter(
            PASSED_ON, "Calls passed on to the shard of their account.", ["shard"], registry=registry
        )

    def committed(self, draft: Draft, seconds: float) -> None:
        """Counts a transaction."""
        counts = [0] * (max(self._events) + 1)
        for entry in draft.entries:
            counts[entry.event.type] += 1
        for type_, counter in self._events.items():
            if counts[type_]:
                counter.inc(counts[type_])
        self._entries.observe(len(draft.entries))
        self._seconds.observe(seconds)

    def acknowledged(self, seconds: float) -> None:
        """Counts a call that was answered."""
        self._acknowledge.observe(seconds)

    def refused(self, reason: str) -> None:
        """Counts an order that was not stored."""
        self._refused.labels(reason).inc()

    def ignored(self, reason: Ignored | str, count: int = 1) -> None:
        """Counts reports of a venue that changed nothing."""
        self._ignored.labels(reason.value if isinstance(reason, Ignored) else reason).inc(count)

    def released(self, seconds: float) -> None:
        """Counts an order whose price was reached, and the time since the trade."""
        self._releases.observe(seconds)

    def found(self, finding: str, count: int = 1) -> None:
        """Counts what reconciliation has found."""
        if count:
            self._reconciled.labels(finding).inc(count)

    def passed_on(self, shard: int) -> None:
        """Counts a call that another shard serves."""
        self._passed_on.labels(str(shard)).inc()
