"""Calls through the real server and client: answers, deadlines, retries, cancels."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.event.v1 import event_log_service_pb2 as pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.client import SHAVE_SHARE
from services.mesh.context import AUTHORIZATION, TRACEPARENT, current_call, served_call
from services.mesh.interceptors.base import Method
from services.mesh.interceptors.calls import CallInterceptor
from tests.fakes.mesh_servicers import SERVICE, Echo, Log, drain
from tests.fixtures.serving import Serving, serving
from tests.fixtures.waiting import eventually


async def test_an_answer_comes_back(stub: Any) -> None:
    """The plain case."""
    assert (await stub.ReadEvents(pb.ReadEventsRequest(after_sequence=4))).last_sequence == 5


async def test_a_stream_that_was_canceled_here_says_so_to_who_writes() -> None:
    """Writing to it fails like writing to any stream that has ended; the writer itself is not canceled."""
    async with serving(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, Echo()) as served:
        stub: Any = routing_service_pb2_grpc.RoutingServiceStub(served.channel)
        call = stub.Route()
        call.cancel()
        with pytest.raises(CodedError) as caught:
            await call.write(routing_service_pb2.RouteRequest())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "SERVICE_UNAVAILABLE")


async def test_the_deadline_is_handed_on_shaved(log: Log, stub: Any) -> None:
    """A call made while serving a call has less time than that one, and takes its trace along."""
    seen: list[tuple[float | None, str]] = []

    async def nested(request: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        call = current_call()
        assert call is not None
        seen.append((call.remaining_seconds(), call.trace_id))
        if request.after_sequence == 0:
            return await stub.ReadEvents(pb.ReadEventsRequest(after_sequence=1))  # type: ignore[no-any-return]  # the stub is Any
        return pb.ReadEventsResponse()

    log.answer = nested
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    await stub.ReadEvents(
        pb.ReadEventsRequest(), timeout=4, metadata=((TRACEPARENT, f"00-{trace}-00f067aa0ba902b7-01"),)
    )
    (outer, first), (inner, second) = seen
    assert outer is not None
    assert inner is not None
    assert outer < 4.1
    assert 3 < inner < outer * (1 - SHAVE_SHARE / 2)
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
            return await nested_stub.ReadEvents(pb.ReadEventsRequest())  # type: ignore[no-any-return]  # the stub is Any
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


@pytest.mark.parametrize(("shown", "taken"), [((), None), (("Bearer x",), "Bearer x"), (("Bearer x", "Bearer x"), "")])
async def test_who_shows_two_things_shows_none(log: Log, stub: Any, shown: tuple[str, ...], taken: str | None) -> None:
    """Nobody guesses which of them is meant."""
    seen: list[str | None] = []

    async def look(_: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        seen.append(served_call().authorization)
        return pb.ReadEventsResponse()

    log.answer = look
    await stub.ReadEvents(pb.ReadEventsRequest(), metadata=[(AUTHORIZATION, each) for each in shown])
    assert seen == [taken]


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
    iterating = asyncio.ensure_future(drain(call, got))
    await eventually(lambda: got, seconds=5)
    call.cancel()
    await iterating
