"""Who is let in by the real server, what servicers learn of them, and how long a stream lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from ordermesh.event.v1 import event_log_service_pb2 as log_pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as log_rpc
from ordermesh.order.v1 import order_query_pb2, order_service_pb2_grpc, order_stream_pb2
from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_service_pb2_grpc
from ordermesh.system.v1 import system_service_pb2, system_service_pb2_grpc
from ordermesh.type.v1 import access_pb2, stream_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.access.certificates import SERVICE
from services.mesh.access.life import GRACE_SECONDS
from services.mesh.access.rules import NoAccessRuleError, Rule, rule_of
from services.mesh.context import Call, current_call
from services.mesh.server import Server
from services.mesh.telemetry import Telemetry
from tests.fakes.access import FakeIdentity, guard
from tests.fakes.certificates import SERVER, FakeCompany
from tests.fakes.clock import FakeClock
from tests.fakes.mesh_servicers import Log
from tests.fakes.timers import FakeTimers
from tests.fixtures.serving import serving

CLOCK = FakeClock()


class Desk(
    order_service_pb2_grpc.OrderServiceServicer,
    portfolio_service_pb2_grpc.PortfolioServiceServicer,
    system_service_pb2_grpc.SystemServiceServicer,
):
    """Keeps the calls that were let in."""

    def __init__(self) -> None:
        self.calls: list[Call | None] = []

    async def GetOrder(self, request: Any, context: Any) -> order_query_pb2.GetOrderResponse:  # noqa: N802 - the contract's name
        self.calls.append(current_call())
        return order_query_pb2.GetOrderResponse()

    async def CancelOrder(self, request: Any, context: Any) -> Any:  # noqa: N802 - the contract's name
        raise AssertionError("nobody is let in here")

    async def GetAccount(self, request: Any, context: Any) -> account_admin_pb2.GetAccountResponse:  # noqa: N802 - the contract's name
        self.calls.append(current_call())
        return account_admin_pb2.GetAccountResponse()

    async def GetHealth(self, request: Any, context: Any) -> system_service_pb2.GetHealthResponse:  # noqa: N802 - the contract's name
        self.calls.append(current_call())
        return system_service_pb2.GetHealthResponse()

    async def StreamOrders(  # noqa: N802 - the contract's name
        self, request: Any, context: Any
    ) -> AsyncIterator[order_stream_pb2.StreamOrdersResponse]:
        self.calls.append(current_call())
        yield order_stream_pb2.StreamOrdersResponse(heartbeat=stream_pb2.Heartbeat(sequence=1))
        await asyncio.Event().wait()


@pytest.fixture
def identity() -> FakeIdentity:
    """Who signs access tokens."""
    return FakeIdentity(CLOCK)


@pytest.fixture
def company(tmp_path: Path) -> FakeCompany:
    """The services of the mesh."""
    return FakeCompany(tmp_path)


ORDERS = order_service_pb2_grpc.add_OrderServiceServicer_to_server
GET = order_query_pb2.GetOrderRequest(order_id="01890000-0000-7000-8000-000000000000")


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    """Returns the metadata of a user."""
    return (("authorization", f"Bearer {token}"),)


async def refused(call: Any) -> tuple[ErrorKind, str]:
    """Returns why a call was refused."""
    with pytest.raises(CodedError) as failure:
        await call
    return failure.value.kind, failure.value.reason


NO_TOKEN = (ErrorKind.UNAUTHENTICATED, "INVALID_TOKEN")
DENIED = (ErrorKind.PERMISSION, "PERMISSION_DENIED")


async def test_servicers_learn_who_calls(identity: FakeIdentity) -> None:
    """The user of the token, and those of their roles by which they may make this very call."""
    desk = Desk()
    async with serving(ORDERS, desk, access=guard(identity)) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        for _ in range(2):
            await stub.GetOrder(GET, metadata=bearer(identity.token(roles=["dealer", "admin", "service"])))
    first, second = desk.calls
    assert first is not None
    assert second is not None
    assert first.caller is not None
    assert (first.caller.name, first.caller.accounts, first.caller.is_service) == ("user-1", {"demo"}, False)
    assert first.roles == second.roles == {access_pb2.ROLE_DEALER, access_pb2.ROLE_ADMIN}
    assert first.caller == second.caller


async def test_users_need_a_token_a_role_and_a_scope(identity: FakeIdentity, company: FakeCompany) -> None:
    """Without a token, with two, with another scheme, role or scope nobody gets to the servicer."""
    desk = Desk()
    server, risk = company.service(SERVER), company.service("risk")
    async with serving(ORDERS, desk, access=guard(identity), certificate=server, as_=risk) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        assert await refused(stub.GetOrder(GET)) == NO_TOKEN
        good = bearer(identity.token())
        assert await refused(stub.GetOrder(GET, metadata=good + good)) == NO_TOKEN
        basic = (("authorization", f"Basic {identity.token()}"),)
        assert await refused(stub.GetOrder(GET, metadata=basic)) == NO_TOKEN
        service = bearer(identity.token(roles=["service"]))
        assert await refused(stub.GetOrder(GET, metadata=service)) == DENIED
        trade_only = bearer(identity.token(scopes=["trade"]))
        assert await refused(stub.GetOrder(GET, metadata=trade_only)) == DENIED
        lacking: list[dict[str, Any]] = [{"roles": ["compliance"]}, {"scopes": ["read"]}, {"roles": []}]
        for changes in lacking:
            metadata = bearer(identity.token(**changes))
            assert await refused(stub.CancelOrder(GET, metadata=metadata)) == DENIED, changes
        # The token is looked at before the request: who is nobody is not told what is wrong with it.
        assert await refused(stub.GetOrder(order_query_pb2.GetOrderRequest())) == NO_TOKEN
    assert desk.calls == []


async def test_what_is_internal_is_for_the_services_that_it_names(identity: FakeIdentity, company: FakeCompany) -> None:
    """Another service is refused, and a user whatever they are, also one with the role of services."""
    register, server = log_rpc.add_EventLogServiceServicer_to_server, company.service(SERVER)
    callers = {"portfolio": company.service("portfolio"), "risk": company.service("risk")}
    # A client may have whatever name it likes.
    callers["a client"] = company.client("portfolio")
    for name, certificate in callers.items():
        async with serving(register, Log(), access=guard(identity), certificate=server, as_=certificate) as served:
            stub: Any = log_rpc.EventLogServiceStub(served.channel)
            call = stub.ReadEvents(log_pb.ReadEventsRequest())
            if name == "portfolio":
                assert (await call).last_sequence == 1
                continue
            assert await refused(call) == DENIED
            admin = bearer(identity.token(roles=["admin", "service"], sub="portfolio"))
            assert await refused(stub.ReadEvents(log_pb.ReadEventsRequest(), metadata=admin)) == DENIED


async def test_without_encryption_nobody_is_a_service(identity: FakeIdentity) -> None:
    """What can be written into a header proves nothing."""
    register, shown = log_rpc.add_EventLogServiceServicer_to_server, (("peer_spiffe_id", f"{SERVICE}portfolio"),)
    async with serving(register, Log(), access=guard(identity)) as served:
        stub: Any = log_rpc.EventLogServiceStub(served.channel)
        assert await refused(stub.ReadEvents(log_pb.ReadEventsRequest(), metadata=shown)) == DENIED


async def test_a_service_that_shows_a_users_token_acts_for_the_user(
    identity: FakeIdentity, company: FakeCompany
) -> None:
    """What is passed on is allowed as far as the user is; of itself the service calls what names it."""
    desk, request = Desk(), account_admin_pb2.GetAccountRequest(account_id="demo")
    register = portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server
    server, risk = company.service(SERVER), company.service("risk")
    async with serving(register, desk, access=guard(identity), certificate=server, as_=risk) as served:
        stub: Any = portfolio_service_pb2_grpc.PortfolioServiceStub(served.channel)
        await stub.GetAccount(request)
        await stub.GetAccount(request, metadata=bearer(identity.token()))
        assert await refused(stub.GetAccount(request, metadata=bearer(identity.token(scopes=[])))) == DENIED
    assert [call.caller.name for call in desk.calls if call and call.caller] == ["risk", "user-1"]


async def test_what_is_public_wants_nothing(identity: FakeIdentity) -> None:
    """Nobody looks at who calls, and a token that is not good does no harm."""
    desk, register = Desk(), system_service_pb2_grpc.add_SystemServiceServicer_to_server
    async with serving(register, desk, access=guard(identity)) as served:
        stub: Any = system_service_pb2_grpc.SystemServiceStub(served.channel)
        await stub.GetHealth(system_service_pb2.GetHealthRequest())
        await stub.GetHealth(system_service_pb2.GetHealthRequest(), metadata=bearer("no token"))
    assert [call.caller for call in desk.calls if call is not None] == [None, None]
    assert identity.asked == 0


async def test_a_users_stream_ends_with_their_token() -> None:
    """Also one that does not say so itself: in the middle of waiting, with a status that says why."""
    told: list[Any] = []
    request, clock = order_stream_pb2.StreamOrdersRequest(account_id="demo"), FakeClock()
    identity, timers = FakeIdentity(clock), FakeTimers(clock)
    async with serving(ORDERS, Desk(), access=guard(identity, timers)) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        call = stub.StreamOrders(request, metadata=bearer(identity.token()))
        told.append(await call.read())
        timers.advance(300 + GRACE_SECONDS)
        with pytest.raises(CodedError) as failure:
            await call.read()
    assert timers.planned == 0
    assert (failure.value.kind, failure.value.reason) == NO_TOKEN
    assert [message.heartbeat.sequence for message in told] == [1]


UNSAID = "ordermesh.test.v1.SilentService"


def silent_service() -> None:
    """Adds a contract that does not say who may call its RPC."""
    file = FileDescriptorProto(name="ordermesh/test/v1/silent.proto", package="ordermesh.test.v1", syntax="proto3")
    file.message_type.add(name="Nothing")
    nothing = ".ordermesh.test.v1.Nothing"
    file.service.add(name="SilentService").method.add(name="Ask", input_type=nothing, output_type=nothing)
    descriptor_pool.Default().AddSerializedFile(file.SerializeToString())


async def test_an_rpc_that_says_nothing_does_not_start() -> None:
    """Nor does one of no contract: nobody knows who may call it."""
    silent_service()
    server = Server(Telemetry("test"))
    for service in (UNSAID, "ordermesh.test.v1.UnheardService"):

        def register(servicer: object, at: Any, name: str = service) -> None:
            at.add_registered_method_handlers(name, {"Ask": servicer})

        with pytest.raises(NoAccessRuleError, match=f"/{service}/Ask"):
            server.add(register, object())


def test_rules_are_those_of_the_contract() -> None:
    """Roles and scope of the access, services by name, or everybody."""
    nobody: frozenset[int] = frozenset()
    portfolio, everybody = "ordermesh.portfolio.v1.PortfolioService", frozenset({1, 2, 3, 4, 5})
    assert rule_of(portfolio, "GetAccount") == Rule(
        False, everybody, access_pb2.SCOPE_READ, frozenset({"broker", "order", "risk"})
    )
    assert rule_of("ordermesh.event.v1.EventLogService", "ReadEvents") == Rule(
        False, nobody, 0, frozenset({"portfolio"})
    )
    assert rule_of("ordermesh.identity.v1.IdentityService", "Login") == Rule(True, nobody, 0, frozenset())
