"""A connection that stays open and carries nothing any more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind
from services.mesh import client
from services.mesh.options import CLIENT_OPTIONS, Options
from tests.fakes.line import Line
from tests.fixtures.serving import serving

FASTER = 50
QUESTION = routing_service_pb2.RouteRequest(
    ready=routing_service_pb2.ConnectionReady(connection_id="v", opened_number=1)
)
ANSWER = routing_service_pb2.RouteResponse(down=routing_service_pb2.ConnectionDown(connection_id="v", text="no"))


class Routing(routing_service_pb2_grpc.RoutingServiceServicer):
    """Answers each request."""

    async def Route(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802 - the contract's name
        async for _ in requests:
            yield ANSWER


def faster(options: Options) -> Options:
    """Returns settings whose times are shorter, all by the same."""
    return tuple(
        (name, max(1, value // FASTER)) if name.endswith("_ms") and isinstance(value, int) else (name, value)
        for name, value in options
    )


@pytest.mark.parametrize("talking", [False, True])
async def test_a_silent_peer_is_given_up(monkeypatch: pytest.MonkeyPatch, *, talking: bool) -> None:
    """By its missing answers to pings, within the time that is set for them, whether or not we go on talking to it."""
    monkeypatch.setattr(client, "CLIENT_OPTIONS", faster(CLIENT_OPTIONS))
    channels = client.Channels()
    async with (
        serving(routing_service_pb2_grpc.add_RoutingServiceServicer_to_server, Routing()) as served,
        Line.to(served.address) as line,
    ):
        call: Any = routing_service_pb2_grpc.RoutingServiceStub(channels.to(line.address)).Route()
        await call.write(QUESTION)
        assert await call.read() == ANSWER
        line.mute()
        if talking:
            await call.write(QUESTION)
        async with asyncio.timeout(10):
            with pytest.raises(CodedError) as caught:
                await call.read()
        assert caught.value.kind is ErrorKind.UNAVAILABLE
        await channels.close()
