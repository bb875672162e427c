"""Making a connection: what is slow to answer is waited for, what refuses is not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from deploy.embedded.ports import unused_port
from ordermesh.event.v1 import event_log_service_pb2 as pb
from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from services.kernel.errors import CodedError
from services.mesh.client import Channels
from tests.fixtures.serving import serving
from tests.fixtures.waiting import PATIENCE_SECONDS

SLOW_SECONDS = 0.4


class Log(rpc.EventLogServiceServicer):
    """Answers."""

    async def ReadEvents(self, request: pb.ReadEventsRequest, context: Any) -> pb.ReadEventsResponse:  # noqa: N802 - the contract's name
        return pb.ReadEventsResponse(last_sequence=request.after_sequence + 1)


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    while data := await source.read(65536):
        sink.write(data)
        await sink.drain()
    sink.close()


@asynccontextmanager
async def slow_to_answer(address: str) -> AsyncIterator[str]:
    """Yields an address behind which a server answers as on a busy machine: connected at once, silent at first."""
    host, _, port = address.rpartition(":")

    async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(SLOW_SECONDS)
        back, forth = await asyncio.open_connection(host, int(port))
        await asyncio.gather(_pump(reader, forth), _pump(back, writer))

    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()


async def test_a_connection_may_be_answered_late() -> None:
    """A call that must not be repeated waits for the first connection, instead of failing because it is slow."""
    async with (
        serving(rpc.add_EventLogServiceServicer_to_server, Log()) as running,
        slow_to_answer(running.address) as address,
    ):
        channels = Channels()
        answer = await rpc.EventLogServiceStub(channels.to(address)).ReadEvents(
            pb.ReadEventsRequest(after_sequence=6), timeout=PATIENCE_SECONDS
        )
        assert answer.last_sequence == 7
        await channels.close()


async def test_a_refused_connection_fails_at_once() -> None:
    """Nobody there is told as such, long before a slow answer would be given up."""
    channels = Channels()
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
            await rpc.EventLogServiceStub(channels.to(f"127.0.0.1:{unused_port()}")).ReadEvents(
                pb.ReadEventsRequest(), timeout=None
            )
    await channels.close()
