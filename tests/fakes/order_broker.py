"""BrokerService as OrderService meets it: one connection to a venue, behind real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc

from ordermesh.broker.v1 import broker_connection_pb2, route_query_pb2, routing_service_pb2_grpc
from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.type.v1 import error_pb2, trading_pb2
from tests.fakes.order_venue import CONNECTION, FakeVenue


@dataclass
class FakeBroker(routing_service_pb2_grpc.RoutingServiceServicer):
    """One connection to a venue. Commands before `ready` are dropped, as the contract says."""

    venue: FakeVenue = field(default_factory=FakeVenue)
    deduplicates: bool = True
    order_types: tuple[int, ...] = (1, 2, 3, 4)
    connected: bool = True
    dropped: int = 0
    cursors: list[int] = field(default_factory=list)
    ready: bool = False
    _outbox: asyncio.Queue[routing.RouteResponse | None] | None = None
    _opened: int = 0

    async def Route(self, requests: AsyncIterator[routing.RouteRequest], context: Any) -> AsyncIterator[Any]:
        first = await anext(aiter(requests))
        outbox = self._outbox = asyncio.Queue()
        self._opened, self.ready = 0, False
        cursor = next((c for c in first.open.cursors if c.connection_id == CONNECTION), routing.ConnectionCursor())
        self.cursors.append(cursor.sequence)
        after = cursor.sequence if cursor.epoch in ("", self.venue.epoch) else 0
        if self.connected:
            self._say_opened()
            self.tell(self.venue.reports[after:])
        reading = asyncio.ensure_future(self._read(requests, outbox))
        try:
            while (response := await outbox.get()) is not None:
                yield response
        finally:
            reading.cancel()
            if self._outbox is outbox:
                self._outbox = None

    async def QueryVenueOrders(self, request: Any, context: Any) -> routing.QueryVenueOrdersResponse:
        orders = [
            routing.VenueOrder(order_id=order_id, venue_order_id=f"v-{order_id[-8:]}", quantity=order.quantity)
            for order_id, order in self.venue.open.items()
        ]
        return routing.QueryVenueOrdersResponse(orders=orders + self.venue.strangers, as_of=len(self.venue.reports))

    async def QueryRoute(self, request: route_query_pb2.QueryRouteRequest, context: Any) -> Any:
        if request.connection_id not in {"", CONNECTION}:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such connection")
        state = (
            broker_connection_pb2.CONNECTION_STATE_UP if self.connected else broker_connection_pb2.CONNECTION_STATE_DOWN
        )
        return route_query_pb2.QueryRouteResponse(
            connection=broker_connection_pb2.BrokerConnection(connection_id=CONNECTION, adapter="fake", state=state),
            capabilities=broker_connection_pb2.AdapterCapabilities(
                order_types=map(trading_pb2.OrderType.ValueType, (1, 2)),
                times_in_force=map(trading_pb2.TimeInForce.ValueType, (1, 2, 3, 4)),
                taker_fee_rate="0.001",
            ),
        )

    def tell(self, reports: Iterable[routing.VenueReport]) -> None:
        reports = list(reports)
        if self._outbox is not None and self.connected and reports:
            batch = routing.VenueReportBatch(reports=reports)
            self._outbox.put_nowait(routing.RouteResponse(reports=batch))

    def cut(self) -> None:
        if self._outbox is not None:
            self._outbox.put_nowait(None)

    def disconnect(self) -> None:
        self.connected, self.ready = False, False
        if self._outbox is not None:
            down = routing.ConnectionDown(connection_id=CONNECTION, text="cut by the test")
            self._outbox.put_nowait(routing.RouteResponse(down=down))

    def connect(self) -> None:
        told = len(self.venue.reports)
        self.connected = True
        if self._outbox is not None:
            self._say_opened()
            self.tell(self.venue.reports[:told])

    def _say_opened(self) -> None:
        self._opened += 1
        opened = routing.ConnectionOpened(
            connection_id=CONNECTION,
            epoch=self.venue.epoch,
            last_command_sequence=self.venue.last_command if self.deduplicates else 0,
            last_report_sequence=len(self.venue.reports),
            deduplicates_commands=self.deduplicates,
            opened_number=self._opened,
            order_types=map(trading_pb2.OrderType.ValueType, self.order_types),
        )
        if self._outbox is not None:
            self._outbox.put_nowait(routing.RouteResponse(opened=opened))

    async def _read(
        self, requests: AsyncIterator[routing.RouteRequest], outbox: asyncio.Queue[routing.RouteResponse | None]
    ) -> None:
        async for request in requests:
            if request.HasField("ready"):
                self.ready = self.connected and request.ready.opened_number == self._opened
            elif not self.ready:
                self.dropped += len(request.commands.commands)
            else:
                self.tell([report for command in request.commands.commands for report in self._apply(command)])
        outbox.put_nowait(None)

    def _apply(self, command: routing.VenueCommand) -> list[routing.VenueReport]:
        if command.connection_id in {"", CONNECTION}:
            return self.venue.apply(command)
        return [
            routing.VenueReport(
                connection_id=command.connection_id,
                type=routing.VENUE_REPORT_TYPE_REJECTED,
                order_id=command.new_order.order_id,
                reason=error_pb2.ERROR_REASON_UNKNOWN_CONNECTION,
                text="there is no such connection",
            )
        ]
