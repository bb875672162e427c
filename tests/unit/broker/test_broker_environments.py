"""Orders of a simulation account reach no live connection, nor those of a live one the simulation."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.broker.v1 import broker_service_pb2, route_query_pb2
from ordermesh.broker.v1.routing_service_pb2 import VENUE_REPORT_TYPE_ACCEPTED, VENUE_REPORT_TYPE_REJECTED
from ordermesh.type.v1 import error_pb2, trading_pb2
from services.broker.domain.capabilities import Environment
from services.broker.pipeline.environments import AccountEnvironments
from services.kernel.errors import CodedError
from tests.fakes.broker_world import BrokerWorld, FakeBrokerAccounts, broker_world, cancel, new_order, order_id
from tests.fixtures.waiting import eventually

MISMATCH = error_pb2.ERROR_REASON_ENVIRONMENT_MISMATCH


@pytest_asyncio.fixture
async def world() -> AsyncIterator[BrokerWorld]:
    """BrokerService, and an account `real` among real money."""
    async with broker_world() as made:
        made.accounts.others = {"real": Environment.LIVE, "nobody": None}
        yield made


@pytest.mark.parametrize("connection_id", ["simulation", ""])
@pytest.mark.parametrize("account_id", ["real", "nobody"])
async def test_an_order_does_not_leave_its_environment(world: BrokerWorld, account_id: str, connection_id: str) -> None:
    """Whether it names the connection or not: it is rejected, and what stands around it goes to the venue in order."""
    async with world.route() as route:
        await route.up()
        await route.send(
            new_order(1), new_order(2, connection_id, account_id=account_id), new_order(3), cancel(4, of=1)
        )
        reports = await route.reported(4)
    told = {report.order_id: report for report in reports if report.type == VENUE_REPORT_TYPE_REJECTED}
    assert set(told) == {order_id(2)}
    assert told[order_id(2)].reason == MISMATCH
    assert {report.order_id for report in reports if report.type == VENUE_REPORT_TYPE_ACCEPTED} == {
        order_id(1),
        order_id(3),
    }
    assert [command.command_sequence for _, batch in world.engine.received for command in batch] == [1, 3, 4]


async def test_an_order_of_an_account_that_nobody_tells_holds_up_no_other(world: BrokerWorld) -> None:
    """It was never delivered, so it is refused; placed again once somebody tells, it goes."""
    async with world.route() as route:
        await route.up()
        await route.send(new_order(1))
        await route.reported(1)
        world.accounts.away = True
        await route.send(new_order(2, account_id="another"), cancel(3, of=1))
        refused = next(each for each in await route.reported(3) if each.order_id == order_id(2))
        assert refused.type == VENUE_REPORT_TYPE_REJECTED
        assert refused.reason == error_pb2.ERROR_REASON_SERVICE_UNAVAILABLE
        world.accounts.away = False
        await route.send(new_order(4, account_id="another"))
        await route.reported(4)
    assert [command.command_sequence for _, batch in world.engine.received for command in batch] == [1, 3, 4]


async def test_an_order_waits_until_the_record_is_read(world: BrokerWorld) -> None:
    """It may be at its venue already: it is neither refused nor overtaken. A known account is not asked for again."""
    async with world.route() as route:
        await route.up()
        world.accounts.unread = True
        await route.send(new_order(1))
        await route.send(cancel(2, of=1))
        await eventually(lambda: len(world.accounts.asked) > 1)
        assert (world.engine.received, route.reports) == ([], [])
        world.accounts.unread = False
        await route.reported(2)
        asked = len(world.accounts.asked)
        await route.send(new_order(3))
        await route.reported(3)
    assert [command.command_sequence for _, batch in world.engine.received for command in batch] == [1, 2, 3]
    assert len(world.accounts.asked) == asked


async def test_an_account_is_not_given_to_a_connection_of_the_other_environment(world: BrokerWorld) -> None:
    """It is as unknown as one that there is not, when the connection is made and when it is changed."""
    for account_id in ("real", "nobody"):
        with pytest.raises(CodedError, match="UNKNOWN_ACCOUNT"):
            await create(world, "mine", account_id)
    await create(world, "mine", "a")
    changing = broker_service_pb2.UpdateConnectionRequest(connection_id="mine", default_account_ids=["a", "real"])
    with pytest.raises(CodedError, match="UNKNOWN_ACCOUNT"):
        await world.broker.UpdateConnection(changing)


async def test_a_way_to_the_other_environment_is_not_told(world: BrokerWorld) -> None:
    """A preview and smart routing learn that there is none."""
    ask = world.routing.QueryRoute
    assert (await ask(route_query_pb2.QueryRouteRequest(account_id="demo"))).connection.connection_id == "simulation"
    with pytest.raises(CodedError, match="ENVIRONMENT_MISMATCH"):
        await ask(route_query_pb2.QueryRouteRequest(account_id="real"))


async def test_what_is_not_an_account_is_asked_for_again() -> None:
    """It may be opened meanwhile."""
    accounts = FakeBrokerAccounts()
    accounts.others["late"] = None
    environments = AccountEnvironments(accounts)
    assert await environments.find("late") is None
    accounts.others["late"] = Environment.LIVE
    assert await environments.find("late") is Environment.LIVE


async def create(world: BrokerWorld, connection_id: str, account_id: str) -> Any:
    """Makes a connection of the simulation for an account."""
    request = broker_service_pb2.CreateConnectionRequest(
        connection_id=connection_id,
        adapter="simulation",
        environment=trading_pb2.ENVIRONMENT_SIMULATION,
        default_account_ids=[account_id],
    )
    return await world.broker.CreateConnection(request)
