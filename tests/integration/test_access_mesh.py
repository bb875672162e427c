"""A whole mesh that looks at who calls: users through the gateway, services among themselves, attackers around it."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
import pytest_asyncio

from deploy.embedded.certificates import OPERATOR
from deploy.embedded.mesh import Mesh
from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc
from ordermesh.order.v1 import order_service_pb2_grpc, trade_stream_pb2
from ordermesh.risk.v1 import reservation_service_pb2, reservation_service_pb2_grpc
from services.mesh.status import from_rpc_error
from tests.fixtures.access_mesh import SETTINGS, User, admin, anybody, instrument, limit, made, resting, trader
from tests.fixtures.command import ordermesh
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.users import PASSWORD

__all__ = ["admin", "anybody", "trader"]

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """Everything but the trading agents, and everybody must prove who they are."""
    async with running_mesh(tmp_path_factory.mktemp("guarded"), WITHOUT_AGENTS, SETTINGS) as running:
        yield running


async def test_a_trader_trades_for_their_account_alone(admin: User, trader: User) -> None:
    """The way to the venue and back works among services that prove who they are; nobody else sees the order."""
    name = await instrument(admin)
    order_id = await resting(trader, "demo", name)
    account = f"a-{uuid.uuid4().hex[:8]}"
    other = await made(admin, "TRADER", account)
    await resting(other, account, name)
    for verb, path in (("GET", ""), ("DELETE", ""), ("GET", "/history")):
        assert await other.refused(verb, f"/api/v1/orders/{order_id}{path}") == (404, "UNKNOWN_ORDER"), path
    assert await other.refused("POST", "/api/v1/orders", json=limit("demo", name)) == (403, "PERMISSION_DENIED")
    for path in ("orders", "trades", "stream/orders"):
        query = {"account_id": "demo"}
        assert await other.refused("GET", f"/api/v1/{path}", params=query) == (403, "PERMISSION_DENIED"), path
    told = await trader.good("GET", "/api/v1/orders", params={"account_id": "demo"})
    assert order_id in [order["order_id"] for order in told["orders"]]
    assert await trader.refused("GET", "/api/v1/orders") == (403, "PERMISSION_DENIED")


async def test_compliance_sees_and_a_risk_manager_stops(admin: User, trader: User) -> None:
    """Compliance reads what is of others and changes nothing; a risk manager cancels and places nothing."""
    name = await instrument(admin)
    order_id = await resting(trader, "demo", name)
    compliance, risk_manager = await made(admin, "COMPLIANCE"), await made(admin, "RISK_MANAGER")
    for user in (compliance, risk_manager, admin):
        assert (await user.good("GET", f"/api/v1/orders/{order_id}"))["order"]["account_id"] == "demo"
        assert await user.refused("POST", "/api/v1/orders", json=limit("demo", name)) == (403, "PERMISSION_DENIED")
    for user in (compliance, admin):
        assert await user.refused("DELETE", f"/api/v1/orders/{order_id}") == (403, "PERMISSION_DENIED")
    await risk_manager.good("DELETE", f"/api/v1/orders/{order_id}")


async def test_a_user_of_the_other_world_reaches_nothing(admin: User, trader: User, anybody: User) -> None:
    """An order of the simulation is unknown to who lives among real money."""
    order_id = await resting(trader, "demo", await instrument(admin))
    body = {"username": f"l-{uuid.uuid4().hex[:12]}", "password": PASSWORD, "environment": "ENVIRONMENT_LIVE"}
    await anybody.good("POST", "/api/v1/auth/register", json=body)
    live = await anybody.login(body["username"], "ENVIRONMENT_LIVE")
    assert await live.refused("GET", f"/api/v1/orders/{order_id}") == (404, "UNKNOWN_ORDER")
    query = {"account_id": "demo"}
    for path in ("orders", "trades", "positions", "risk/metrics"):
        assert await live.refused("GET", f"/api/v1/{path}", params=query) == (403, "PERMISSION_DENIED"), path
    assert await live.refused("GET", "/api/v1/brokers/simulation") == (404, "UNKNOWN_CONNECTION")
    for path, name in (("accounts", "accounts"), ("portfolios", "portfolios"), ("brokers", "connections")):
        assert (await live.good("GET", f"/api/v1/{path}"))[name] == [], path


async def test_without_a_token_nothing_but_what_is_public(anybody: User, trader: User) -> None:
    """Health and keys are told to everybody; a token that was changed is none."""
    for path in ("/health", "/.well-known/jwks.json"):
        await anybody.good("GET", path)
    forged = User(anybody.rest, trader.token[:-6] + "AAAAAA")
    for user in (anybody, forged):
        for path in ("orders", "accounts", "market-data/symbols", "risk/parameters", "brokers", "users"):
            assert await user.refused("GET", f"/api/v1/{path}") == (401, "INVALID_TOKEN"), path


async def test_internal_rpcs_are_for_services_around_the_gateway_too(guarded: Mesh, admin: User) -> None:
    """Whoever finds the port of a service needs a certificate; a client's, the gateway's and another's do not do."""
    request = reservation_service_pb2.CheckOrderRequest()
    async with grpc.aio.insecure_channel(guarded.address("risk")) as plain:
        risk: Any = reservation_service_pb2_grpc.ReservationServiceStub(plain)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await risk.CheckOrder(request, metadata=admin.metadata)
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    for name in (OPERATOR, "gateway", "portfolio", "supervisor"):
        for metadata in ((), admin.metadata):
            async with guarded.channel("risk", name) as channel:
                risk = reservation_service_pb2_grpc.ReservationServiceStub(channel)
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await risk.CheckOrder(request, metadata=metadata)
                assert from_rpc_error(failure.value).reason == "PERMISSION_DENIED"
    async with guarded.channel("risk", "order") as channel:
        risk = reservation_service_pb2_grpc.ReservationServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await risk.CheckOrder(request)
        # Let in, and told what is wrong with the request.
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    async with grpc.aio.insecure_channel(guarded.address("gateway")) as channel:
        log: Any = event_log_service_pb2_grpc.EventLogServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await log.ReadEvents(event_log_service_pb2.ReadEventsRequest(), metadata=admin.metadata)
        assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_client_may_call_a_service_itself(guarded: Mesh, trader: User) -> None:
    """With a certificate of its own for the connection, and its user's token for what it may do."""
    file = guarded.local.certificates.authority.issue_client("desk", timedelta(hours=1)).read_bytes()
    credentials = grpc.ssl_channel_credentials(
        guarded.local.certificates.authority.certificate.read_bytes(), file, file
    )
    opening = trade_stream_pb2.TradeOpen(account_id="demo")
    async with grpc.aio.secure_channel(guarded.address("order"), credentials) as channel:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(channel)
        call = stub.Trade(iter([trade_stream_pb2.TradeRequest(open=opening)]), metadata=trader.metadata)
        assert (await call.read()).HasField("subscribed")
        # Refused for its metadata alone: with a request on its way, gRPC's client may tell the refusal as INTERNAL.
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await stub.Trade().read()
        assert from_rpc_error(failure.value).reason == "INVALID_TOKEN"


async def test_a_stream_of_commands_is_of_an_account_that_is_reached(guarded: Mesh, trader: User, admin: User) -> None:
    """Over gRPC: it opens for the trader's account; for another's, and for who trades for nobody, it does not."""
    opening = trade_stream_pb2.TradeOpen(account_id="demo")
    request = trade_stream_pb2.TradeRequest(open=opening)
    account = f"a-{uuid.uuid4().hex[:8]}"
    other = await made(admin, "DEALER", account)
    async with grpc.aio.insecure_channel(guarded.address("gateway")) as channel:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(channel)
        call = stub.Trade(iter([request]), metadata=trader.metadata)
        assert (await call.read()).HasField("subscribed")
        for user in (other, admin):
            call = stub.Trade(metadata=user.metadata)
            await call.write(request)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await call.read()
            assert from_rpc_error(failure.value).reason == "PERMISSION_DENIED"


async def test_the_command_shows_a_token(guarded: Mesh, trader: User) -> None:
    """From its environment; without one it says what is missing."""
    refused = await ordermesh(guarded, "orders")
    assert (refused.code, "INVALID_TOKEN" in refused.err) == (1, True)
    told = await ordermesh(guarded, "orders", "--json", ORDERMESH_ACCESS_TOKEN=trader.token)
    assert told.code == 0, told.err
