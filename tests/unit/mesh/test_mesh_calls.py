"""Calls through the real server and client: errors, constraints, deadlines, retries, health, reflection, metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.event.v1 import event_log_service_pb2 as pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc, order_stream_pb2
from ordermesh.type.v1 import risk_breach_pb2, stream_pb2, trading_pb2
from services.kernel.errors import CodedError, ErrorKind, FieldViolation, exhausted, unavailable
from services.mesh.context import TRACEPARENT, current_call
from services.mesh.interceptors.base import Method
from services.mesh.interceptors.calls import CallInterceptor
from services.mesh.names import DOMAIN, Metric
from services.mesh.server import Server
from services.mesh.status import DETAILS_KEY
from services.mesh.telemetry import Telemetry
from tests.fixtures.serving import Serving, serving

SERVICE = "ordermesh.event.v1.EventLogService"
METHOD = f"/{SERVICE}/ReadEvents"
Answer = Callable[[pb.ReadEventsRequest], Awaitable[pb.ReadEventsResponse]]


class Log(rpc.EventLogServiceServicer):
    """Answers as the test says."""

    def __init__(self) -> None:
        self.calls = 0
        self.answer: Answer = self.plain

    async def plain(self, request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        return pb.ReadEventsResponse(last_sequence=request.after_sequence + 1)

    async def ReadEvents(self, request: pb.ReadEventsRequest, context: Any) -> pb.ReadEventsResponse:  # noqa: N802
        self.calls += 1
        return await self.answer(request)


class Orders(order_service_pb2_grpc.OrderServiceServicer):
    """Streams a heartbeat, then fails."""

    async def StreamOrders(  # noqa: N802
        self, request: order_stream_pb2.StreamOrdersRequest, context: Any
    ) -> AsyncIterator[order_stream_pb2.StreamOrdersResponse]:
        yield order_stream_pb2.StreamOrdersResponse(heartbeat=stream_pb2.Heartbeat(sequence=1))
        if request.account_id == "broken":
            raise ZeroDivisionError("secret")
        raise CodedError(ErrorKind.OUT_OF_RANGE, "STREAM_GAP", "gone")


@pytest.fixture
def log() -> Log:
    """The servicer behind `served`."""
    return Log()


@pytest_asyncio.fixture
async def served(log: Log) -> AsyncIterator[Serving]:
    """A served event log."""
    async with serving(rpc.add_EventLogServiceServicer_to_server, log, SERVICE) as running:
        yield running


@pytest.fixture
def stub(served: Serving) -> rpc.EventLogServiceStub:
    """A client of it."""
    return rpc.EventLogServiceStub(served.channel)


def raising(error: Exception) -> Answer:
    """Returns an answer that fails."""

    async def answer(_: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        raise error

    return answer


async def test_an_answer_comes_back(stub: Any) -> None:
    """The plain case."""
    assert (await stub.ReadEvents(pb.ReadEventsRequest(after_sequence=4))).last_sequence == 5


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
    status = status_pb2.Status.FromString(dict(caught.value.trailing_metadata() or ())[DETAILS_KEY])
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
        bad.side = 77  # type: ignore[assignment]
        with pytest.raises(CodedError) as caught:
            await stub.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=[good, bad]))
    assert [violation.field for violation in caught.value.violations] == ["orders[1].side", "orders[1].quantity"]


async def test_a_broken_constraint_is_told_in_words() -> None:
    """Neither a regular expression nor a rule's name is what a caller has to read."""
    request = order_entry_pb2.PlaceOrderRequest(instrument="aapl", quantity="0", side=77, client_order_id="a")  # type: ignore[arg-type]
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

    class Routing(routing_service_pb2_grpc.RoutingServiceServicer):
        async def Route(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
            async for request in requests:
                yield request

    async with serving(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, Routing()) as served:
        stub: Any = routing_service_pb2_grpc.RoutingServiceStub(served.channel)
        call = stub.Route()
        await call.write(routing_service_pb2.RouteRequest())
        with pytest.raises(CodedError) as caught:
            await call.read()
    assert caught.value.reason == "INVALID_FIELD"


async def test_a_stream_that_was_canceled_here_says_so_to_who_writes() -> None:
    """Writing to it fails like writing to any stream that has ended; the writer itself is not canceled."""

    class Routing(routing_service_pb2_grpc.RoutingServiceServicer):
        async def Route(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
            async for request in requests:
                yield request

    async with serving(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, Routing()) as served:
        stub: Any = routing_service_pb2_grpc.RoutingServiceStub(served.channel)
        call = stub.Route()
        call.cancel()
        with pytest.raises(CodedError) as caught:
            await call.write(routing_service_pb2.RouteRequest())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")


async def test_an_error_in_a_stream_comes_after_what_was_sent() -> None:
    """Messages before the failure arrive; then the coded error does."""
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        call = stub.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id="demo"))
        got: list[Any] = []
        with pytest.raises(CodedError, match="STREAM_GAP"):
            await _drain(call, got)
        assert len(got) == 1
        with pytest.raises(CodedError) as caught:
            await _drain(stub.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id="broken")), got)
        assert caught.value.kind is ErrorKind.INTERNAL
        with pytest.raises(CodedError, match="account_id: value is required"):
            await _drain(stub.StreamOrders(order_stream_pb2.StreamOrdersRequest()), got)


async def test_the_deadline_is_handed_on_shaved(log: Log, stub: Any) -> None:
    """A call made while serving a call has less time than that one, and takes its trace along."""
    seen: list[tuple[float | None, str]] = []

    async def nested(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        call = current_call()
        assert call is not None
        seen.append((call.remaining_seconds(), call.trace_id))
        if request.after_sequence == 0:
            return await stub.ReadEvents(pb.ReadEventsRequest(after_sequence=1))  # type: ignore[no-any-return]
        return pb.ReadEventsResponse()

    log.answer = nested
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await stub.ReadEvents(
        pb.ReadEventsRequest(), timeout=2, metadata=((TRACEPARENT, f"00-{trace}-00f067aa0ba902b7-01"),)
    )
    (outer, first), (inner, second) = seen
    assert outer is not None
    assert inner is not None
    assert 1.5 < inner < outer < 2.1
    assert first == second == trace


async def test_a_peer_is_not_asked_when_no_time_is_left(log: Log, served: Serving) -> None:
    """With no time left, the nested call fails at once, and the peer never sees it."""
    nested_stub: Any = rpc.EventLogServiceStub(served.channel)
    errors: list[CodedError] = []

    async def nested(_: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        call = current_call()
        assert call is not None
        call.deadline = time.monotonic() + 0.001
        try:
            return await nested_stub.ReadEvents(pb.ReadEventsRequest())  # type: ignore[no-any-return]
        except CodedError as error:
            errors.append(error)
            raise

    log.answer = nested
    with pytest.raises(CodedError, match="DEADLINE_EXCEEDED"):
        await nested_stub.ReadEvents(pb.ReadEventsRequest())
    assert errors[0].kind is ErrorKind.DEADLINE
    assert log.calls == 1


class LateContext:
    """A call that arrives when its time is up."""

    def time_remaining(self) -> float:
        return 0.0

    def invocation_metadata(self) -> tuple[()]:
        return ()


async def test_a_call_that_arrives_too_late_is_refused_at_once() -> None:
    """Neither a method with one answer nor a stream does any work then."""

    async def answer(request: Any, context: Any) -> Any:
        raise AssertionError

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        yield request
        raise AssertionError

    method = Method(SERVICE, "ReadEvents", False, False, None)
    context: Any = LateContext()
    with pytest.raises(CodedError, match="DEADLINE_EXCEEDED"):
        await CallInterceptor().wrap_unary(method, answer)(None, context)
    with pytest.raises(CodedError, match="DEADLINE_EXCEEDED"):
        await anext(CallInterceptor().wrap_stream(method, stream)(None, context))


async def test_a_call_that_takes_too_long_is_given_up(log: Log, stub: Any) -> None:
    """The caller gets DEADLINE after its timeout."""

    async def forever(_: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        await asyncio.Event().wait()
        raise AssertionError

    log.answer = forever
    with pytest.raises(CodedError) as caught:
        await stub.ReadEvents(pb.ReadEventsRequest(), timeout=0.05)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.DEADLINE, "DEADLINE_EXCEEDED")


async def test_safe_methods_are_tried_again(log: Log, stub: Any) -> None:
    """A method that says it has no side effects is retried when the peer is unavailable for a moment."""

    async def third_time_lucky(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        if log.calls < 3:
            raise unavailable("STORE_UNAVAILABLE", "not now")
        return await log.plain(request)

    log.answer = third_time_lucky
    await stub.ReadEvents(pb.ReadEventsRequest())
    assert log.calls == 3


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
        return await nobody.ReadEvents(request)  # type: ignore[no-any-return]

    log.answer = nested
    with pytest.raises(CodedError) as outside:
        await nobody.ReadEvents(pb.ReadEventsRequest(), timeout=5)
    assert "127.0.0.1:1" in outside.value.message
    with pytest.raises(CodedError) as served_call:
        await stub.ReadEvents(pb.ReadEventsRequest(), timeout=5)
    assert (served_call.value.kind, served_call.value.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    assert served_call.value.message == "a service that this needs cannot be reached now"


async def test_health_is_told_for_each_service_and_overall(served: Serving) -> None:
    """SERVING once said, NOT_SERVING from the moment that the server drains."""
    stub: Any = health_pb2_grpc.HealthStub(served.channel)
    for service in ("", SERVICE):
        answer = await stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await served.server.set_serving(serving=False)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=SERVICE))
    assert answer.status == health_pb2.HealthCheckResponse.NOT_SERVING


async def test_reflection_lists_the_services(served: Serving) -> None:
    """A client without the contracts can find them."""
    async with grpc.aio.insecure_channel(served.address) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(
            iter(
                [
                    reflection_pb2.ServerReflectionRequest(list_services=""),
                    reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE),
                ]
            )
        )
        listed, described = [answer async for answer in call]
    assert SERVICE in {service.name for service in listed.list_services_response.service}
    assert described.file_descriptor_response.file_descriptor_proto


async def test_calls_are_counted_by_method_and_code(log: Log, stub: Any, served: Serving) -> None:
    """Answers and failures both count, under their code."""
    await stub.ReadEvents(pb.ReadEventsRequest())
    with pytest.raises(CodedError):
        await stub.ReadEvents(pb.ReadEventsRequest(limit=10_001))
    value = served.telemetry.registry.get_sample_value
    assert value(Metric.SERVER_CALLS, {"method": METHOD, "code": "OK"}) == 1
    assert value(Metric.SERVER_CALLS, {"method": METHOD, "code": "INVALID_ARGUMENT"}) == 1
    assert value(f"{Metric.SERVER_CALL_SECONDS}_count", {"method": METHOD}) == 2


async def test_draining_lets_calls_finish(log: Log, stub: Any, served: Serving) -> None:
    """A call in flight when the server is told to stop is answered."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def slow(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        entered.set()
        await leave.wait()
        return await log.plain(request)

    log.answer = slow
    calling = asyncio.create_task(stub.ReadEvents(pb.ReadEventsRequest(after_sequence=1)))
    await entered.wait()
    stopping = asyncio.create_task(served.server.stop(10))
    await served.server.draining.wait()
    leave.set()
    assert (await calling).last_sequence == 2
    await stopping


async def test_an_address_in_use_is_refused_clearly(served: Serving) -> None:
    """Two servers never share a port by accident."""
    second = Server(Telemetry("second"))
    with pytest.raises(OSError, match=f"cannot listen on {served.address}"):
        await second.start(served.address)
    await second.stop(0)


async def test_cancelling_a_stream_ends_it_for_its_reader(served: Serving) -> None:
    """Whoever reads the stream sees its end, and is not cancelled itself."""
    stub: Any = health_pb2_grpc.HealthStub(served.channel)
    call = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    assert await call.read() is not None
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(0)
    call.cancel()
    assert await reading is None
    call = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICE))
    got: list[Any] = []
    iterating = asyncio.ensure_future(_drain(call, got))
    async with asyncio.timeout(5):
        while not got:
            await asyncio.sleep(0)
    call.cancel()
    await iterating


async def _drain(call: Any, into: list[Any]) -> None:
    async for message in call:
        into.append(message)  # noqa: PERF401 - what came before the failure counts
