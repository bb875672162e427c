"""A session with the engine, in lockstep, that survives the engine's restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import structlog

from ordermesh.engine.v1 import order_entry_service_pb2, order_pb2
from ordermesh.engine.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.market.orders import Action, CancelAll, CancelOrder, Execution, NewOrder, ReduceOrder
from services.market.peers.engine_messages import execution_of, new_order_message
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall

RECONNECT_SECONDS = (0.1, 0.2, 0.5, 1.0, 2.0, 2.0, 2.0, 5.0, 5.0, 5.0)
_NOBODY = (1 << 63) - 1

_log = structlog.get_logger(__name__)


class EngineSession:
    """One participant of the engine, in lockstep: what was submitted is settled before more is.

    A session survives a restart of the engine: it opens its stream again after the last execution it has seen, and
    sends again what the engine has not taken.
    """

    def __init__(self, channel: Channel, participant: str) -> None:
        self._stub = OrderEntryServiceStub(channel)
        self._participant = participant
        self._call: StreamCall | None = None
        self._epoch = ""
        self._last_command = 0
        self._last_execution = 0

    async def open(self) -> None:
        """Opens the stream after all that happened before.

        Raises:
            CodedError: The engine cannot be reached.
        """
        self._last_execution = await self._executions_so_far()
        self._last_command = await self._connect()

    async def close(self) -> None:
        """Closes the stream."""
        if self._call is not None:
            await self._call.done_writing()
            self._call.cancel()
            self._call = None

    async def submit(self, actions: Sequence[Action]) -> list[Execution]:
        """Sends actions and waits until the engine has done them all.

        Returns:
            What has happened to the participant's orders since the last call, by whomever, in its order.

        Raises:
            CodedError: The engine cannot be reached for longer than it is waited for.
        """
        # A mass cancel that concerns nobody is answered last, and so tells that all before it is done.
        commands = [self._command(action) for action in actions]
        commands.append(self._numbered(mass_cancel=order_pb2.MassCancel(self_trade_group=_NOBODY)))
        executions: list[Execution] = []
        waits = iter(RECONNECT_SECONDS)
        taken = self._last_command - len(commands)
        while True:
            try:
                await self._exchange([c for c in commands if c.command_sequence > taken], executions)
            except CodedError as error:
                wait = next(waits, None)
                if wait is None or error.kind is not ErrorKind.UNAVAILABLE:
                    raise
                _log.warning("engine_lost", participant=self._participant, error=str(error), retry_seconds=wait)
                await asyncio.sleep(wait)
                taken = await self._reconnect(taken)
            else:
                return executions

    async def _exchange(self, commands: list[order_pb2.Command], executions: list[Execution]) -> None:
        if self._call is None:
            raise unavailable("SERVICE_UNAVAILABLE", "the stream to the engine is closed")
        if commands:
            batch = order_entry_service_pb2.CommandBatch(commands=commands)
            await self._call.write(order_entry_service_pb2.TradeRequest(batch=batch))
        settled = False
        while not settled:
            response = await self._call.read()
            if response is None:
                raise unavailable("SERVICE_UNAVAILABLE", "the engine has ended the stream")
            for execution in response.batch.executions:
                self._last_execution = execution.execution_sequence
                if execution.command_sequence == self._last_command:
                    settled = True
                else:
                    executions.append(execution_of(execution))

    async def _reconnect(self, taken: int) -> int:
        """Opens the stream again if the engine answers; returns the last command it has taken."""
        self._call = None
        try:
            return await self._connect()
        except CodedError as error:
            if error.kind is not ErrorKind.UNAVAILABLE:
                raise
            return taken

    async def _connect(self) -> int:
        call = cast(StreamCall, self._stub.Trade())
        request = order_entry_service_pb2.Open(
            participant=self._participant,
            after_execution_sequence=self._last_execution,
            expected_epoch=self._epoch,
        )
        await call.write(order_entry_service_pb2.TradeRequest(open=request))
        response = await call.read()
        if response is None:
            raise unavailable("SERVICE_UNAVAILABLE", "the engine has ended the stream")
        self._call = call
        self._epoch = response.opened.epoch
        return int(response.opened.last_command_sequence)

    async def _executions_so_far(self) -> int:
        request = order_entry_service_pb2.QueryOpenOrdersRequest(participant=self._participant)
        try:
            async for response in self._stub.QueryOpenOrders(request):
                return int(response.last_execution_sequence)
        except CodedError as error:
            if error.kind is not ErrorKind.NOT_FOUND:
                raise
        return 0

    def _command(self, action: Action) -> order_pb2.Command:
        match action:
            case NewOrder():
                return self._numbered(new_order=new_order_message(action))
            case CancelOrder():
                return self._numbered(cancel_order=order_pb2.CancelOrder(order_id=action.order_id))
            case ReduceOrder():
                return self._numbered(
                    reduce_order=order_pb2.ReduceOrder(order_id=action.order_id, reduce_by_lots=action.by_lots)
                )
            case CancelAll():
                return self._numbered(mass_cancel=order_pb2.MassCancel(instrument_id=action.instrument_id))

    def _numbered(
        self,
        *,
        new_order: order_pb2.NewOrder | None = None,
        cancel_order: order_pb2.CancelOrder | None = None,
        reduce_order: order_pb2.ReduceOrder | None = None,
        mass_cancel: order_pb2.MassCancel | None = None,
    ) -> order_pb2.Command:
        self._last_command += 1
        return order_pb2.Command(
            command_sequence=self._last_command,
            new_order=new_order,
            cancel_order=cancel_order,
            reduce_order=reduce_order,
            mass_cancel=mass_cancel,
        )
