"""Errors and constraints through the real server and client: what the caller is told, and what not."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.event.v1 import event_log_service_pb2 as pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc, order_stream_pb2
from ordermesh.type.v1 import risk_breach_pb2, trading_pb2
from services.kernel.errors import CodedError, ErrorKind, FieldViolation, exhausted
from services.mesh.names import DOMAIN
from services.mesh.status import DETAILS_KEY
from tests.fakes.mesh_servicers import Echo, Log, Orders, drain, raising
from tests.fixtures.serving import Serving, serving


async def test_a_coded_error_crosses_the_wire_whole(log: Log, stub: Any) -> None:
    """Kind, reason, message, fields, metadata, retry time and details are the same at the caller."""
    breach = risk_breach_pb2.RiskBreach(rule=risk_breach_pb2.RISK_RULE_PRICE_BAND, limit="5", observed="7")
    sent = CodedError(
        ErrorKind.PRECONDITION,
        "RISK_LIMIT_EXCEEDED",
        "too far",
        violations=(FieldViolation("orders[3].limit_price", "too far off"),),
        metadata={"limit": "5"},
        retry_after_seconds=1.5,
        details=(breach,),
    )
    log.answer = raising(sent)
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(pb.ReadEventsRequest())
    for name in ("kind", "reason", "message", "violations", "metadata", "retry_after_seconds", "details"):
        assert getattr(caught.value, name) == getattr(sent, name), name


async def test_any_client_can_read_the_details(log: Log, served: Serving) -> None:
    """On the wire it is a google.rpc.Status with an ErrorInfo of our domain."""
    log.answer = raising(exhausted("OVERLOADED", "later", retry_after_seconds=0.25))
    async with grpc.aio.insecure_channel(served.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.EventLogServiceStub(channel).ReadEvents(pb.ReadEventsRequest())
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    told = dict(caught.value.trailing_metadata() or ())
    assert told["retry-after"] == "1"
    status = status_pb2.Status.FromString(told[DETAILS_KEY])
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert (info.reason, info.domain) == ("OVERLOADED", DOMAIN)
    assert status.details[1].Unpack(retry)
    assert retry.retry_delay.ToMilliseconds() == 250


async def test_an_unexpected_error_tells_only_its_id(log: Log, stub: Any, caplog: pytest.LogCaptureFixture) -> None:
    """The caller learns the id under which the fault is logged, and nothing else of it."""
    log.answer = raising(RuntimeError("password=hunter2"))
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(pb.ReadEventsRequest())
    assert caught.value.kind is ErrorKind.INTERNAL
    assert "hunter2" not in str(caught.value)
    assert caught.value.metadata["error_id"] in caught.value.message


async def test_constraints_of_the_contract_are_held(log: Log, stub: Any) -> None:
    """A field out of bounds is refused by name and rule, and the handler is never asked."""
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(pb.ReadEventsRequest(limit=10_001))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, "INVALID_FIELD")
    assert caught.value.violations == (FieldViolation("limit", "must be less than or equal to 10000"),)
    assert log.calls == 0


async def test_fields_within_lists_are_named_with_their_index() -> None:
    """The path leads to the entry at fault."""
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        good = order_entry_pb2.PlaceOrderRequest(
            client_order_id="c",
            account_id="a",
            instrument="AAPL.XNAS",
            side=trading_pb2.SIDE_BUY,
            type=trading_pb2.ORDER_TYPE_MARKET,
            time_in_force=trading_pb2.TIME_IN_FORCE_IOC,
            quantity="1",
        )
        bad = order_entry_pb2.PlaceOrderRequest()
        bad.CopyFrom(good)
        bad.quantity = "-5"
        bad.side = 77  # type: ignore[assignment]  # no side that there is
        with pytest.raises(CodedError) as caught:
            await stub.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=[good, bad]))
    assert [violation.field for violation in caught.value.violations] == ["orders[1].side", "orders[1].quantity"]


async def test_a_broken_constraint_is_told_in_words() -> None:
    """Neither a regular expression nor a rule's name is what a caller has to read."""
    request = order_entry_pb2.PlaceOrderRequest(instrument="aapl", quantity="0", side=77, client_order_id="a")  # type: ignore[arg-type]  # no side that there is
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        with pytest.raises(CodedError) as caught:
            await stub.PlaceOrder(request)
    told = {violation.field: violation.description for violation in caught.value.violations}
    assert told["instrument"].startswith("must be an instrument's name")
    assert told["quantity"].startswith("must be a positive decimal")
    assert told["side"] == "must be one of the values that the contract names"


async def test_messages_of_a_request_stream_are_checked_too() -> None:
    """A bad message in the middle of a stream ends it with the field at fault."""
    async with serving(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, Echo()) as served:
        stub: Any = routing_service_pb2_grpc.RoutingServiceStub(served.channel)
        call = stub.Route()
        await call.write(routing_service_pb2.RouteRequest())
        with pytest.raises(CodedError) as caught:
            await call.read()
    assert caught.value.reason == "INVALID_FIELD"


async def test_an_error_in_a_stream_comes_after_what_was_sent() -> None:
    """Messages before the failure arrive; then the coded error does."""
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        call = stub.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id="demo"))
        got: list[Any] = []
        with pytest.raises(CodedError, match="STREAM_GAP"):
            await drain(call, got)
        assert len(got) == 1
        with pytest.raises(CodedError) as caught:
            await drain(stub.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id="broken")), got)
        assert caught.value.kind is ErrorKind.INTERNAL
        with pytest.raises(CodedError, match="account_id: value is required"):
            await drain(stub.StreamOrders(order_stream_pb2.StreamOrdersRequest()), got)


async def test_a_peer_that_is_not_there_is_told_as_unavailable(served: Serving) -> None:
    """Nobody listening becomes SERVICE_UNAVAILABLE, from calls and from waiting."""
    await served.server.stop(0)
    nobody = served.channels.to(served.address)
    stub: Any = rpc.EventLogServiceStub(nobody)
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(pb.ReadEventsRequest(), timeout=5)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    with pytest.raises(CodedError, match="does not answer"):
        await nobody.ready(0.05)


async def test_addresses_of_the_mesh_are_not_told_to_callers(log: Log, stub: Any, served: Serving) -> None:
    """What gRPC says of a peer that is not there names its address: it is for those who call by themselves alone."""
    nobody: Any = rpc.EventLogServiceStub(served.channels.to("127.0.0.1:1"))

    async def nested(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        return await nobody.ReadEvents(request)  # type: ignore[no-any-return]  # the stub is Any

    log.answer = nested
    with pytest.raises(CodedError) as outside:
        await nobody.ReadEvents(pb.ReadEventsRequest(), timeout=5)
    assert "127.0.0.1:1" in outside.value.message
    with pytest.raises(CodedError) as served_call:
        await stub.ReadEvents(pb.ReadEventsRequest(), timeout=5)
    assert (served_call.value.kind, served_call.value.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert served_call.value.message == "a service that this needs cannot be reached now"
