"""Streams through the real server and client: bytes in place of messages, and how a stream's end is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from ordermesh.order.v1 import order_service_pb2_grpc
from ordermesh.order.v1.order_stream_pb2 import StreamOrdersRequest, StreamOrdersResponse
from ordermesh.type.v1.stream_pb2 import Heartbeat
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.stream_call import StreamCall
from tests.fixtures.serving import serving

RUSH = 2_000


class Orders(order_service_pb2_grpc.OrderServiceServicer):
    """Streams a message, and one that is serialised already."""

    async def StreamOrders(  # type: ignore[override]  # bytes as they are  # noqa: N802 - the contract's name
        self, request: StreamOrdersRequest, context: Any
    ) -> AsyncIterator[StreamOrdersResponse | bytes]:
        yield StreamOrdersResponse(heartbeat=Heartbeat(sequence=1))
        yield StreamOrdersResponse(heartbeat=Heartbeat(sequence=2)).SerializeToString()


async def test_a_stream_may_yield_what_is_serialised_already() -> None:
    """The caller sees no difference."""
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)
        got = [message async for message in stub.StreamOrders(StreamOrdersRequest(account_id="demo"))]
    assert [message.heartbeat.sequence for message in got] == [1, 2]


async def test_nobody_of_a_rush_is_told_to_have_canceled() -> None:
    """More streams than gRPC lets wait by itself are opened at once, and each is served."""
    async with serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Orders()) as served:
        stub: Any = order_service_pb2_grpc.OrderServiceStub(served.channel)

        async def read() -> int:
            return len([message async for message in stub.StreamOrders(StreamOrdersRequest(account_id="demo"))])

        told = await asyncio.gather(*(read() for _ in range(RUSH)), return_exceptions=True)
    assert told == [2] * RUSH


class Ended:
    """A call whose peer has ended it in the moment in which a message was sent, as gRPC tells it."""

    def __init__(self, details: str) -> None:
        self._error = grpc.aio.AioRpcError(
            grpc.StatusCode.INTERNAL, grpc.aio.Metadata(), grpc.aio.Metadata(), details=details
        )

    async def write(self, message: object) -> None:
        raise self._error

    async def read(self) -> object:
        raise self._error


@pytest.mark.parametrize(
    ("details", "kind"),
    [("Internal error from Core", ErrorKind.UNAVAILABLE), ("a fault of the service", ErrorKind.INTERNAL)],
)
async def test_a_message_that_the_end_has_overtaken_is_no_fault(details: str, kind: ErrorKind) -> None:
    """The stream has ended, and may be opened again; a fault that the peer tells of stays one."""
    call = StreamCall(Ended(details))
    for attempt in (call.write(b""), call.read()):
        with pytest.raises(CodedError) as caught:
            await attempt
        assert caught.value.kind is kind
