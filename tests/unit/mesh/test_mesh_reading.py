"""Bytes that are no message of the contract, through the real server."""

# ruff: noqa: N802 - a servicer's methods are called as the contract calls them

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from ordermesh.order.v1 import order_service_pb2_grpc
from ordermesh.system.v1 import system_service_pb2_grpc
from services.mesh.status import DETAILS_KEY
from tests.fixtures.serving import serving

ORDERS = "/ordermesh.order.v1.OrderService"
GET_HEALTH = "/ordermesh.system.v1.SystemService/GetHealth"
CORRUPT = b"\xff\xff\xff"
NOT_UTF_8 = b"\x0a\x01\xff"
"""Field 1, which is text in all requests here, of one byte that is no text."""


class Orders(order_service_pb2_grpc.OrderServiceServicer):
    """Counts what it is asked; it should be nothing."""

    def __init__(self) -> None:
        self.asked = 0

    async def PlaceOrder(self, request: Any, context: Any) -> Any:
        self.asked += 1

    async def StreamOrders(self, request: Any, context: Any) -> AsyncIterator[Any]:
        self.asked += 1
        yield request

    async def Trade(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            self.asked += 1
            yield request


class System(system_service_pb2_grpc.SystemServiceServicer):
    """Counts what it is asked; it should be nothing."""

    def __init__(self) -> None:
        self.asked = 0

    async def GetHealth(self, request: Any, context: Any) -> Any:
        self.asked += 1


def bytes_to(address: str) -> Any:
    """Returns a channel whose calls take bytes, for which gRPC's types have no name."""
    return grpc.aio.insecure_channel(address)


async def refused(call: Any) -> status_pb2.Status:
    """Returns what a call is refused with."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT, caught.value.details()
    return status_pb2.Status.FromString(dict(caught.value.trailing_metadata() or ())[DETAILS_KEY])


def reason_and_fields(status: status_pb2.Status) -> tuple[str, list[str]]:
    """Returns the reason of a refusal, and the fields that it names."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    return info.reason, [violation.field for violation in bad.field_violations]


@pytest.mark.parametrize("sent", [CORRUPT, NOT_UTF_8])
async def test_bytes_that_are_no_message_are_the_callers_fault(sent: bytes) -> None:
    """Whatever the shape of the call: refused with a reason, the request as a whole named, the servicer not asked."""
    orders = Orders()
    async with (
        serving(order_service_pb2_grpc.add_OrderServiceServicer_to_server, orders) as served,
        bytes_to(served.address) as channel,
    ):
        answers = channel.unary_stream(f"{ORDERS}/StreamOrders")(sent)
        trade = channel.stream_stream(f"{ORDERS}/Trade")()
        await trade.write(sent)
        for call in (channel.unary_unary(f"{ORDERS}/PlaceOrder")(sent), answers.read(), trade.read()):
            assert reason_and_fields(await refused(call)) == ("INVALID_FIELD", [""])
    assert orders.asked == 0


async def test_a_request_without_constraints_has_to_be_readable_too() -> None:
    """A request that has no fields is one that anything but its bytes breaks."""
    system = System()
    async with (
        serving(system_service_pb2_grpc.add_SystemServiceServicer_to_server, system) as served,
        bytes_to(served.address) as channel,
    ):
        assert reason_and_fields(await refused(channel.unary_unary(GET_HEALTH)(CORRUPT))) == ("INVALID_FIELD", [""])
    assert system.asked == 0
