"""Every method of BrokerService: connections of the caller's own environment are served, the others are not there."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.broker.v1 import broker_service_pb2, trade_adjustment_pb2, venue_account_pb2
from services.broker.domain.capabilities import Environment
from services.broker.domain.connection import Connection
from services.broker.pipeline.directory import ConnectionDirectory, unknown_connection
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.servicer.access import connection_interceptor, shown
from services.kernel.clock import EPOCH
from services.mesh.context import enter_call
from tests.fakes.access import LIVE, SIMULATION, Reached, call_of, caller, refusal, service_caller
from tests.fakes.broker_world import FakeBrokerAccounts

SERVICE = "ordermesh.broker.v1.BrokerService"
ADMIN, LIVE_ADMIN = caller("admin"), caller("admin", environment=LIVE)


def connection(name: str, environment: Environment) -> Connection:
    """Returns a connection."""
    return Connection(name, name, "simulation", environment, True, (), (), 1, EPOCH, EPOCH)


ALL = {
    "paper": connection("paper", Environment.SIMULATION),
    "real": connection("real", Environment.LIVE),
}


class Kept:
    """Two connections."""

    def get(self, connection_id: str) -> Connection:
        if connection_id not in ALL:
            raise unknown_connection(connection_id)
        return ALL[connection_id]


@pytest.fixture
def reached() -> Reached:
    """The service behind its interceptor."""
    kept: Any = Kept()
    return Reached(SERVICE, connection_interceptor(kept))


BY_ID: dict[str, Any] = {
    "GetConnection": broker_service_pb2.GetConnectionRequest,
    "UpdateConnection": broker_service_pb2.UpdateConnectionRequest,
    "DeleteConnection": broker_service_pb2.DeleteConnectionRequest,
    "GetCapabilities": broker_service_pb2.GetCapabilitiesRequest,
    "GetFunds": venue_account_pb2.GetFundsRequest,
    "ListVenuePositions": venue_account_pb2.ListVenuePositionsRequest,
    "ListVenueHoldings": venue_account_pb2.ListVenueHoldingsRequest,
    "ListVenueOrders": venue_account_pb2.ListVenueOrdersRequest,
    "BustTrade": trade_adjustment_pb2.BustTradeRequest,
    "CorrectTrade": trade_adjustment_pb2.CorrectTradeRequest,
}


def test_every_method_is_tried_here(reached: Reached) -> None:
    """A method that is new in the contract must say which connection its caller must reach."""
    reached.wrap_all()
    assert BY_ID.keys() | {"CreateConnection", "ListConnections"} == set(reached.methods)


@pytest.mark.parametrize("name", BY_ID)
async def test_connections_of_the_other_world_are_unknown(reached: Reached, name: str) -> None:
    """As those that there are not."""
    await reached.call(name, BY_ID[name](connection_id="paper"), ADMIN)
    await reached.call(name, BY_ID[name](connection_id="real"), LIVE_ADMIN)
    for who, connection_id in ((ADMIN, "real"), (LIVE_ADMIN, "paper"), (ADMIN, "unheard")):
        call = reached.call(name, BY_ID[name](connection_id=connection_id), who)
        assert await refusal(call) == "UNKNOWN_CONNECTION", connection_id
    assert len(reached.served) == 2


async def test_connections_are_made_in_ones_own_world(reached: Reached) -> None:
    """An admin of the simulation connects nothing to real money."""
    request = broker_service_pb2.CreateConnectionRequest
    await reached.call("CreateConnection", request(environment=SIMULATION), ADMIN)
    refused = reached.call("CreateConnection", request(environment=LIVE), ADMIN)
    assert await refusal(refused) == "PERMISSION_DENIED"


def test_lists_show_connections_of_ones_own_world() -> None:
    """All of them to a service, and none where nobody has looked at the caller."""
    kept = ConnectionDirectory({}, AccountEnvironments(FakeBrokerAccounts()))
    kept.see(tuple(ALL.values()))
    for who, told in (
        (ADMIN, ["paper"]),
        (LIVE_ADMIN, ["real"]),
        (service_caller("order"), ["paper", "real"]),
        (None, []),
    ):
        enter_call(call_of(who))
        assert [each.connection_id for each in kept.list_after("", 10, "", shown)] == told
    assert [each.connection_id for each in kept.list_after("", 10)] == ["paper", "real"]
