"""The engine's order entry, played: accepts everything, and does what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import grpc

from ordermesh.engine.v1 import (
    execution_pb2,
    order_entry_service_pb2,
    order_entry_service_pb2_grpc,
    order_pb2,
)


@dataclass
class FakeParticipant:
    """What the engine knows of one participant."""

    executions: list[execution_pb2.Execution] = field(default_factory=list)
    open_orders: dict[bytes, order_pb2.OpenOrder] = field(default_factory=dict)
    last_command: int = 0
    ignored: int = 0
    stream: asyncio.Queue[order_entry_service_pb2.TradeResponse | None] | None = None


class FakeEngine(order_entry_service_pb2_grpc.OrderEntryServiceServicer):
    """Every new order is accepted; a test may fill, skip telling (`hidden`), and cut streams.

    Attributes:
        received: Batches of commands as they came, by participant.
        hidden: Execution sequences that are kept off the streams, though QueryExecutions tells them.
        filling: Whether a new order is filled at once.
    """

    def __init__(self) -> None:
        self.epoch = str(uuid4())
        self.participants: dict[str, FakeParticipant] = {}
        self.received: list[tuple[str, list[order_pb2.Command]]] = []
        self.hidden: set[int] = set()
        self.filling = False
        self.opens: list[order_entry_service_pb2.Open] = []
        self._venue_orders = 0

    def restart(self, *, lost: bool = False) -> None:
        """Cuts all streams; when lost, the engine comes back as another one."""
        for participant in self.participants.values():
            if participant.stream is not None:
                participant.stream.put_nowait(None)
        if lost:
            self.epoch = str(uuid4())
            self.participants = {}

    def tell(self, name: str, **values: Any) -> execution_pb2.Execution:
        """Makes an execution, and tells it unless it is hidden."""
        participant = self.participants[name]
        execution = execution_pb2.Execution(execution_sequence=len(participant.executions) + 1, **values)
        participant.executions.append(execution)
        if participant.stream is not None and execution.execution_sequence not in self.hidden:
            participant.stream.put_nowait(_batch([execution]))
        return execution

    def repeat(self, name: str, first: int, last: int) -> None:
        """Tells executions again."""
        participant = self.participants[name]
        assert participant.stream is not None
        participant.stream.put_nowait(_batch(participant.executions[first - 1 : last]))

    async def Trade(
        self, request_iterator: AsyncIterator[order_entry_service_pb2.TradeRequest], context: Any
    ) -> AsyncIterator[order_entry_service_pb2.TradeResponse]:
        opening = (await anext(request_iterator)).open
        self.opens.append(opening)
        if opening.expected_epoch and opening.expected_epoch != self.epoch:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, "EPOCH_MISMATCH: the epoch is another one")
        participant = self.participants.setdefault(opening.participant, FakeParticipant())
        if participant.stream is not None:
            participant.stream.put_nowait(None)
        stream = participant.stream = asyncio.Queue()
        yield order_entry_service_pb2.TradeResponse(
            opened=order_entry_service_pb2.Opened(
                participant=opening.participant,
                epoch=self.epoch,
                last_command_sequence=participant.last_command,
                last_execution_sequence=len(participant.executions),
                first_execution_sequence=1,
            )
        )
        if missed := participant.executions[opening.after_execution_sequence :]:
            yield _batch(missed)
        reader = asyncio.create_task(self._read(opening.participant, request_iterator))
        try:
            while (response := await stream.get()) is not None:
                yield response
        finally:
            reader.cancel()
        await context.abort(grpc.StatusCode.UNAVAILABLE, "STOPPING: the engine is stopping")

    async def _read(self, name: str, requests: AsyncIterator[order_entry_service_pb2.TradeRequest]) -> None:
        async for request in requests:
            commands = list(request.batch.commands)
            self.received.append((name, commands))
            for command in commands:
                self._apply(name, self.participants[name], command)

    def _apply(self, name: str, participant: FakeParticipant, command: order_pb2.Command) -> None:
        if command.command_sequence <= participant.last_command:
            participant.ignored += 1
            return
        participant.last_command = command.command_sequence
        if command.HasField("cancel_order"):
            self._cancel(name, participant, command)
            return
        if command.HasField("replace_order"):
            self._replace(name, participant, command)
            return
        self._enter(name, participant, command)

    def _enter(self, name: str, participant: FakeParticipant, command: order_pb2.Command) -> None:
        new = command.new_order
        common: dict[str, Any] = {
            "command_sequence": command.command_sequence,
            "order_id": new.order_id,
            "time_ns": 1_700_000_000_000_000_001,
        }
        if reason := _refusal(new):
            self.tell(name, execution_type=execution_pb2.EXECUTION_TYPE_REJECTED, reason=reason, **common)
            return
        self._venue_orders += 1
        common |= {"venue_order_id": self._venue_orders, "instrument_id": new.instrument_id, "side": new.side}
        participant.open_orders[new.order_id] = order_pb2.OpenOrder(
            order_id=new.order_id,
            venue_order_id=self._venue_orders,
            instrument_id=new.instrument_id,
            side=new.side,
            order_type=new.order_type,
            price_ticks=new.price_ticks,
            quantity_lots=new.quantity_lots,
            leaves_quantity_lots=new.quantity_lots,
        )
        self.tell(name, execution_type=execution_pb2.EXECUTION_TYPE_NEW, **common)
        if self.filling:
            self.fill(name, new.order_id, new.quantity_lots, new.price_ticks)

    def fill(self, name: str, order_id: bytes, lots: int, price_ticks: int, *, taker: bool = True) -> None:
        """Fills an open order."""
        participant = self.participants[name]
        order = participant.open_orders[order_id]
        order.cumulative_quantity_lots += lots
        order.leaves_quantity_lots -= lots
        if not order.leaves_quantity_lots:
            del participant.open_orders[order_id]
        self.tell(
            name,
            execution_type=execution_pb2.EXECUTION_TYPE_TRADE,
            order_id=order_id,
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            side=order.side,
            last_price_ticks=price_ticks,
            last_quantity_lots=lots,
            cumulative_quantity_lots=order.cumulative_quantity_lots,
            leaves_quantity_lots=order.leaves_quantity_lots,
            trade_id=len(participant.executions) + 1,
            liquidity=execution_pb2.LIQUIDITY_TAKER if taker else execution_pb2.LIQUIDITY_MAKER,
            time_ns=1_700_000_000_000_000_002,
        )

    def _cancel(self, name: str, participant: FakeParticipant, command: order_pb2.Command) -> None:
        order_id = command.cancel_order.order_id
        order = participant.open_orders.pop(order_id, None)
        if order is None:
            self.tell(
                name,
                execution_type=execution_pb2.EXECUTION_TYPE_CANCEL_REJECTED,
                reason=execution_pb2.EXECUTION_REASON_UNKNOWN_ORDER,
                order_id=order_id,
                command_sequence=command.command_sequence,
            )
            return
        self.tell(
            name,
            execution_type=execution_pb2.EXECUTION_TYPE_CANCELED,
            reason=execution_pb2.EXECUTION_REASON_REQUESTED,
            order_id=order_id,
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            command_sequence=command.command_sequence,
            cumulative_quantity_lots=order.cumulative_quantity_lots,
        )

    def _replace(self, name: str, participant: FakeParticipant, command: order_pb2.Command) -> None:
        wanted = command.replace_order
        order = participant.open_orders.get(wanted.order_id)
        if order is None or wanted.quantity_lots < 1:
            unknown, invalid = (
                execution_pb2.EXECUTION_REASON_UNKNOWN_ORDER,
                execution_pb2.EXECUTION_REASON_INVALID_QUANTITY,
            )
            self.tell(
                name,
                execution_type=execution_pb2.EXECUTION_TYPE_CANCEL_REJECTED,
                reason=unknown if order is None else invalid,
                order_id=wanted.order_id,
                command_sequence=command.command_sequence,
            )
            return
        order.price_ticks = wanted.price_ticks
        order.leaves_quantity_lots = max(wanted.quantity_lots - order.cumulative_quantity_lots, 0)
        order.quantity_lots = order.cumulative_quantity_lots + order.leaves_quantity_lots
        if not order.leaves_quantity_lots:
            del participant.open_orders[wanted.order_id]
        self.tell(
            name,
            execution_type=execution_pb2.EXECUTION_TYPE_REPLACED,
            order_id=wanted.order_id,
            venue_order_id=order.venue_order_id,
            instrument_id=order.instrument_id,
            command_sequence=command.command_sequence,
            cumulative_quantity_lots=order.cumulative_quantity_lots,
            leaves_quantity_lots=order.leaves_quantity_lots,
        )

    async def QueryOpenOrders(
        self, request: order_entry_service_pb2.QueryOpenOrdersRequest, context: Any
    ) -> AsyncIterator[order_entry_service_pb2.QueryOpenOrdersResponse]:
        participant = await self._participant(request.participant, context)
        yield order_entry_service_pb2.QueryOpenOrdersResponse(
            orders=list(participant.open_orders.values()),
            last_command_sequence=participant.last_command,
            last_execution_sequence=len(participant.executions),
            epoch=self.epoch,
        )

    async def QueryExecutions(
        self, request: order_entry_service_pb2.QueryExecutionsRequest, context: Any
    ) -> order_entry_service_pb2.QueryExecutionsResponse:
        participant = await self._participant(request.participant, context)
        after = request.after_execution_sequence
        return order_entry_service_pb2.QueryExecutionsResponse(
            executions=participant.executions[after : after + (request.limit or 1_000)],
            last_execution_sequence=len(participant.executions),
            epoch=self.epoch,
        )

    async def _participant(self, name: str, context: Any) -> FakeParticipant:
        if name not in self.participants:
            await context.abort(grpc.StatusCode.NOT_FOUND, "UNKNOWN_PARTICIPANT: never heard of it")
        return self.participants[name]


def _refusal(new: order_pb2.NewOrder) -> execution_pb2.ExecutionReason.ValueType | None:
    if not new.instrument_id:
        return execution_pb2.EXECUTION_REASON_UNKNOWN_INSTRUMENT
    if new.price_ticks > 10**12:
        return execution_pb2.EXECUTION_REASON_PRICE_OUT_OF_BAND
    if new.quantity_lots < 1:
        return execution_pb2.EXECUTION_REASON_INVALID_QUANTITY
    return None


def _batch(executions: list[execution_pb2.Execution]) -> order_entry_service_pb2.TradeResponse:
    return order_entry_service_pb2.TradeResponse(batch=order_entry_service_pb2.ExecutionBatch(executions=executions))


@asynccontextmanager
async def serving(add: Any, servicer: Any, port: int = 0) -> AsyncIterator[int]:
    """Serves a servicer on a free port (or the one named) for as long as the block lasts; yields the port."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add(servicer, server)
    chosen = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield chosen
    finally:
        await server.stop(None)
