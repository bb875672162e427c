"""The peers of OrderService in memory, behind real gRPC: risk, broker with a venue, market data."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.broker.v1 import broker_connection_pb2, route_query_pb2, routing_service_pb2_grpc
from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.marketdata.v1 import (
    book_access_pb2,
    book_pb2,
    instrument_pb2,
    market_data_service_pb2,
    market_data_service_pb2_grpc,
    market_trade_access_pb2,
    market_trade_pb2,
)
from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2 as reserving
from ordermesh.risk.v1 import reservation_service_pb2_grpc
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, stream_pb2
from services.mesh.options import SERVER_OPTIONS
from tests.fakes.public_market import FakePublicMarket

CONNECTION = "simulation"

Decide = Callable[[reserving.Reservation], reserving.ReservationDecision]
React = Callable[[routing.NewVenueOrder], Iterable[routing.VenueReport]]
ReactToReplace = Callable[[routing.VenueCommand], Iterable[routing.VenueReport]]


def accept(_: reserving.Reservation) -> reserving.ReservationDecision:
    """Lets every order pass."""
    return reserving.ReservationDecision()


def refuse(_: reserving.Reservation) -> reserving.ReservationDecision:
    """Lets none pass."""
    return reserving.ReservationDecision(
        reason=error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED,
        breach=risk_breach_pb2.RiskBreach(
            rule=risk_breach_pb2.RISK_RULE_MAX_ORDER_SIZE, limit="10", observed="100", unit="units", text="too much"
        ),
        text="too much",
    )


_DECIDED = (execution_report_pb2.EXECUTION_TYPE_REPLACED, execution_report_pb2.EXECUTION_TYPE_REPLACE_REJECTED)


@dataclass
class FakeRisk(reservation_service_pb2_grpc.ReservationServiceServicer):
    """Reserves as told, and remembers what it was told.

    Attributes:
        withdrawing: Whether no order may stay open that is there when the stream begins.
    """

    decide: Decide = accept
    consumed: int = 0
    silent: bool = False
    down: bool = False
    reserved: dict[str, reserving.Reservation] = field(default_factory=dict)
    settled: list[int] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    released_replaces: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    sync_sequence: int = 0
    checks: int = 0
    largest: int = 0
    withdrawing: bool = False
    _end: asyncio.Event = field(default_factory=asyncio.Event)
    _said: asyncio.Queue[reserving.ReserveResponse] = field(default_factory=asyncio.Queue)

    async def Reserve(self, requests: AsyncIterator[reserving.ReserveRequest], context: Any) -> AsyncIterator[Any]:
        self._end = end = asyncio.Event()
        said: asyncio.Queue[reserving.ReserveResponse] = asyncio.Queue()
        self._said = said
        iterator = aiter(requests)
        await anext(iterator)
        if self.down:
            return
        yield reserving.ReserveResponse(opened=reserving.ReserveOpened(sequence=self.consumed))
        ending = asyncio.ensure_future(end.wait())
        coming = asyncio.ensure_future(anext(iterator, None))
        while True:
            saying = asyncio.ensure_future(said.get())
            await asyncio.wait({coming, ending, saying}, return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                yield saying.result()
                continue
            saying.cancel()
            if not coming.done():
                coming.cancel()
                return
            request = coming.result()
            if request is None:
                ending.cancel()
                return
            coming = asyncio.ensure_future(anext(iterator, None))
            answer = self._answer(request)
            while not said.empty():
                yield said.get_nowait()
            if answer is not None and not self.silent:
                yield answer
            if request.HasField("sync") and self.withdrawing:
                self.withdraw(*self.reserved)

    def withdraw(self, *order_ids: str) -> None:
        """Says that orders may not stay open, before whatever is answered next."""
        told = reserving.OrderWithdrawal(
            order_ids=order_ids, reason=error_pb2.ERROR_REASON_TRADING_HALTED, text="trading is halted"
        )
        self._said.put_nowait(reserving.ReserveResponse(withdraw=told))

    async def CheckOrder(self, request: reserving.CheckOrderRequest, context: Any) -> reserving.CheckOrderResponse:
        return reserving.CheckOrderResponse(decision=self.decide(request.order), as_of=self.consumed)

    def cut(self) -> None:
        self._end.set()

    def _answer(self, request: reserving.ReserveRequest) -> reserving.ReserveResponse | None:
        match request.WhichOneof("item"):
            case "sync":
                self.synced = [each.order_id for each in request.sync.reservations]
                self.reserved = {each.order_id: each for each in request.sync.reservations}
                self.sync_sequence = request.sync.sequence
            case "settle":
                self._settle(request.settle)
            case "release":
                self._release(request.release)
            case "reserve":
                return self._decide(request.reserve)
        return None

    def _settle(self, settlement: reserving.Settlement) -> None:
        self.settled += [report.sequence for report in settlement.reports]
        self.consumed = settlement.sequence
        for report in settlement.reports:
            if report.leaves_quantity == "0":
                self.reserved.pop(report.order_id, None)
            elif report.execution_type in _DECIDED and (held := self.reserved.get(report.order_id)) is not None:
                held.quantity = report.leaves_quantity
                held.ClearField("replace")

    def _release(self, release: reserving.ReservationRelease) -> None:
        self.released += release.order_ids
        for order_id in release.order_ids:
            self.reserved.pop(order_id, None)
        self.released_replaces += release.replace_order_ids
        for order_id in release.replace_order_ids:
            if (held := self.reserved.get(order_id)) is not None:
                held.ClearField("replace")

    def _decide(self, batch: reserving.ReservationBatch) -> reserving.ReserveResponse:
        decisions = []
        for reservation in batch.reservations:
            decision = self.decide(reservation)
            if not decision.reason:
                self.reserved[reservation.order_id] = reservation
            decisions.append(decision)
        self.checks += len(decisions)
        self.largest = max(self.largest, len(decisions))
        answer = reserving.ReservationDecisions(batch_number=batch.batch_number, decisions=decisions)
        return reserving.ReserveResponse(decisions=answer)


def fill(order: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Accepts and fills at once."""
    price = order.limit_price or "100"
    yield routing.VenueReport(type=routing.VENUE_REPORT_TYPE_ACCEPTED, cumulative_quantity="0")
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE,
        last_price=price,
        last_quantity=order.quantity,
        cumulative_quantity=order.quantity,
        fee="0",
    )


def rest(_: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Accepts, and lets the order rest."""
    yield routing.VenueReport(type=routing.VENUE_REPORT_TYPE_ACCEPTED, cumulative_quantity="0")


def ignore(_: routing.NewVenueOrder) -> Iterable[routing.VenueReport]:
    """Takes the order and says nothing yet."""
    return ()


def do_replace(command: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Replaces at once."""
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_REPLACED, command_sequence=command.command_sequence, cumulative_quantity="0"
    )


def refuse_replace(command: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Refuses at once, by the one word that venues have for cancels and replaces."""
    yield routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_CANCEL_REJECTED,
        command_sequence=command.command_sequence,
        reason=error_pb2.ERROR_REASON_VENUE_REJECTED,
        text="not now",
    )


def ignore_replace(_: routing.VenueCommand) -> Iterable[routing.VenueReport]:
    """Takes the request and says nothing yet."""
    return ()


@dataclass
class FakeVenue:
    """A venue that numbers its reports, ignores commands it has seen, and keeps all."""

    react: React = fill
    on_replace: ReactToReplace = field(default_factory=lambda: do_replace)
    epoch: str = field(default_factory=lambda: str(uuid.uuid4()))
    last_command: int = 0
    ignored: int = 0
    commands: list[routing.VenueCommand] = field(default_factory=list)
    reports: list[routing.VenueReport] = field(default_factory=list)
    open: dict[str, routing.NewVenueOrder] = field(default_factory=dict)
    strangers: list[routing.VenueOrder] = field(default_factory=list)

    def apply(self, command: routing.VenueCommand) -> list[routing.VenueReport]:
        if command.command_sequence <= self.last_command:
            self.ignored += 1
            return []
        self.last_command = command.command_sequence
        self.commands.append(command)
        if command.HasField("new_order"):
            order = command.new_order
            self.open[order.order_id] = order
            return [self.report(order.order_id, report) for report in self.react(order)]
        if command.HasField("replace"):
            return [self.report(command.replace.order_id, report) for report in self.on_replace(command)]
        return [self.cancel(command.cancel.order_id)]

    def cancel(self, order_id: str) -> routing.VenueReport:
        if order_id in self.open:
            reason = error_pb2.ERROR_REASON_CANCELED_ON_REQUEST
            return self.report(order_id, routing.VenueReport(type=routing.VENUE_REPORT_TYPE_CANCELED, reason=reason))
        reason = error_pb2.ERROR_REASON_UNKNOWN_ORDER
        return self.report(order_id, routing.VenueReport(type=routing.VENUE_REPORT_TYPE_CANCEL_REJECTED, reason=reason))

    def report(self, order_id: str, report: routing.VenueReport) -> routing.VenueReport:
        report.connection_id = CONNECTION
        report.sequence = len(self.reports) + 1
        report.order_id = order_id
        report.venue_order_id = f"v-{order_id[-8:]}"
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        report.venue_time.CopyFrom(Timestamp(seconds=seconds, nanos=nanos))
        if report.type == routing.VENUE_REPORT_TYPE_TRADE:
            report.venue_execution_id = f"x-{report.sequence}"
        self.reports.append(report)
        self._close(order_id, report)
        return report

    def _close(self, order_id: str, report: routing.VenueReport) -> None:
        order = self.open.get(order_id)
        if order is None:
            return
        filled = report.type == routing.VENUE_REPORT_TYPE_TRADE and Decimal(report.cumulative_quantity) >= Decimal(
            order.quantity
        )
        ended = report.type in (
            routing.VENUE_REPORT_TYPE_CANCELED,
            routing.VENUE_REPORT_TYPE_REJECTED,
            routing.VENUE_REPORT_TYPE_EXPIRED,
        )
        if filled or ended:
            del self.open[order_id]

    def told(self) -> list[str]:
        """Returns the ids of the orders that it was told to place, warm-ups included."""
        return [command.new_order.order_id for command in self.commands if command.HasField("new_order")]

    def lose_history(self) -> None:
        self.epoch = str(uuid.uuid4())
        self.last_command = 0
        self.reports.clear()
        self.open.clear()


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
                order_types=[1, 2],  # type: ignore[list-item]
                times_in_force=[1, 2, 3, 4],  # type: ignore[list-item]
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
            order_types=self.order_types,  # type: ignore[arg-type]
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


def instrument(name: str, **changes: Any) -> instrument_pb2.Instrument:
    """Returns an instrument with a tick of a cent and a lot of one."""
    message = instrument_pb2.Instrument(
        instrument=name,
        symbol=name.split(".", maxsplit=1)[0],
        venue=name.split(".", maxsplit=1)[1],
        currency="USD",
        tick_size="0.01",
        lot_size="1",
        min_quantity="1",
        max_quantity="1000000",
        contract_multiplier="1",
        status=instrument_pb2.INSTRUMENT_STATUS_TRADING,
        version=1,
    )
    for key, value in changes.items():
        setattr(message, key, value)
    return message


Trades = market_trade_access_pb2.StreamTradesResponse


@dataclass
class FakeMarketData(FakePublicMarket):
    """Knows some instruments, and what a test sets of their markets: quotes, and trades that it makes.

    Attributes:
        epoch: Epoch of the next trades.
        recovering: How often to say that trades are still being recovered.
        subscribed: Instruments whose trades are followed now.
    """

    instruments: dict[str, instrument_pb2.Instrument] = field(
        default_factory=lambda: {name: instrument(name) for name in ("AAPL.XNAS", "MSFT.XNAS")}
    )
    books: dict[str, book_pb2.OrderBook] = field(default_factory=dict)
    epoch: str = "epoch"
    recovering: int = 0
    subscribed: list[str] = field(default_factory=list)
    _readers: set[tuple[str, asyncio.Queue[Trades | None]]] = field(default_factory=set)

    def trade(self, price: str, name: str = "AAPL.XNAS", *, told: bool = True) -> market_trade_pb2.MarketTrade:
        """Makes a trade now; one that is not told live is in the list alone."""
        seconds, nanos = divmod(time.time_ns(), 1_000_000_000)
        made = self.trades
        trade = market_trade_pb2.MarketTrade(
            instrument=name,
            trade_id=str(len(made) + 1),
            price=price,
            quantity="1",
            sequence=len(made) + 1,
            epoch=self.epoch,
            venue_time=Timestamp(seconds=seconds, nanos=nanos),
        )
        made.append(trade)
        for wanted, queue in self._readers if told else ():
            if wanted == name:
                queue.put_nowait(Trades(update=market_trade_access_pb2.MarketTradeUpdate(trades=[trade])))
        return trade

    def cut_trades(self, reason: stream_pb2.GoingAwayReason.ValueType | None = None) -> None:
        """Ends all streams of trades, with a reason or without a word."""
        for _, queue in self._readers:
            if reason is not None:
                queue.put_nowait(Trades(going_away=stream_pb2.GoingAway(reason=reason)))
            queue.put_nowait(None)

    async def StreamTrades(self, request: Any, context: Any) -> AsyncIterator[Trades]:
        await self._answer(context)
        [name] = request.instruments
        queue: asyncio.Queue[Trades | None] = asyncio.Queue()
        self._readers.add((name, queue))
        self.subscribed.append(name)
        try:
            yield Trades(subscribed=stream_pb2.Subscribed())
            yield Trades(snapshot_begin=stream_pb2.SnapshotBegin())
            yield Trades(snapshot_end=stream_pb2.SnapshotEnd())
            while (told := await queue.get()) is not None:
                yield told
        finally:
            self._readers.discard((name, queue))
            self.subscribed.remove(name)

    async def ListMarketTrades(self, request: Any, context: Any) -> Any:
        if request.HasField("to"):
            return await super().ListMarketTrades(request, context)
        await self._answer(context)
        self.recovering = max(0, self.recovering - 1)
        wanted = [each for each in reversed(self.trades) if each.instrument == request.instrument]
        page, token = self._page(wanted, request)
        return market_trade_access_pb2.ListMarketTradesResponse(
            trades=page, next_page_token=token, recovering=self.recovering > 0
        )

    async def GetOrderBook(self, request: Any, context: Any) -> Any:
        found = self.books.get(request.instrument)
        if found is None:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "nothing is known of its market")
        return book_access_pb2.GetOrderBookResponse(book=found)

    async def ListInstruments(self, request: Any, context: Any) -> Any:
        return market_data_service_pb2.ListInstrumentsResponse(instruments=self.instruments.values())


@dataclass
class Peers:
    """All of them in one server."""

    risk: FakeRisk = field(default_factory=FakeRisk)
    broker: FakeBroker = field(default_factory=FakeBroker)
    market_data: FakeMarketData = field(default_factory=FakeMarketData)
    address: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Peers]:
        server = grpc.aio.server(options=list(SERVER_OPTIONS))
        reservation_service_pb2_grpc.add_ReservationServiceServicer_to_server(self.risk, server)
        routing_service_pb2_grpc.add_RoutingServiceServicer_to_server(self.broker, server)
        market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server(self.market_data, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield self
        finally:
            await server.stop(None)
