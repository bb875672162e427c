"""An order load over Trade streams: results and executions are read on the stream that the commands went out on."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.order.v1.trade_stream_pb2 import (
    Command,
    CommandBatch,
    TradeOpen,
    TradeRequest,
    TradeResponse,
    TradeUpdate,
)
from services.mesh.options import CLIENT_OPTIONS
from tests.bench.order_load import ENDED, Load, Outcome, order, until
from tests.fixtures.direct import channel_to

if TYPE_CHECKING:
    from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceAsyncStub


async def trade(address: str, load: Load) -> Outcome:
    """Sends batches, `in_flight` of them open at once over the streams of all accounts, until every order has ended."""
    run, batches = uuid.uuid4().hex[:12], _batches(load)
    async with _Desk.open(address, load, load.in_flight) as desk:
        for number, (account, numbers) in enumerate(batches):
            await until(desk.start, number * load.batch, load.rate)
            await desk.send(account, [order(load, run, each) for each in numbers])
        return await desk.finish(ended=load.streams)


async def trade_paced(address: str, load: Load) -> Outcome:
    """Sends single orders at the load's rate, whether or not the ones before are answered.

    They go over two streams, a buyer's and a seller's, so that what one sends fills what the other has sent.
    """
    load = replace(load, accounts=load.accounts[:2])
    run = uuid.uuid4().hex[:12]
    async with _Desk.open(address, load, load.orders) as desk:
        for number in range(load.orders):
            await until(desk.start, number, load.rate)
            await desk.send(number % 2, [order(load, run, number)])
        return await desk.finish(ended=False)


def _batches(load: Load) -> Iterator[tuple[int, list[int]]]:
    """Yields the account of each batch and the numbers of its orders: as many to buy as to sell."""
    accounts, account, told = len(load.accounts), 0, [0] * len(load.accounts)
    left = load.orders // 2
    while left:
        size = min(load.batch, left)
        left -= size
        for of in (account, account + 1):
            yield of, [of + accounts * (told[of] + offset) for offset in range(size)]
            told[of] += size
        account = (account + 2) % accounts


class _Desk:
    """The streams of a load, and what they have told so far."""

    def __init__(self, in_flight: int) -> None:
        self.start = 0.0
        self._outcome, self._ended = Outcome(), 0
        self._open: dict[tuple[int, int], float] = {}
        self._window = asyncio.Semaphore(in_flight)
        self._streams: list[_Stream] = []
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def open(cls, address: str, load: Load, in_flight: int) -> AsyncIterator[_Desk]:
        desk = cls(in_flight)
        async with AsyncExitStack() as stack:
            channel = channel_to(address, options=list(CLIENT_OPTIONS))
            stub = OrderServiceStub(await stack.enter_async_context(channel))
            for index, account in enumerate(load.accounts):
                stream = _Stream(stub, index, desk, load.tokens.of(account))
                stack.push_async_callback(stream.stop)
                await stream.open(account)
                desk._streams.append(stream)
            desk.start = time.perf_counter()
            yield desk

    async def send(self, account: int, orders: list[PlaceOrderRequest]) -> None:
        await self._window.acquire()
        stream = self._streams[account]
        self._open[account, stream.sequence + 1] = time.perf_counter()
        await stream.send(orders)

    async def finish(self, *, ended: bool) -> Outcome:
        """Waits for all answers, and, if so wanted, until every order was told as ended."""
        await self._until(lambda: not self._open)
        self._outcome.acknowledged_seconds = time.perf_counter() - self.start
        if ended:
            await self._until(lambda: self._ended >= self._outcome.orders)
            self._outcome.ended_seconds = time.perf_counter() - self.start
        return self._outcome

    def take(self, account: int, update: TradeUpdate) -> None:
        """Takes in what a stream has told."""
        now, outcome = time.perf_counter(), self._outcome
        for answer in update.results:
            taken = now - self._open.pop((account, answer.sequence))
            accepted = sum(result.HasField("order") for result in answer.results)
            outcome.orders += accepted
            outcome.refused += len(answer.results) - accepted
            outcome.latencies += [taken] * accepted
            self._window.release()
        self._ended += sum(report.order_status in ENDED for report in update.reports)
        self._changed.set()

    async def _until(self, holds: Callable[[], bool]) -> None:
        while not holds():
            self._changed.clear()
            await self._changed.wait()
            for stream in self._streams:
                stream.check()


class _Stream:
    """The stream of one account."""

    def __init__(self, stub: OrderServiceAsyncStub, index: int, desk: _Desk, shown: Sequence[tuple[str, str]]) -> None:
        self.sequence = 0
        self._call = stub.Trade(metadata=tuple(shown))
        self._index, self._desk = index, desk
        self._reading: asyncio.Task[None] | None = None

    async def open(self, account: str) -> None:
        """Opens it, and reads the snapshot."""
        await self._call.write(TradeRequest(open=TradeOpen(account_id=account)))
        while (message := await self._read()) is not None and not message.HasField("snapshot_end"):
            pass
        self._reading = asyncio.create_task(self._follow())

    async def send(self, orders: list[PlaceOrderRequest]) -> None:
        """Sends a batch."""
        self.sequence += 1
        batch = CommandBatch(sequence=self.sequence, commands=[Command(place=each) for each in orders])
        await self._call.write(TradeRequest(commands=batch))

    async def stop(self) -> None:
        """Closes it in order."""
        if self._reading is not None:
            await self._call.done_writing()
            await self._reading

    def check(self) -> None:
        """Raises what the stream has failed with."""
        if self._reading is not None and self._reading.done():
            self._reading.result()
            raise RuntimeError("a Trade stream has ended by itself")

    async def _follow(self) -> None:
        try:
            while (message := await self._read()) is not None:
                self._desk.take(self._index, message.update)
        finally:
            self._desk.take(self._index, TradeUpdate())

    async def _read(self) -> TradeResponse | None:
        message = await self._call.read()
        return message if isinstance(message, TradeResponse) else None
