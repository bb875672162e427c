"""Replaces on their way through BrokerService, between a real route stream and a fake engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace as changed

import pytest
import pytest_asyncio

from ordermesh.broker.v1 import broker_service_pb2, routing_service_pb2
from ordermesh.type.v1 import error_pb2
from services.broker.peers import simulation
from tests.fakes.broker_world import BrokerWorld, broker_world, cancel, new_order, order_bytes, order_id, replace

REPLACED = routing_service_pb2.VENUE_REPORT_TYPE_REPLACED
CANCEL_REJECTED = routing_service_pb2.VENUE_REPORT_TYPE_CANCEL_REJECTED


@pytest_asyncio.fixture
async def world() -> AsyncIterator[BrokerWorld]:
    async with broker_world() as running:
        yield running


async def test_replace_reaches_the_engine_in_ticks_and_lots(world: BrokerWorld) -> None:
    """As one command with the new total quantity; the answer names the command."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), replace(2, of=1, quantity="8", limit_price="187.2"))
        _, replaced = await route.reported(2)
    command = world.engine.received[-1][1][-1]
    assert command.command_sequence == 2
    assert (command.replace_order.order_id, command.replace_order.price_ticks, command.replace_order.quantity_lots) == (
        order_bytes(1),
        18720,
        8,
    )
    assert (replaced.type, replaced.order_id, replaced.command_sequence) == (REPLACED, order_id(1), 2)
    assert (replaced.reason, replaced.text, replaced.sequence) == (0, "", 2)


async def test_refused_changes_say_which_command_was_refused(world: BrokerWorld) -> None:
    """The engine has one word for refused cancels and refused replaces; the command tells them apart."""
    async with world.route() as route:
        await route.up()
        await route.send(replace(1, of=9), cancel(2, of=9))
        first, second = await route.reported(2)
    assert (first.type, first.command_sequence, first.reason) == (
        CANCEL_REJECTED,
        1,
        error_pb2.ERROR_REASON_ORDER_NOT_LIVE,
    )
    assert (second.type, second.command_sequence) == (CANCEL_REJECTED, 2)


@pytest.mark.parametrize("values", [{"quantity": "1.5"}, {"instrument": "NONE.XNAS"}])
async def test_replace_that_cannot_be_told_is_refused_by_the_engine(world: BrokerWorld, values: dict[str, str]) -> None:
    """Its refusal has its place in the sequence, and the order stays as it was."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), replace(2, of=1, **values))
        _, refused = await route.reported(2)
    assert (refused.type, refused.sequence, refused.command_sequence) == (CANCEL_REJECTED, 2, 2)
    [order] = world.engine.participants["simulation/0"].open_orders.values()
    assert (order.quantity_lots, order.price_ticks) == (10, 18725)


async def test_replace_for_an_unknown_connection_is_refused_here(world: BrokerWorld) -> None:
    """Outside of any venue's sequence, naming its command."""
    async with world.route() as route:
        await route.up()
        await route.send(replace(5, 1, "nowhere"))
        [refused] = await route.reported(1)
    assert (refused.type, refused.sequence, refused.command_sequence) == (CANCEL_REJECTED, 0, 5)
    assert refused.reason == error_pb2.ERROR_REASON_UNKNOWN_CONNECTION


async def test_adapter_that_cannot_replace_refuses_it_and_nothing_else(
    world: BrokerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replace is answered here, with the reason; what comes with it goes its way."""
    monkeypatch.setattr(simulation, "CAPABILITIES", changed(simulation.CAPABILITIES, replaces_orders=False))
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1), replace(2, of=1), new_order(3))
        reports = await route.reported(3)
    refused = next(report for report in reports if not report.sequence)
    assert (refused.type, refused.order_id, refused.command_sequence) == (CANCEL_REJECTED, order_id(1), 2)
    assert refused.reason == error_pb2.ERROR_REASON_NOT_SUPPORTED_BY_ADAPTER
    assert [command.command_sequence for _, commands in world.engine.received for command in commands] == [1, 3]


async def test_capability_is_told(world: BrokerWorld) -> None:
    """The simulation replaces orders."""
    answer = await world.broker.GetCapabilities(broker_service_pb2.GetCapabilitiesRequest(connection_id="simulation"))
    assert answer.capabilities.replaces_orders
