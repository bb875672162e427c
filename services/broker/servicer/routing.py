"""RoutingService: the stream of OrderService, and its question for reconciliation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import (
    route_query_pb2,
    routing_service_pb2,
    routing_service_pb2_grpc,
    venue_adjustment_pb2,
    venue_instructions_pb2,
)
from ordermesh.type.v1 import error_pb2, restatement_pb2, trading_pb2
from services.broker.domain.messages import (
    Adjustment,
    CancelOrder,
    Command,
    Cursor,
    Instructions,
    NewOrder,
    ReplaceOrder,
    Report,
    VenueOrder,
)
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.outbox import Down, Opened, OutboxItem, Reports
from services.broker.pipeline.routing import Route, Routes
from services.broker.pipeline.venues import Venues
from services.broker.servicer.telling import Telling, capabilities_to_proto
from services.kernel.drain import Pace
from services.kernel.errors import invalid_field, precondition
from services.mesh.draining import Draining

_REASON = {
    value.name.removeprefix("ERROR_REASON_"): value.number for value in error_pb2.ErrorReason.DESCRIPTOR.values
} | {"": 0}
_BILLION = 1_000_000_000


class RoutingServicer(routing_service_pb2_grpc.RoutingServiceServicer):
    """Serves OrderService."""

    def __init__(
        self,
        routes: Routes,
        directory: ConnectionDirectory,
        venues: Venues,
        draining: Draining,
        *,
        report_interval_seconds: float = 0.0,
    ) -> None:
        self._routes = routes
        self._directory, self._venues = directory, venues
        self._telling = Telling(venues, routes)
        self._draining = draining
        self._report_interval_seconds = report_interval_seconds

    async def Route(
        self, request_iterator: AsyncIterator[routing_service_pb2.RouteRequest], context: Any
    ) -> AsyncIterator[routing_service_pb2.RouteResponse]:
        """Carries commands to venues and reports back until OrderService ends the stream or opens another."""
        opening = await anext(request_iterator, None)
        if opening is None or not opening.HasField("open"):
            raise invalid_field("open", "must be the first message of the stream")
        route = self._routes.open(opening.open.shard, _cursors(opening.open))
        reader = asyncio.create_task(_read(request_iterator, route))
        stop_listening = self._draining.listen(route.close)
        pace = Pace(self._report_interval_seconds)
        try:
            while await route.outbox.wait():
                await pace.turn()
                for response in _responses(route.outbox.take()):
                    yield response
        finally:
            stop_listening()
            reader.cancel()
            await self._routes.end(route)
        await _outcome(reader)

    async def QueryVenueOrders(
        self, request: routing_service_pb2.QueryVenueOrdersRequest, context: Any
    ) -> routing_service_pb2.QueryVenueOrdersResponse:
        """Tells the orders of a shard that are open at a venue."""
        told = await self._venues.open_orders(request.connection_id, request.shard)
        orders = [venue_order_to_proto(order) for order in told.orders]
        return routing_service_pb2.QueryVenueOrdersResponse(orders=orders, as_of=told.as_of)

    async def QueryRoute(
        self, request: route_query_pb2.QueryRouteRequest, context: Any
    ) -> route_query_pb2.QueryRouteResponse:
        """Tells where an order of an account would go."""
        name = request.connection_id or self._directory.default_of(request.account_id)
        connection = self._directory.get(name)
        if await self._directory.environments.find(request.account_id) is not connection.environment:
            text = f"the account is not of the environment of the connection {name}"
            raise precondition("ENVIRONMENT_MISMATCH", text, account_id=request.account_id, connection_id=name)
        return route_query_pb2.QueryRouteResponse(
            connection=await self._telling.told(connection),
            capabilities=capabilities_to_proto(self._directory.capabilities(name)),
        )


async def _read(requests: AsyncIterator[routing_service_pb2.RouteRequest], route: Route) -> None:
    """Hands commands over until OrderService has no more to say or says nonsense; then the route ends."""
    try:
        async for request in requests:
            match request.WhichOneof("item"):
                case "commands":
                    await route.take([_command(command) for command in request.commands.commands])
                case "ready":
                    route.ready(request.ready.connection_id, request.ready.opened_number)
                case _:
                    raise invalid_field("open", "must come once only")
    finally:
        route.close()


async def _outcome(reader: asyncio.Task[None]) -> None:
    with suppress(asyncio.CancelledError):
        await reader


def _cursors(opening: routing_service_pb2.RouteOpen) -> dict[str, Cursor]:
    return {cursor.connection_id: Cursor(cursor.epoch, cursor.sequence) for cursor in opening.cursors}


def _command(command: routing_service_pb2.VenueCommand) -> Command:
    if command.HasField("new_order"):
        new = command.new_order
        return NewOrder(
            command.command_sequence,
            command.connection_id,
            new.order_id,
            new.account_id,
            new.instrument,
            new.side,
            new.type,
            new.time_in_force,
            new.quantity,
            new.limit_price,
            _instructions(new.instructions) if new.HasField("instructions") else None,
        )
    if command.HasField("replace"):
        replace = command.replace
        return ReplaceOrder(
            command.command_sequence,
            command.connection_id,
            replace.order_id,
            replace.venue_order_id,
            replace.instrument,
            replace.quantity,
            replace.limit_price,
            replace.stop_price,
            _nanoseconds(replace.expire_at) if replace.HasField("expire_at") else 0,
        )
    cancel = command.cancel
    return CancelOrder(command.command_sequence, command.connection_id, cancel.order_id, cancel.venue_order_id)


def _instructions(told: venue_instructions_pb2.VenueInstructions) -> Instructions:
    return Instructions(told.stop_price, _nanoseconds(told.expire_at), told.post_only, told.display_quantity)


def _nanoseconds(at: Timestamp) -> int:
    return at.seconds * _BILLION + at.nanos


def _responses(items: Iterable[OutboxItem]) -> list[routing_service_pb2.RouteResponse]:
    """Returns the messages of what waited; reports that follow one another become one message."""
    responses: list[routing_service_pb2.RouteResponse] = []
    batch: routing_service_pb2.VenueReportBatch | None = None
    for item in items:
        if not isinstance(item, Reports):
            responses.append(_news(item))
            batch = None
            continue
        if batch is None:
            responses.append(routing_service_pb2.RouteResponse())
            batch = responses[-1].reports
        for report in item.reports:
            _add(batch, item.connection_id, report)
    return responses


def _news(item: Opened | Down) -> routing_service_pb2.RouteResponse:
    if isinstance(item, Down):
        down = routing_service_pb2.ConnectionDown(connection_id=item.connection_id, text=item.text)
        return routing_service_pb2.RouteResponse(down=down)
    opened = routing_service_pb2.ConnectionOpened(
        connection_id=item.connection_id,
        epoch=item.position.epoch,
        last_command_sequence=item.position.last_command_sequence,
        last_report_sequence=item.position.last_report_sequence,
        deduplicates_commands=item.deduplicates_commands,
        opened_number=item.number,
        order_types=map(trading_pb2.OrderType.ValueType, item.order_types),
        environment=trading_pb2.Environment.ValueType(item.environment),
    )
    return routing_service_pb2.RouteResponse(opened=opened)


def _add(batch: routing_service_pb2.VenueReportBatch, connection_id: str, report: Report) -> None:
    """Adds a report. It is made where it stays: a message that is put into another one is copied."""
    told = batch.reports.add(
        connection_id=connection_id,
        sequence=report.sequence,
        type=report.kind,
        order_id=report.order_id,
        venue_order_id=report.venue_order_id,
        venue_execution_id=report.venue_execution_id,
        last_price=report.last_price,
        last_quantity=report.last_quantity,
        cumulative_quantity=report.cumulative_quantity,
        fee=report.fee,
        reason=_REASON[report.reason],
        text=report.text,
        command_sequence=report.command_sequence,
        adjustment=None if report.adjustment is None else _adjustment(report.adjustment),
    )
    told.venue_time.seconds, told.venue_time.nanos = divmod(report.time_ns, _BILLION)


def _adjustment(told: Adjustment) -> venue_adjustment_pb2.VenueAdjustment:
    return venue_adjustment_pb2.VenueAdjustment(
        venue_execution_reference_id=told.reference_id,
        leaves_quantity=told.leaves_quantity,
        quantity=told.quantity,
        limit_price=told.limit_price,
        restatement_reason=restatement_pb2.RestatementReason.ValueType(told.reason),
    )


def venue_order_to_proto(order: VenueOrder) -> routing_service_pb2.VenueOrder:
    """Returns an order that is open at a venue."""
    message = routing_service_pb2.VenueOrder(
        order_id=order.order_id,
        venue_order_id=order.venue_order_id,
        instrument=order.instrument,
        side=trading_pb2.Side.ValueType(order.side),
        limit_price=order.limit_price,
        quantity=order.quantity,
        cumulative_quantity=order.cumulative_quantity,
        leaves_quantity=order.leaves_quantity,
        terms=venue_instructions_pb2.VenueOrderTerms(type=trading_pb2.OrderType.ValueType(order.order_type)),
    )
    if order.instructions is not None:
        _add_instructions(message.terms.instructions, order.instructions)
    return message


def _add_instructions(message: venue_instructions_pb2.VenueInstructions, told: Instructions) -> None:
    message.stop_price, message.display_quantity = told.stop_price, told.display_quantity
    message.post_only = told.post_only
    if told.expire_at_ns:
        message.expire_at.seconds, message.expire_at.nanos = divmod(told.expire_at_ns, _BILLION)
