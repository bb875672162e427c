"""What the service measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

FEED_CONNECTED: Final = "ordermesh_feed_connected"
FEED_AGE_SECONDS: Final = "ordermesh_feed_age_seconds"
FEED_EVENTS: Final = "ordermesh_feed_events"
FEED_CONNECTIONS: Final = "ordermesh_feed_connections"
FEED_GAPS: Final = "ordermesh_feed_gaps"
HISTORY_WAITING: Final = "ordermesh_history_waiting_trades"
HISTORY_STORED: Final = "ordermesh_history_stored_trades"
HISTORY_RECOVERED: Final = "ordermesh_history_recovered_trades"
HISTORY_GAPS: Final = "ordermesh_history_gaps"
HISTORY_FAILURES: Final = "ordermesh_history_failures"

GAUGES: Final = {
    FEED_CONNECTED: "1 while the venue's feed is there.",
    FEED_AGE_SECONDS: "Seconds since the venue last spoke.",
    HISTORY_WAITING: "Trades that the store does not have yet.",
}
COUNTERS: Final = {
    FEED_EVENTS: "Events of the feed.",
    FEED_CONNECTIONS: "Times that the feed was connected.",
    FEED_GAPS: "Times that an event of the feed was missing and asked for again.",
    HISTORY_STORED: "Trades stored.",
    HISTORY_RECOVERED: "Trades that were recovered from the feed's past.",
    HISTORY_GAPS: "Times that trades could not be recovered.",
    HISTORY_FAILURES: "Times that the store or the feed's past did not answer.",
}


class MarketDataMetrics(Collector):
    """Reads the numbers when they are asked for, which costs nothing while they are not."""

    def __init__(self, registry: CollectorRegistry, read: dict[str, Callable[[], float]]) -> None:
        """Registers the metrics.

        Args:
            registry: Where they are asked for.
            read: Tells the present value of each.

        Raises:
            KeyError: A metric is declared that nobody reads.
        """
        self._read = {name: read[name] for name in (*GAUGES, *COUNTERS)}
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=self._read[name]())
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=self._read[name]())
