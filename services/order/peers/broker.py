"""BrokerService: one stream that carries commands to venues and brings their reports, resumed where it was left."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, cast

import structlog

from ordermesh.broker.v1.routing_service_pb2 import (
    ConnectionCursor,
    ConnectionOpened,
    ConnectionReady,
    QueryVenueOrdersRequest,
    RouteOpen,
    RouteRequest,
    VenueCommand,
    VenueReportBatch,
)
from ordermesh.broker.v1.routing_service_pb2_grpc import RoutingServiceStub
from services.kernel.clock import Clock
from services.kernel.drain import Drain
from services.mesh.client import Channel
from services.mesh.context import detached
from services.mesh.stream_call import StreamCall
from services.order.domain.order import Order
from services.order.domain.values import ExecutionType, OrderStatus
from services.order.domain.venue import VenueReport
from services.order.peers.session import SessionEndedError, keep_up
from services.order.peers.venue_messages import cancel_command, outstanding, place_command, replace_command, report_of
from services.order.peers.venue_types import VenueTypes
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.reconciling import Reconciling, VenueOrders
from services.order.pipeline.reports import AdoptEpoch, EndPassedOver, VenueReports
from services.order.pipeline.writer import Writer

_log = structlog.stdlib.get_logger(__name__)

_QUERY_SECONDS: Final = 30.0
"""A venue may hold a hundred thousand orders."""


class BrokerRoute:
    """The stream of one shard to BrokerService; also a listener of the writer, whose commands it sends.

    Nothing is queued for a venue that is away: its orders are in the book, and are sent once it is back.

    Attributes:
        venue_types: What the venues have told that they take.
    """

    def __init__(
        self,
        channel: Channel,
        book: Book,
        writer: Writer,
        reconciling: Reconciling,
        clock: Clock,
        venue_types: VenueTypes,
        *,
        environments: dict[str, int] | None = None,
    ) -> None:
        self._stub = RoutingServiceStub(channel)
        self.venue_types = venue_types
        self._environments = {} if environments is None else environments
        self._book, self._writer, self._reconciling, self._clock = book, writer, reconciling, clock
        self._outgoing: Drain[RouteRequest] | None = None
        self._call: StreamCall | None = None
        self._epochs: dict[str, str] = {}
        self._comparisons: dict[str, asyncio.Task[None]] = {}
        self._investigations: set[asyncio.Task[None]] = set()

    @property
    def up(self) -> Sequence[str]:
        """Connections that are up."""
        return list(self._epochs)

    async def run(self) -> None:
        """Keeps the stream up for ever."""
        await keep_up("broker", self._session)

    def committed(self, draft: Draft) -> None:
        """Sends the commands of what was committed."""
        outgoing = self._outgoing
        if outgoing is None:
            return
        commands = [c for entry in draft.entries if (c := _command(entry.event.type, entry.event.order)) is not None]
        if commands:
            outgoing.put(_batch(commands))

    async def venue_orders(self, connection_id: str) -> VenueOrders:
        """Returns what a venue holds for the shard.

        Raises:
            CodedError: VENUE_UNAVAILABLE or SERVICE_UNAVAILABLE.
        """
        request = QueryVenueOrdersRequest(connection_id=connection_id, shard=self._book.shard)
        response = await self._stub.QueryVenueOrders(request, timeout=_QUERY_SECONDS)
        return VenueOrders([(order.venue_order_id, order.order_id) for order in response.orders], response.as_of)

    async def _session(self) -> None:
        self._end()
        call = self._call = cast("StreamCall", self._stub.Route())
        outgoing: Drain[RouteRequest] = Drain()
        outgoing.put(self._open())
        outgoing.put_many(self._undeliverable())
        self._outgoing = outgoing
        writing = detached(_write(call, outgoing), name="broker writer")
        try:
            await self._listen(call)
        finally:
            self._end()
            call.cancel()
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing

    def _open(self) -> RouteRequest:
        cursors = [
            ConnectionCursor(connection_id=connection_id, epoch=epoch, sequence=sequence)
            for connection_id, (epoch, sequence) in self._book.cursors.items()
        ]
        return RouteRequest(open=RouteOpen(shard=self._book.shard, cursors=cursors))

    def _undeliverable(self) -> list[RouteRequest]:
        """Orders for connections never heard of: BrokerService refuses them if there are no such connections."""
        orders = [
            order
            for order in self._book.live.values()
            if order.at_venue and order.connection_id and order.connection_id not in self._book.cursors
        ]
        commands = sorted(map(place_command, orders), key=lambda command: command.command_sequence)
        return [_batch(commands)] if commands else []

    async def _listen(self, call: StreamCall) -> None:
        while (response := await call.read()) is not None:
            match response.WhichOneof("item"):
                case "reports":
                    await self._take_reports(response.reports)
                case "opened":
                    await self._opened(response.opened)
                case "down":
                    self._epochs.pop(response.down.connection_id, None)
                    self._compare_no_more(response.down.connection_id)
                    _log.warning("connection down", connection=response.down.connection_id, error=response.down.text)
                case other:
                    raise SessionEndedError(f"broker says what is not in the contract: {other}")

    async def _take_reports(self, batch: VenueReportBatch) -> None:
        at_ns = self._clock.now_ns()
        by_connection: dict[str, list[VenueReport]] = {}
        for message in batch.reports:
            try:
                report = report_of(message, at_ns)
            except ValueError as error:
                raise SessionEndedError(f"broker sent a malformed report of {message.order_id}: {error}") from error
            by_connection.setdefault(message.connection_id, []).append(report)
        for connection_id, reports in by_connection.items():
            work = VenueReports(
                connection_id,
                self._epochs.get(connection_id, ""),
                reports,
                self._reconciling.metrics,
                on_gap=self._gap,
                investigate=self._investigate,
            )
            self._writer.put(work)
        await self._writer.room()

    async def _opened(self, opened: ConnectionOpened) -> None:
        connection_id = opened.connection_id
        self.venue_types.note(connection_id, opened.order_types)
        self._environments[connection_id] = opened.environment
        if opened.deduplicates_commands and opened.last_command_sequence > self._book.sequence:
            raise VenueAheadError(connection_id, opened.last_command_sequence, self._book.sequence)
        before, _ = self._book.cursors.get(connection_id, ("", 0))
        if before != opened.epoch:
            await self._adopt(opened, before)
        self._epochs[connection_id] = opened.epoch
        _log.info("connection up", connection=connection_id, reports=opened.last_report_sequence)
        if opened.deduplicates_commands:
            self._send_outstanding(opened, frozenset())
        self._compare_no_more(connection_id)
        self._comparisons[connection_id] = detached(self._reconcile(opened), name="reconciliation")

    async def _adopt(self, opened: ConnectionOpened, before: str) -> None:
        known: frozenset[str] = frozenset()
        if before:
            _log.error("the venue has lost its history", connection=opened.connection_id, epoch=opened.epoch)
            known = (await self.venue_orders(opened.connection_id)).order_ids()
        adopted = asyncio.Event()
        work = AdoptEpoch(opened.connection_id, opened.epoch, known, adopted.set)
        self._writer.put(work)
        await adopted.wait()
        self._reconciling.lost(opened.connection_id, work.lost)

    async def _reconcile(self, opened: ConnectionOpened) -> None:
        known = await self._reconciling.compare(opened.connection_id, opened.last_report_sequence, self.venue_orders)
        if opened.deduplicates_commands:
            await self._end_passed_over(opened)
        else:
            self._send_outstanding(opened, known)

    async def _end_passed_over(self, opened: ConnectionOpened) -> None:
        """Ends what the venue can never take, now that all that it reported before it opened is consumed."""
        done = asyncio.Event()
        work = EndPassedOver(opened.connection_id, opened.last_command_sequence, done.set)
        self._writer.put(work)
        await done.wait()
        self._reconciling.passed_over(opened.connection_id, work.ended)

    def _send_outstanding(self, opened: ConnectionOpened, known: frozenset[str]) -> None:
        """Says that the opening was noticed, and sends what the venue has not seen; without a pause in between."""
        if self._outgoing is None:
            return
        ready = ConnectionReady(connection_id=opened.connection_id, opened_number=opened.opened_number)
        self._outgoing.put(RouteRequest(ready=ready))
        commands = outstanding(self._book.live.values(), opened.connection_id, opened.last_command_sequence)
        commands = [c for c in commands if not c.HasField("new_order") or c.new_order.order_id not in known]
        if commands:
            self._reconciling.resent(opened.connection_id, [_order_id(command) for command in commands])
            self._outgoing.put(_batch(commands))

    def _gap(self, reached: int, found: int) -> None:
        _log.error("reports are missing; asking for them again", reached=reached, found=found)
        if self._call is not None:
            self._call.cancel()

    def _investigate(self, reports: Sequence[VenueReport]) -> None:
        task = detached(self._reconciling.investigate(reports), name="investigation")
        self._investigations.add(task)
        task.add_done_callback(self._investigations.discard)

    def _compare_no_more(self, connection_id: str) -> None:
        if (comparison := self._comparisons.pop(connection_id, None)) is not None:
            comparison.cancel()

    def _end(self) -> None:
        self._outgoing = None
        self._call = None
        self._epochs.clear()
        for connection_id in list(self._comparisons):
            self._compare_no_more(connection_id)


class VenueAheadError(Exception):
    """The venue has taken commands that the log has not come to: one of the two was put back to an earlier state.

    It would ignore every command up to there as one that it has seen, so the service ends instead of going on.
    """

    def __init__(self, connection_id: str, taken: int, sequence: int) -> None:
        super().__init__(
            f"the venue of connection {connection_id} has taken commands up to {taken}, but the order log ends at "
            f"{sequence}: the database was made anew or restored from an older state. Restore the newest one, or "
            f"remove the engine's journal as well"
        )


async def _write(call: StreamCall, outgoing: Drain[RouteRequest]) -> None:
    try:
        while True:
            for request in await outgoing.take(64):
                await call.write(request)
    finally:
        # A stream that cannot be written to is of no use; ending it ends the session.
        call.cancel()


def _command(type_: ExecutionType, order: Order) -> VenueCommand | None:
    if type_ is ExecutionType.PENDING_NEW:
        return place_command(order)
    if type_ is ExecutionType.PENDING_CANCEL and order.status is OrderStatus.PENDING_CANCEL and order.at_venue:
        return cancel_command(order)
    if type_ is ExecutionType.PENDING_REPLACE and order.at_venue:
        return replace_command(order)
    if type_ is ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM and order.placed_sequence == order.sequence:
        return place_command(order)
    return None


def _order_id(command: VenueCommand) -> str:
    kind = command.WhichOneof("command")
    return "" if kind is None else getattr(command, kind).order_id


def _batch(commands: Sequence[VenueCommand]) -> RouteRequest:
    request = RouteRequest()
    request.commands.commands.extend(commands)
    return request
