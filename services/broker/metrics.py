"""What BrokerService measures. Figures are read when somebody asks, which costs the order path nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.routing import Routes

COMMANDS: Final = "ordermesh_broker_commands"
COMMANDS_DROPPED: Final = "ordermesh_broker_commands_dropped"
REPORTS: Final = "ordermesh_broker_reports"
REPORTS_REPEATED: Final = "ordermesh_broker_reports_repeated"
REPORTS_RECOVERED: Final = "ordermesh_broker_reports_recovered"
CONNECTIONS_OPENED: Final = "ordermesh_broker_connections_opened"
CONNECTION_UP: Final = "ordermesh_broker_connection_up"
CONNECTION: Final = "connection"


class BrokerMetrics(Collector):
    """Tells what went through, and which connections are up."""

    def __init__(self, registry: CollectorRegistry, routes: Routes, directory: ConnectionDirectory) -> None:
        self._routes, self._directory = routes, directory
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        counts = self._routes.counts
        yield CounterMetricFamily(COMMANDS, "Commands handed to venues.", value=counts.sent)
        yield CounterMetricFamily(COMMANDS_DROPPED, "Commands dropped, to be sent again.", value=counts.dropped)
        yield CounterMetricFamily(REPORTS, "Reports passed on.", value=counts.told)
        yield CounterMetricFamily(REPORTS_REPEATED, "Reports dropped as repeated.", value=counts.repeated)
        yield CounterMetricFamily(REPORTS_RECOVERED, "Reports that were missing and asked for.", value=counts.filled)
        yield CounterMetricFamily(CONNECTIONS_OPENED, "Times that a connection came up.", value=counts.opened)
        up = GaugeMetricFamily(CONNECTION_UP, "1 while every shard reaches the venue.", labels=[CONNECTION])
        for name in self._directory.routable():
            if (state := self._routes.up(name)) is not None:
                up.add_metric([name], int(state))
        yield up
