"""What BrokerService measures."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from services.broker.metrics import BrokerMetrics
from tests.fakes.broker_world import broker_world, new_order
from tests.fixtures.waiting import eventually


async def test_traffic_and_connections_are_measured() -> None:
    """Commands, reports, drops, repeats and recoveries are counted; a connection's state is told."""
    async with broker_world() as world:
        registry = CollectorRegistry()
        BrokerMetrics(registry, world.routes, world.directory)

        def told(name: str, **labels: str) -> float | None:
            return registry.get_sample_value(f"ordermesh_broker_{name}", labels)

        assert told("connection_up", connection="simulation") is None
        world.engine.hidden = {2}
        async with world.route() as route:
            route.answering = False
            opened = await route.up()
            await route.send(new_order(1))
            await route.ready("simulation", opened.opened_number)
            await route.send(*(new_order(number) for number in (2, 3, 4)))
            await route.reported(3)
            world.engine.repeat("simulation/0", 1, 2)
            await eventually(lambda: told("reports_repeated_total") == 2)
            assert told("connection_up", connection="simulation") == 1
            assert told("commands_dropped_total") == 1
            assert told("commands_total") == 3
            assert told("reports_total") == 3
            assert told("reports_recovered_total") == 1
            assert told("connections_opened_total") == 1
