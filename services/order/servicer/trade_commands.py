"""What comes in on a Trade stream: batches of commands, taken in their order, answered when each command is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from ordermesh.order.v1.order_entry_pb2 import (
    CancelAllOrdersRequest,
    CancelAllOrdersResponse,
    CancelOrderRequest,
    PlaceOrderRequest,
    ReplaceOrderRequest,
)
from ordermesh.order.v1.order_list_pb2 import PlaceOrderListRequest
from ordermesh.order.v1.trade_stream_pb2 import Command, CommandBatch, CommandBatchResult, CommandResult, TradeRequest
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, invalid_field, out_of_range
from services.kernel.identifiers import Identifiers
from services.mesh.status import to_status
from services.order.domain import refusals
from services.order.domain.terms import OrderTerms
from services.order.pipeline.acting import Acting
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.ports import Instruments
from services.order.pipeline.replacing import Replacing
from services.order.pipeline.tickets import Outcome
from services.order.servicer.messages import cancel_filter, refusal, terms_of
from services.order.servicer.order_lists import list_message, place_list
from services.order.servicer.replaces import replace
from services.order.wire import order_message
from services.order.wire_events import delimited

_ORDER_TAG: Final = bytes([CommandResult.ORDER_FIELD_NUMBER << 3 | 2])
_RESULT_TAG: Final = bytes([CommandBatchResult.RESULTS_FIELD_NUMBER << 3 | 2])


@dataclass(frozen=True, slots=True)
class Desk:
    """What commands are carried out by."""

    placing: Placing
    orders: Orders
    replacing: Replacing
    lists: OrderLists
    instruments: Instruments
    clock: Clock
    identifiers: Identifiers
    metrics: Metrics


class _Answer:
    """A batch, and what is known of its results, serialised: put into a message they would be copied twice."""

    __slots__ = ("open", "results", "sequence", "started")

    def __init__(self, sequence: int, count: int) -> None:
        self.sequence = sequence
        self.results = [b""] * count
        self.open = count
        self.started = time.perf_counter()

    def message(self) -> bytes:
        head = CommandBatchResult(sequence=self.sequence).SerializeToString()
        return b"".join((head, *delimited(_RESULT_TAG, self.results)))


class TradeCommands:
    """The commands of one stream.

    Every command is begun in its turn, by the one task that reads the stream, so that the pipeline sees an account's
    commands in the order in which they came; their ends are waited for side by side.

    Attributes:
        authorized: Whether the client has shown another token, and was not answered yet.
        closed: Whether the client has closed the stream in order.
        error: Why the stream cannot go on.
    """

    def __init__(self, account_id: str, desk: Desk, most_in_flight: int) -> None:
        self._account_id, self._desk, self._most_in_flight = account_id, desk, most_in_flight
        self._acting = Acting()
        self._sequence = 0
        self._in_flight = 0
        self._room = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answered: list[_Answer] = []
        self._wake: Callable[[], None] = _nobody
        self._ended = False
        self.authorized = False
        self.closed = False
        self.error: Exception | None = None

    @property
    def unfinished(self) -> Sequence[asyncio.Task[None]]:
        """Tasks of commands that were begun."""
        return tuple(self._tasks)

    @property
    def done(self) -> bool:
        """Whether no more commands will come and no answer is left to be told."""
        return self._ended and not self._tasks and not self._answered

    def listen(self, wake: Callable[[], None]) -> None:
        """Calls this, also now, when there may be something to tell."""
        self._wake = wake
        wake()

    def stop(self) -> None:
        """Begins no more commands."""
        self._ended = True

    def take(self) -> list[bytes]:
        """Returns the answers that are ready, serialised batch by batch. Their commands are in flight no more."""
        answered, self._answered = self._answered, []
        if answered:
            self._in_flight -= sum(len(answer.results) for answer in answered)
            self._room.set()
        return [answer.message() for answer in answered]

    async def read(self, requests: AsyncIterator[TradeRequest]) -> None:
        """Takes in what the client sends. Reads no further while too much is in flight: the transport pushes back."""
        try:
            async for request in requests:
                if request.HasField("authorize"):
                    # It was looked at on its way here, if anybody looks.
                    self.authorized = True
                    self._wake()
                    continue
                batch = self._checked(request)
                await self._until_room(len(batch.commands))
                if self._ended:
                    return
                await self._take_in(batch)
            self.closed = not self._ended
        except Exception as error:  # noqa: BLE001 - whatever it is, the stream ends with it
            self.error = error
        self._ended = True
        self._wake()

    def _checked(self, request: TradeRequest) -> CommandBatch:
        if request.HasField("open"):
            raise invalid_field("open", "must be the first message of the stream and no other")
        got, expected = request.commands.sequence, self._sequence + 1
        if got != expected:
            message = f"the next batch of this stream has the sequence {expected}, not {got}"
            raise out_of_range("COMMAND_OUT_OF_SEQUENCE", message, expected=str(expected), got=str(got))
        self._sequence = got
        return request.commands

    async def _until_room(self, count: int) -> None:
        while self._in_flight and self._in_flight + count > self._most_in_flight:
            self._room.clear()
            await self._room.wait()

    async def _take_in(self, batch: CommandBatch) -> None:
        answer = _Answer(batch.sequence, len(batch.commands))
        self._in_flight += len(batch.commands)
        for kind, group in groupby(enumerate(batch.commands), _kind):
            if kind == "place":
                await self._take_in_orders(answer, [(index, command.place) for index, command in group])
                continue
            for index, command in group:
                if kind in _AFTER_ALL_BEFORE:
                    await self._all_before()
                self._begin(self._carry_out(answer, index, _COMMANDS[kind](self, getattr(command, kind))))

    async def _take_in_orders(self, answer: _Answer, requests: Iterable[tuple[int, PlaceOrderRequest]]) -> None:
        indexes, orders = [], []
        new_id, now_ns = self._desk.identifiers.new_id, self._desk.clock.now_ns()
        for index, request in requests:
            try:
                orders.append(self._terms(request, new_id(), now_ns))
                indexes.append(index)
            except CodedError as error:
                self._settle(answer, index, _failed(error).SerializeToString())
        if orders:
            await self._meet_instruments(orders)
            self._begin(self._place(answer, indexes, orders))

    def _terms(self, request: PlaceOrderRequest, order_id: str, now_ns: int) -> OrderTerms:
        self._check_account(request.account_id)
        return terms_of(request, order_id, now_ns)

    async def _meet_instruments(self, orders: Iterable[OrderTerms]) -> None:
        """Looks up an instrument that is met for the first time here, so that no later order overtakes this one."""
        for name in {terms.instrument for terms in orders}:
            if self._desk.instruments.known(name) is None:
                with suppress(CodedError):
                    await self._desk.instruments.find(name)

    async def _all_before(self) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._acting.begin(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.error, self._ended = error if isinstance(error, Exception) else RuntimeError(str(error)), True
        if self._ended:
            self._wake()

    async def _place(self, answer: _Answer, indexes: Sequence[int], orders: Sequence[OrderTerms]) -> None:
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._desk.placing.place(orders)
        except CodedError as error:
            outcomes = [error] * len(orders)
        for index, outcome in zip(indexes, outcomes, strict=True):
            self._settle(answer, index, _placed(outcome))

    async def _carry_out(self, answer: _Answer, index: int, command: Coroutine[Any, Any, CommandResult]) -> None:
        try:
            result = await command
        except CodedError as error:
            result = _failed(error)
        self._settle(answer, index, result.SerializeToString())

    async def _cancel(self, request: CancelOrderRequest) -> CommandResult:
        order_id = await self._own(request.order_id)
        return CommandResult(order=order_message(await self._desk.orders.cancel(order_id)))

    async def _replace(self, request: ReplaceOrderRequest) -> CommandResult:
        await self._own(request.order_id)
        return CommandResult(order=order_message(await replace(self._desk.replacing, request)))

    async def _place_list(self, request: PlaceOrderListRequest) -> CommandResult:
        for order in request.orders:
            self._check_account(order.account_id)
        placed = await place_list(self._desk.lists, request, self._desk.identifiers, self._desk.clock)
        return CommandResult(order_list=list_message(placed))

    def _check_account(self, account_id: str) -> None:
        if account_id != self._account_id:
            raise invalid_field("account_id", f"must be {self._account_id}, the account of the stream")

    async def _own(self, order_id: str) -> str:
        """Returns the id of an order as it is known here; one of another account is as unknown as one of nobody."""
        known = order_id.lower()
        order, _ = await self._desk.orders.get(known)
        if order.terms.account_id != self._account_id:
            raise refusals.unknown_order(known)
        return known

    async def _cancel_all(self, request: CancelAllOrdersRequest) -> CommandResult:
        self._check_account(request.account_id)
        ids = await self._desk.orders.cancel_all(cancel_filter(request))
        return CommandResult(canceled=CancelAllOrdersResponse(count=len(ids), order_ids=ids))

    def _settle(self, answer: _Answer, index: int, result: bytes) -> None:
        answer.results[index] = result
        answer.open -= 1
        if not answer.open:
            self._desk.metrics.acknowledged(time.perf_counter() - answer.started)
            self._answered.append(answer)
            self._wake()


_COMMANDS: Final[dict[str, Callable[[TradeCommands, Any], Coroutine[Any, Any, CommandResult]]]] = {
    "cancel": TradeCommands._cancel,  # noqa: SLF001 - the class's own table
    "cancel_all": TradeCommands._cancel_all,  # noqa: SLF001 - the class's own table
    "replace": TradeCommands._replace,
    "place_list": TradeCommands._place_list,  # noqa: SLF001 - the class's own table
}
"""How each command is carried out, by its case in the contract, but for placing, which is done many at once."""
_AFTER_ALL_BEFORE: Final = frozenset({"cancel_all"})
"""Commands that must find what the ones before them on the stream have done."""


def _kind(numbered: tuple[int, Command]) -> str:
    return numbered[1].WhichOneof("command") or ""


def _placed(outcome: Outcome) -> bytes:
    if isinstance(outcome, CodedError):
        return _failed(outcome).SerializeToString()
    if outcome.refused_at_entry:
        return _failed(refusal(outcome)).SerializeToString()
    return b"".join(delimited(_ORDER_TAG, (order_message(outcome).SerializeToString(),)))


def _failed(error: CodedError) -> CommandResult:
    return CommandResult(error=to_status(error))


def _nobody() -> None:
    pass
