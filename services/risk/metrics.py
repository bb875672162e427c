"""What RiskService measures. Figures are read when somebody asks, which costs the order path nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from services.kernel.clock import Clock
from services.risk.domain.trading import TradingState
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.reserving import Reserving

DECISIONS: Final = "ordermesh_risk_decisions"
SETTLED: Final = "ordermesh_risk_settled"
RESERVATIONS: Final = "ordermesh_risk_reservations"
ACCOUNTS: Final = "ordermesh_risk_accounts"
LOG_SEQUENCE: Final = "ordermesh_risk_log_sequence"
PRICES_FRESH: Final = "ordermesh_risk_prices_fresh"
BREAKERS_OPEN: Final = "ordermesh_risk_circuit_breakers_open"
ALERTS_WAITING: Final = "ordermesh_risk_alerts_waiting"
ALERTS_LOST: Final = "ordermesh_risk_alerts_lost"
TRADING_STOPPED: Final = "ordermesh_risk_trading_stopped"
REASON: Final = "reason"
STATE: Final = "state"
SHARD: Final = "shard"
ACCEPTED: Final = "ACCEPTED"


class RiskMetrics(Collector):
    """Tells decisions by reason, what is held, and how things stand."""

    def __init__(
        self, registry: CollectorRegistry, reserving: Reserving, breakers: Breakers, alerts: AlertLog, clock: Clock
    ) -> None:
        self._reserving, self._breakers, self._alerts, self._clock = reserving, breakers, alerts, clock
        registry.register(self)

    def collect(self) -> Iterator[Metric]:
        """Yields all metrics."""
        shared, book = self._reserving, self._reserving.book
        decisions = CounterMetricFamily(DECISIONS, "Orders checked.", labels=[REASON])
        for reason, count in shared.decided.items():
            decisions.add_metric([reason or ACCEPTED], count)
        yield decisions
        sequences = GaugeMetricFamily(LOG_SEQUENCE, "How far the order log is booked.", labels=[SHARD])
        for shard, cursor in book.cursors.items():
            sequences.add_metric([str(shard)], cursor.sequence)
        yield sequences
        stopped = GaugeMetricFamily(TRADING_STOPPED, "Kill switches that are set, by state.", labels=[STATE])
        for state in (TradingState.REDUCING, TradingState.HALTED):
            stopped.add_metric([state.name], sum(switch.state == state for switch in book.switches.stopped))
        yield stopped
        fresh = shared.markets.fresh(self._clock.now_ns())
        yield CounterMetricFamily(SETTLED, "Fills and ends of orders booked.", value=shared.settled)
        yield GaugeMetricFamily(RESERVATIONS, "Orders that hold a reservation.", value=book.reservations)
        yield GaugeMetricFamily(ACCOUNTS, "Accounts in memory.", value=len(book.accounts))
        yield GaugeMetricFamily(PRICES_FRESH, "1 while prices are fresh.", value=int(fresh))
        yield GaugeMetricFamily(BREAKERS_OPEN, "Circuit breakers that are open.", value=self._breakers.open_count)
        yield GaugeMetricFamily(ALERTS_WAITING, "Alerts that wait for the store.", value=self._alerts.waiting)
        yield CounterMetricFamily(ALERTS_LOST, "Alerts that could not wait.", value=self._alerts.lost)
