"""Connections made, changed, listed and deleted by their rules."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.broker.v1 import broker_connection_pb2, broker_service_pb2, route_query_pb2, venue_account_pb2
from ordermesh.type.v1 import trading_pb2
from services.broker.domain.capabilities import Environment
from services.broker.pipeline.connections import Wish
from services.kernel.errors import CodedError, ErrorKind
from tests.fakes.broken_off import broken_off
from tests.fakes.broker_world import BrokerWorld, broker_world, new_order, order_bytes
from tests.fixtures.waiting import eventually

SIMULATION = trading_pb2.ENVIRONMENT_SIMULATION
UP = broker_connection_pb2.CONNECTION_STATE_UP
DOWN = broker_connection_pb2.CONNECTION_STATE_DOWN


@pytest_asyncio.fixture
async def world() -> AsyncIterator[BrokerWorld]:
    async with broker_world() as running:
        yield running


async def create(world: BrokerWorld, connection_id: str = "second", **values: Any) -> Any:
    terms: dict[str, Any] = {"connection_id": connection_id, "adapter": "simulation", "environment": SIMULATION}
    request = broker_service_pb2.CreateConnectionRequest(**(terms | values))
    return (await world.broker.CreateConnection(request)).connection


async def refused(call: Any, request: Any) -> CodedError:
    with pytest.raises(CodedError) as failure:
        await call(request)
    return failure.value


async def test_built_in_connection_is_there(world: BrokerWorld) -> None:
    """Every installation has the connection `simulation`; it cannot be deleted."""
    request = broker_service_pb2.GetConnectionRequest(connection_id="simulation")
    connection = (await world.broker.GetConnection(request)).connection
    assert (connection.built_in, connection.enabled, connection.adapter, connection.version) == (
        True,
        True,
        "simulation",
        1,
    )
    error = await refused(
        world.broker.DeleteConnection, broker_service_pb2.DeleteConnectionRequest(connection_id="simulation")
    )
    assert (error.kind, error.reason) == (ErrorKind.PRECONDITION, "CONNECTION_IN_USE")


async def test_built_in_connection_is_made_once() -> None:
    """A second start finds the built-in connection and leaves it as it is."""
    async with broker_world() as first:
        update = broker_service_pb2.UpdateConnectionRequest(connection_id="simulation", display_name="Mine")
        await first.broker.UpdateConnection(update)
    async with broker_world(first.store) as second:
        request = broker_service_pb2.GetConnectionRequest(connection_id="simulation")
        assert (await second.broker.GetConnection(request)).connection.display_name == "Mine"


async def test_created_connection_is_told(world: BrokerWorld) -> None:
    """A connection made without an id gets one; its name is the id unless given; credentials are told by name only."""
    named = await create(world, credentials={"api_key": "abc"}, display_name="Second")
    unnamed = await create(world, "")
    assert (named.display_name, list(named.credential_names)) == ("Second", ["api_key"])
    assert "abc" not in str(named)
    assert unnamed.display_name == unnamed.connection_id
    assert len(unnamed.connection_id) == 36
    assert world.store.secrets == {("second", "api_key"): "abc"}


async def test_taken_id_or_account_is_refused(world: BrokerWorld) -> None:
    """An id that is taken, or an account with another default, is refused with ALREADY_EXISTS."""
    await create(world, default_account_ids=["a"])
    for values in ({}, {"connection_id": "third", "default_account_ids": ["a"]}):
        with pytest.raises(CodedError) as failure:
            await create(world, **values)  # type: ignore[arg-type]  # as each case says
        assert failure.value.reason == "ALREADY_EXISTS"


@pytest.mark.parametrize(
    ("values", "reason", "field"),
    [
        ({"adapter": "zerodha"}, "NOT_SUPPORTED_BY_ADAPTER", "adapter"),
        ({"environment": trading_pb2.ENVIRONMENT_LIVE}, "NOT_SUPPORTED_BY_ADAPTER", "environment"),
        ({"credentials": {"password": "x"}}, "NOT_SUPPORTED_BY_ADAPTER", "credentials"),
        ({"environment": trading_pb2.ENVIRONMENT_UNSPECIFIED}, "INVALID_FIELD", "environment"),
        ({"environment": 77}, "INVALID_FIELD", "environment"),
        ({"adapter": ""}, "INVALID_FIELD", "adapter"),
        ({"connection_id": "No Spaces"}, "INVALID_FIELD", "connection_id"),
        ({"default_account_ids": ["a", "a"]}, "INVALID_FIELD", "default_account_ids"),
        ({"credentials": {"api_key": ""}}, "INVALID_FIELD", "credentials['api_key']"),
    ],
)
async def test_bad_input_names_its_field(world: BrokerWorld, values: Any, reason: str, field: str) -> None:
    """What the adapter does not offer or the contract does not allow is refused, naming the field; nothing is made."""
    with pytest.raises(CodedError) as failure:
        await create(world, **values)
    assert (failure.value.kind, failure.value.reason) == (ErrorKind.INVALID, reason)
    assert failure.value.violations[0].field == field
    assert set(world.store.connections) == {"simulation"}


async def test_update_replaces_and_counts(world: BrokerWorld) -> None:
    """A change replaces name and accounts, adds and forgets credentials, and is refused for an old version."""
    await create(world, credentials={"api_key": "a", "api_secret": "b"}, default_account_ids=["x"])
    update = broker_service_pb2.UpdateConnectionRequest(
        connection_id="second",
        display_name="Renamed",
        default_account_ids=["y"],
        credentials={"api_key": "c"},
        forget_credentials=["api_secret"],
        version=1,
    )
    changed = (await world.broker.UpdateConnection(update)).connection
    assert (changed.display_name, list(changed.default_account_ids), changed.version) == ("Renamed", ["y"], 2)
    assert world.store.secrets == {("second", "api_key"): "c"}
    assert world.directory.default_of("y") == "second"
    assert world.directory.default_of("x") == "simulation"
    error = await refused(world.broker.UpdateConnection, update)
    assert (error.kind, error.reason) == (ErrorKind.ABORTED, "VERSION_MISMATCH")


async def test_failed_store_changes_nothing(world: BrokerWorld) -> None:
    """A change that cannot be stored is told so, and is not seen."""
    await create(world)
    world.store.broken = True
    request = broker_service_pb2.UpdateConnectionRequest(connection_id="second", display_name="Lost")
    assert (await refused(world.broker.UpdateConnection, request)).reason == "STORE_UNAVAILABLE"
    assert world.directory.get("second").display_name == "second"


async def test_list_goes_by_pages(world: BrokerWorld) -> None:
    """Connections are listed by id, in pages, by kind of adapter; a token of another filter is refused."""
    for name in ("a", "b", "c"):
        await create(world, name)
    told: list[str] = []
    token = ""
    while True:
        request = broker_service_pb2.ListConnectionsRequest(page_size=2, page_token=token)
        page = await world.broker.ListConnections(request)
        told += [connection.connection_id for connection in page.connections]
        if not (token := page.next_page_token):
            break
        first_token = token
    assert told == ["a", "b", "c", "simulation"]
    none = await world.broker.ListConnections(broker_service_pb2.ListConnectionsRequest(adapter="other"))
    assert not none.connections
    error = await refused(
        world.broker.ListConnections,
        broker_service_pb2.ListConnectionsRequest(adapter="simulation", page_token=first_token),
    )
    assert error.reason == "INVALID_PAGE_TOKEN"


async def test_state_is_the_venues(world: BrokerWorld) -> None:
    """A connection is up while its venue answers, down with the reason when it does not, with or without a route."""
    request = broker_service_pb2.GetConnectionRequest(connection_id="simulation")
    assert (await world.broker.GetConnection(request)).connection.state == UP
    async with world.route() as route:
        await route.up()
        assert (await world.broker.GetConnection(request)).connection.state == UP
    await world.stop_engine()
    down = (await world.broker.GetConnection(request, timeout=20)).connection
    assert down.state == DOWN
    assert down.state_text


async def test_capabilities(world: BrokerWorld) -> None:
    """The simulation takes every type but those that wait here, every time in force, and ignores what it has seen."""
    request = broker_service_pb2.GetCapabilitiesRequest(connection_id="simulation")
    told = (await world.broker.GetCapabilities(request)).capabilities
    assert list(told.order_types) == [
        trading_pb2.ORDER_TYPE_MARKET,
        trading_pb2.ORDER_TYPE_LIMIT,
        trading_pb2.ORDER_TYPE_STOP,
        trading_pb2.ORDER_TYPE_STOP_LIMIT,
    ]
    assert list(told.times_in_force) == trading_pb2.TimeInForce.values()[1:]
    assert told.takes_post_only
    assert told.takes_display_quantity
    assert told.deduplicates_commands
    assert told.recovers_reports
    assert list(told.environments) == [SIMULATION]


@pytest.mark.parametrize(
    ("call", "request_of"),
    [
        ("GetConnection", broker_service_pb2.GetConnectionRequest),
        ("UpdateConnection", broker_service_pb2.UpdateConnectionRequest),
        ("DeleteConnection", broker_service_pb2.DeleteConnectionRequest),
        ("GetCapabilities", broker_service_pb2.GetCapabilitiesRequest),
        ("GetFunds", venue_account_pb2.GetFundsRequest),
        ("ListVenuePositions", venue_account_pb2.ListVenuePositionsRequest),
        ("ListVenueHoldings", venue_account_pb2.ListVenueHoldingsRequest),
        ("ListVenueOrders", venue_account_pb2.ListVenueOrdersRequest),
    ],
)
async def test_unknown_connection_is_told(world: BrokerWorld, call: str, request_of: Any) -> None:
    """Whatever is asked of a connection that does not exist fails with NOT_FOUND and UNKNOWN_CONNECTION."""
    error = await refused(getattr(world.broker, call), request_of(connection_id="nowhere"))
    assert (error.kind, error.reason) == (ErrorKind.NOT_FOUND, "UNKNOWN_CONNECTION")


async def test_venue_that_cannot_be_asked_refuses_delete(world: BrokerWorld) -> None:
    """While the venue cannot be asked for open orders, a connection that traded cannot be deleted."""
    await create(world)
    async with world.route() as route:
        await route.up(connection_id="second")
        await route.send(new_order(1, "second"))
        await route.reported(1)
    await world.stop_engine()
    request = broker_service_pb2.DeleteConnectionRequest(connection_id="second")
    with pytest.raises(CodedError) as failure:
        await world.broker.DeleteConnection(request, timeout=30)
    assert failure.value.reason == "VENUE_UNAVAILABLE"
    assert "second" in world.store.connections


async def test_books_follow_fills_over_connections_and_restarts() -> None:
    """Positions and funds are those of the connection's fills, over all shards, also when some were missed."""
    async with broker_world(fee="0.01") as world:
        async with world.route(0) as first, world.route(1) as second:
            await first.up()
            await second.up()
            sale: dict[str, Any] = {
                "instrument": "BTC-USDT.BINANCE",
                "quantity": "0.5",
                "limit_price": "60000",
                "side": 2,
            }
            await first.send(new_order(1), new_order(2, **sale))
            await second.send(new_order(1))
            await first.reported(2)
            await second.reported(1)
            world.engine.fill("simulation/0", order_bytes(1), 10, 10_000)
            world.engine.fill("simulation/0", order_bytes(2), 500, 600_000, taker=False)
            await first.reported(4)
        await world.books.save()
        # These come while no stream is open.
        world.engine.fill("simulation/1", order_bytes(1), 10, 12_000)
    async with broker_world(world.store, fee="0.01") as again:
        again.engine.epoch, again.engine.participants = world.engine.epoch, world.engine.participants
        funds = await again.broker.GetFunds(venue_account_pb2.GetFundsRequest(connection_id="simulation"))
        request = venue_account_pb2.ListVenuePositionsRequest(connection_id="simulation", page_size=1)
        page = await again.broker.ListVenuePositions(request)
        request.page_token = page.next_page_token
        last = await again.broker.ListVenuePositions(request)
        held = await again.broker.ListVenueHoldings(
            venue_account_pb2.ListVenueHoldingsRequest(connection_id="simulation", page_size=1)
        )
    assert [(each.currency, each.balance, each.fees) for each in funds.funds] == [
        ("USD", "-2222", "22"),
        ("USDT", "30000", "0"),
    ]
    assert [(each.instrument, each.quantity, each.average_price) for each in held.holdings] == [
        ("AAPL.XNAS", "20", "110")  # what was sold short is no holding
    ]
    assert held.next_page_token == ""
    aapl, btc = page.positions[0], last.positions[0]
    assert (aapl.instrument, aapl.quantity, aapl.average_price, aapl.bought_quantity) == (
        "AAPL.XNAS",
        "20",
        "110",
        "20",
    )
    assert (btc.instrument, btc.quantity, btc.average_price, btc.sold_quantity) == (
        "BTC-USDT.BINANCE",
        "-0.5",
        "60000",
        "0.5",
    )
    assert not last.next_page_token


async def test_orders_are_listed_by_the_venues_id_in_pages(world: BrokerWorld) -> None:
    """Open orders are listed in the venue's order of numbers, in pages."""
    async with world.route() as route:
        await route.up()
        await route.send(*(new_order(number) for number in range(1, 13)))
        await route.reported(12)
        told: list[str] = []
        request = venue_account_pb2.ListVenueOrdersRequest(connection_id="simulation", page_size=5)
        while True:
            page = await world.broker.ListVenueOrders(request)
            told += [order.venue_order_id for order in page.orders]
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token
    assert told == [str(number) for number in range(1, 13)]


async def test_the_route_of_an_order() -> None:
    """The connection named, else the account's own, else the simulation; with its state and its fee rate."""
    async with broker_world(fee="0.0005") as world:
        await create(world, connection_id="mine", default_account_ids=["a"])

        async def route(account_id: str, connection_id: str = "") -> Any:
            request = route_query_pb2.QueryRouteRequest(account_id=account_id, connection_id=connection_id)
            return await world.routing.QueryRoute(request)

        assert (await route("a")).connection.connection_id == "mine"
        assert (await route("b")).connection.connection_id == "simulation"
        named = await route("a", "simulation")
        assert named.connection.state == broker_connection_pb2.CONNECTION_STATE_UP
        assert (named.connection.connection_id, named.capabilities.taker_fee_rate) == ("simulation", "0.0005")
        with pytest.raises(CodedError, match="UNKNOWN_CONNECTION"):
            await route("a", "nowhere")
        await world.stop_engine()
        await eventually(lambda: world.routes.up("mine") in (None, False))
        down = (await route("a")).connection
        assert (down.state, bool(down.state_text)) == (broker_connection_pb2.CONNECTION_STATE_DOWN, True)


async def test_a_change_that_is_broken_off_is_seen_by_the_next(
    world: BrokerWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether it took effect: what is stored is looked at first, else all would be of an old version."""
    wish = Wish("Second", enabled=True, default_account_ids=("a",), credentials={})
    making = world.connections.create("second", "simulation", Environment.SIMULATION, wish)
    await broken_off(monkeypatch, world.store, "insert", making)
    changed = await world.connections.update("second", 1, replace(wish, display_name="Mine"))
    assert (changed.version, changed.display_name, world.directory.default_of("a")) == (2, "Mine", "second")
    await broken_off(monkeypatch, world.store, "update", world.connections.update("second", 2, wish))
    assert (await world.connections.update("second", 0, wish)).version == 4
    await broken_off(monkeypatch, world.store, "delete", world.connections.delete("second", 0))
    with pytest.raises(CodedError, match="UNKNOWN_CONNECTION"):
        await world.connections.update("second", 0, wish)
    assert (world.directory.known("second"), world.directory.default_of("a")) == (False, "simulation")


async def test_a_change_that_is_refused_leaves_no_doubt(world: BrokerWorld) -> None:
    """The store was not told of it, so that nothing has to be loaded anew; after one that the store refused it is."""
    wish = Wish("Second", enabled=True, default_account_ids=("a",), credentials={})
    await world.connections.create("second", "simulation", Environment.SIMULATION, wish)
    loads = world.store.loads
    for refused, told in (
        (world.connections.update("second", 7, wish), "VERSION_MISMATCH"),
        (world.connections.update("nowhere", 0, wish), "UNKNOWN_CONNECTION"),
        (world.connections.delete("simulation", 0), "CONNECTION_IN_USE"),
    ):
        with pytest.raises(CodedError, match=told):
            await refused
    await world.connections.update("second", 1, wish)
    assert world.store.loads == loads
    world.store.connections["second"] = replace(world.store.connections["second"], version=5)
    with pytest.raises(CodedError, match="VERSION_MISMATCH"):
        await world.connections.update("second", 0, wish)
    assert (await world.connections.update("second", 0, wish)).version == 6
    assert world.store.loads == loads + 1
