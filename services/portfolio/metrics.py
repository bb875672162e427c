"""What the service measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

FILLS_BOOKED: Final = "ordermesh_portfolio_fills_booked"
FILLS_REPEATED: Final = "ordermesh_portfolio_fills_repeated"
AS_OF: Final = "ordermesh_portfolio_as_of_sequence"
PRICES_CONNECTED: Final = "ordermesh_portfolio_prices_connected"

GAUGES: Final = {
    PRICES_CONNECTED: "1 while prices come.",
}
SHARD: Final = "shard"
COUNTERS: Final = {
    FILLS_BOOKED: "Fills booked.",
    FILLS_REPEATED: "Fills that were in the order log twice, and booked once.",
}


class PortfolioMetrics(Collector):
    """Reads the numbers when they are asked for, which costs nothing while they are not."""

    def __init__(
        self, registry: CollectorRegistry, read: dict[str, Callable[[], float]], as_of: Callable[[], Sequence[int]]
    ) -> None:
        self._read, self._as_of = read, as_of
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        reached = GaugeMetricFamily(AS_OF, "Sequence of the order log that the books reflect.", labels=[SHARD])
        for shard, sequence in enumerate(self._as_of()):
            reached.add_metric([str(shard)], sequence)
        yield reached
        for name, text in GAUGES.items():
            yield GaugeMetricFamily(name, text, value=self._read[name]())
        for name, text in COUNTERS.items():
            yield CounterMetricFamily(name, text, value=self._read[name]())
