"""Servicers that answer as a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.event.v1 import event_log_service_pb2 as pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from ordermesh.order.v1 import order_service_pb2_grpc, order_stream_pb2
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError, ErrorKind

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

    async def ReadEvents(self, request: pb.ReadEventsRequest, context: Any) -> pb.ReadEventsResponse:
        self.calls += 1
        return await self.answer(request)


class Orders(order_service_pb2_grpc.OrderServiceServicer):
    """Streams a heartbeat, then fails."""

    async def StreamOrders(
        self, request: order_stream_pb2.StreamOrdersRequest, context: Any
    ) -> AsyncIterator[order_stream_pb2.StreamOrdersResponse]:
        yield order_stream_pb2.StreamOrdersResponse(heartbeat=stream_pb2.Heartbeat(sequence=1))
        if request.account_id == "broken":
            raise ZeroDivisionError("secret")
        raise CodedError(ErrorKind.OUT_OF_RANGE, "STREAM_GAP", "gone")


class Echo(routing_service_pb2_grpc.RoutingServiceServicer):
    """Tells each request back."""

    async def Route(
        self, requests: AsyncIterator[routing_service_pb2.RouteRequest], context: Any
    ) -> AsyncIterator[Any]:
        async for request in requests:
            yield request


def raising(error: Exception) -> Answer:
    """Returns an answer that fails."""

    async def answer(_: pb.ReadEventsRequest) -> pb.ReadEventsResponse:
        raise error

    return answer


async def drain(call: Any, into: list[Any]) -> None:
    """Keeps what a stream tells until it ends or fails."""
    async for message in call:
        into.append(message)  # noqa: PERF401 - what came before the failure counts
