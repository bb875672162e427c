"""A small service in a process of its own, for tests of the service main: `service_program.py [MODE]`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc
from ordermesh.order.v1 import order_service_pb2_grpc
from ordermesh.order.v1.order_stream_pb2 import StreamOrdersRequest, StreamOrdersResponse
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import unavailable
from services.mesh.config import ServiceSettings
from services.mesh.draining import Draining
from services.mesh.service import Service, run
from services.mesh.streams import Frames


class ProgramSettings(ServiceSettings):
    """Settings of the program."""

    service: ClassVar[str] = "program"


class Log(event_log_service_pb2_grpc.EventLogServiceServicer):
    """Answers at once."""

    async def ReadEvents(
        self, request: event_log_service_pb2.ReadEventsRequest, context: Any
    ) -> event_log_service_pb2.ReadEventsResponse:
        return event_log_service_pb2.ReadEventsResponse(last_sequence=request.after_sequence)


class Orders(order_service_pb2_grpc.OrderServiceServicer):
    """Streams until the program drains."""

    def __init__(self, draining: Draining, frames: Frames[StreamOrdersResponse]) -> None:
        self._draining, self._frames = draining, frames

    async def StreamOrders(self, request: StreamOrdersRequest, context: Any) -> AsyncIterator[StreamOrdersResponse]:
        yield self._frames.subscribed(1)
        await self._draining.wait()
        yield self._frames.going_away(stream_pb2.GOING_AWAY_REASON_DRAINING)


async def fail() -> None:
    """Dies."""
    raise ZeroDivisionError


async def main(service: Service[ProgramSettings]) -> None:
    """Wires the program, as its mode says."""
    match sys.argv[1:]:
        case ["unreachable"]:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer")
        case ["broken"]:
            raise ZeroDivisionError
        case ["dying"]:
            service.spawn("doomed", fail())
        case ["ending"]:
            service.spawn("short", asyncio.sleep(0))
        case ["waiting"]:
            service.spawn("doomed", fail())
            await asyncio.Event().wait()
    service.server.add(event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server, Log())
    orders: Any = Orders(service.draining, Frames(StreamOrdersResponse, service.clock))
    service.server.add(order_service_pb2_grpc.add_OrderServiceServicer_to_server, orders)


if __name__ == "__main__":
    run(ProgramSettings, main)
