"""What RiskService measures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.risk.metrics import RiskMetrics
from tests.fakes.reserve_client import fill, reservation
from tests.fakes.risk_world import risk_world


async def test_decisions_and_state_are_measured() -> None:
    """Decisions are counted by reason; reservations, prices and the log are told as they stand."""
    async with risk_world() as world, world.stream() as stream:
        registry = CollectorRegistry()
        RiskMetrics(registry, world.reserving, world.breakers, world.alert_log, world.clock)
        world.limit(max_order_size="10")
        await stream.sync()
        await stream.reserve(reservation(1), reservation(2), reservation(3, quantity="11"))
        await stream.settle(fill(4, 1, world.clock))
        await stream.one(5, account_id="nobody")

        def told(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(name, labels)

        assert told("ordermesh_risk_decisions_total", reason="ACCEPTED") == 2
        assert told("ordermesh_risk_decisions_total", reason="RISK_LIMIT_EXCEEDED") == 1
        assert told("ordermesh_risk_decisions_total", reason="UNKNOWN_ACCOUNT") == 1
        assert told("ordermesh_risk_settled_total") == 1
        assert told("ordermesh_risk_reservations") == 1
        assert told("ordermesh_risk_log_sequence", shard="0") == 4
        assert told("ordermesh_risk_prices_fresh") == 1
        world.markets.live = False
        assert told("ordermesh_risk_prices_fresh") == 0
