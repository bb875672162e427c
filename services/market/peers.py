"""The engine and MarketDataService, as the simulated market needs them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import cast

import structlog

from ordermesh.engine.v1 import execution_pb2, instrument_service_pb2, order_entry_service_pb2, order_pb2
from ordermesh.engine.v1.instrument_service_pb2_grpc import InstrumentServiceStub
from ordermesh.engine.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from ordermesh.marketdata.v1 import instrument_admin_pb2, instrument_pb2, market_data_service_pb2
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.market.orders import (
    Action,
    CancelAll,
    CancelOrder,
    Execution,
    ExecutionKind,
    NewOrder,
    ReduceOrder,
    Side,
)
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
                    executions.append(_execution(execution))

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
                return self._numbered(new_order=_new_order(action))
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


@dataclass(frozen=True, slots=True)
class ListedInstrument:
    """An instrument as the simulated market needs it."""

    name: str
    engine_id: int
    tick_size: Decimal
    lot_size: Decimal
    last_price: Decimal | None


class MarketDataPeer:
    """MarketDataService."""

    def __init__(self, channel: Channel) -> None:
        self._stub = MarketDataServiceStub(channel)

    async def instruments(self) -> list[ListedInstrument]:
        """Returns all instruments with the price of their last trade."""
        prices = await self._last_prices()
        found: list[ListedInstrument] = []
        token = ""
        while True:
            request = market_data_service_pb2.ListInstrumentsRequest(page_size=1000, page_token=token)
            page = await self._stub.ListInstruments(request)
            found += [_listed(instrument, prices) for instrument in page.instruments]
            token = page.next_page_token
            if not token:
                return found

    async def create_equity(self, name: str, description: str) -> ListedInstrument:
        """Makes an instrument in cents and single shares, or finds it made.

        Raises:
            CodedError: INSTRUMENT_EXISTS, when it exists with other terms.
        """
        request = instrument_admin_pb2.CreateInstrumentRequest(
            instrument=name,
            description=description,
            asset_class=instrument_pb2.ASSET_CLASS_EQUITY,
            currency="USD",
            tick_size="0.01",
            lot_size="1",
        )
        response = await self._stub.CreateInstrument(request)
        return _listed(response.instrument, {})

    async def _last_prices(self) -> dict[str, Decimal]:
        prices: dict[str, Decimal] = {}
        async for response in self._stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest()):
            if response.HasField("snapshot_end"):
                break
            for quote in response.snapshot.quotes:
                if quote.last_price:
                    prices[quote.instrument] = Decimal(quote.last_price)
        return prices


class EngineAdmin:
    """What the operator of the market does at the engine."""

    def __init__(self, channel: Channel) -> None:
        self._stub = InstrumentServiceStub(channel)

    async def halt(self, instrument_id: int) -> None:
        """Halts trading in an instrument."""
        await self._stub.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=instrument_id))

    async def resume(self, instrument_id: int) -> None:
        """Resumes trading in an instrument."""
        await self._stub.ResumeInstrument(instrument_service_pb2.ResumeInstrumentRequest(instrument_id=instrument_id))


_SIDES = {Side.BUY: order_pb2.SIDE_BUY, Side.SELL: order_pb2.SIDE_SELL}

_KINDS = {
    execution_pb2.EXECUTION_TYPE_NEW: ExecutionKind.ACCEPTED,
    execution_pb2.EXECUTION_TYPE_TRADE: ExecutionKind.TRADE,
    execution_pb2.EXECUTION_TYPE_CANCELED: ExecutionKind.ENDED,
    execution_pb2.EXECUTION_TYPE_EXPIRED: ExecutionKind.ENDED,
    execution_pb2.EXECUTION_TYPE_REPLACED: ExecutionKind.CHANGED,
    execution_pb2.EXECUTION_TYPE_REDUCED: ExecutionKind.CHANGED,
    execution_pb2.EXECUTION_TYPE_REJECTED: ExecutionKind.REJECTED,
    execution_pb2.EXECUTION_TYPE_CANCEL_REJECTED: ExecutionKind.CANCEL_REJECTED,
    execution_pb2.EXECUTION_TYPE_MASS_CANCELED: ExecutionKind.CANCELED_ALL,
}


def _new_order(action: NewOrder) -> order_pb2.NewOrder:
    return order_pb2.NewOrder(
        order_id=action.order_id,
        instrument_id=action.instrument_id,
        side=_SIDES[action.side],
        order_type=order_pb2.ORDER_TYPE_LIMIT,
        time_in_force=(
            order_pb2.TIME_IN_FORCE_IMMEDIATE_OR_CANCEL
            if action.immediate
            else order_pb2.TIME_IN_FORCE_GOOD_TILL_CANCEL
        ),
        price_ticks=action.price_ticks,
        quantity_lots=action.quantity_lots,
        self_trade_prevention=(
            order_pb2.SELF_TRADE_PREVENTION_CANCEL_OLDEST if action.group else order_pb2.SELF_TRADE_PREVENTION_NONE
        ),
        self_trade_group=action.group,
    )


def _execution(message: execution_pb2.Execution) -> Execution:
    return Execution(
        kind=_KINDS[message.execution_type],
        order_id=message.order_id,
        instrument_id=message.instrument_id,
        price_ticks=message.last_price_ticks,
        quantity_lots=message.last_quantity_lots,
        leaves_lots=message.leaves_quantity_lots,
        trade_id=message.trade_id,
        maker=message.liquidity == execution_pb2.LIQUIDITY_MAKER,
        command_sequence=message.command_sequence,
        reason=execution_pb2.ExecutionReason.Name(message.reason).removeprefix("EXECUTION_REASON_"),
    )


def _listed(instrument: instrument_pb2.Instrument, prices: dict[str, Decimal]) -> ListedInstrument:
    return ListedInstrument(
        name=instrument.instrument,
        engine_id=instrument.engine_instrument_id,
        tick_size=Decimal(instrument.tick_size),
        lot_size=Decimal(instrument.lot_size),
        last_price=prices.get(instrument.instrument),
    )
