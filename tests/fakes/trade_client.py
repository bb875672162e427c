"""A client of a Trade stream: numbers its batches, and keeps what the server says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from ordermesh.order.v1.order_entry_pb2 import (
    CancelAllOrdersRequest,
    CancelOrderRequest,
    PlaceOrderRequest,
    ReplaceOrderRequest,
)
from ordermesh.order.v1.order_pb2 import Order
from ordermesh.order.v1.trade_stream_pb2 import (
    Command,
    CommandBatch,
    CommandResult,
    TradeOpen,
    TradeRequest,
    TradeResponse,
)
from services.kernel.errors import CodedError
from tests.fixtures.waiting import PATIENCE_SECONDS, eventually


class TradeClient:
    """One stream, read in the background.

    Attributes:
        responses: What the server said.
        results: Results of the batches that were answered, by sequence.
        reports: Execution reports, in the order in which they came.
        token: Newest resume token.
        error: What the stream ended with.
    """

    def __init__(self, call: Any, account_id: str) -> None:
        self._call, self._account_id = call, account_id
        self._sequence = 0
        self.responses: list[TradeResponse] = []
        self.results: dict[int, list[CommandResult]] = {}
        self.reports: list[ExecutionReport] = []
        self.token = ""
        self.error: CodedError | None = None
        self.ended = False
        self._reading = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def open(cls, orders: Any, account_id: str = "demo", **fields: Any) -> AsyncIterator[TradeClient]:
        """Opens a stream, and cuts it at the end of the block unless it has ended."""
        client = cls(orders.Trade(), account_id)
        await client.begin(**fields)
        try:
            yield client
        finally:
            await client.cut()

    async def begin(self, **fields: Any) -> None:
        """Sends the first message."""
        await self.write(TradeRequest(open=TradeOpen(account_id=self._account_id, **fields)))

    async def write(self, request: TradeRequest) -> None:
        """Sends a message as it is."""
        await self._call.write(request)

    async def send(self, *commands: Command, sequence: int = 0) -> int:
        """Sends a batch, and returns its sequence."""
        self._sequence = sequence or self._sequence + 1
        await self.write(TradeRequest(commands=CommandBatch(sequence=self._sequence, commands=commands)))
        return self._sequence

    async def ask(self, *commands: Command) -> list[CommandResult]:
        """Sends a batch, and returns its results."""
        return await self.answer(await self.send(*commands))

    async def place(self, request: PlaceOrderRequest) -> Order:
        """Places an order."""
        (result,) = await self.ask(Command(place=request))
        assert result.HasField("order"), result
        return result.order

    async def answer(self, sequence: int) -> list[CommandResult]:
        """Waits for the results of a batch."""
        await self.until(lambda: sequence in self.results)
        return self.results[sequence]

    async def until(self, condition: Callable[[], object]) -> None:
        """Waits until something holds that depends on what the server says; fails when the stream ends before."""
        await self.until_ended_or(condition)
        assert condition(), f"the stream has ended: {self.error}"

    async def until_ended_or(self, condition: Callable[[], object]) -> None:
        """Waits until something holds that depends on what the server says, or the stream has ended."""
        await eventually(lambda: self.ended or condition())

    async def end(self) -> None:
        """Waits for the server's end of the stream."""
        await asyncio.wait_for(asyncio.wait([self._reading]), PATIENCE_SECONDS)

    async def close(self) -> None:
        """Closes the stream in order."""
        await self._call.done_writing()
        await self.end()
        if self.error is not None:
            raise self.error

    async def cut(self) -> None:
        """Ends the stream as a client does that crashes."""
        self._call.cancel()
        await self.end()

    def items(self) -> list[str]:
        """Returns what each response is."""
        return [response.WhichOneof("item") or "" for response in self.responses]

    async def _read(self) -> None:
        try:
            while (response := await self._call.read()) is not None:
                self._take(response)
        except CodedError as error:
            self.error = error
        self.ended = True

    def _take(self, response: TradeResponse) -> None:
        self.responses.append(response)
        assert response.sequence == len(self.responses)
        self.results |= {answer.sequence: list(answer.results) for answer in response.update.results}
        self.reports += response.update.reports
        for part in (response.update, response.snapshot_end, response.heartbeat, response.going_away):
            self.token = part.resume_token or self.token


def placing(request: PlaceOrderRequest) -> Command:
    """Returns the command to place an order."""
    return Command(place=request)


def canceling(order_id: str) -> Command:
    """Returns the command to cancel an order."""
    return Command(cancel=CancelOrderRequest(order_id=order_id))


def replacing(order_id: str, replace_id: str, **terms: Any) -> Command:
    """Returns the command that replaces an order's quantity or limit price."""
    return Command(replace=ReplaceOrderRequest(order_id=order_id, replace_id=replace_id, **terms))


def canceling_all(account_id: str = "demo") -> Command:
    """Returns the command to cancel all orders of an account."""
    return Command(cancel_all=CancelAllOrdersRequest(account_id=account_id))
