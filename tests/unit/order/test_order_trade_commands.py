"""Commands of a Trade stream: how much is read, in which order it is begun, how the stream ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from grpc import StatusCode
from prometheus_client import CollectorRegistry

from ordermesh.order.v1.order_list_pb2 import CONTINGENCY_TYPE_ONE_TRIGGERS_THE_OTHER as OTO
from ordermesh.order.v1.order_list_pb2 import PlaceOrderListRequest
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_SUSPENDED
from ordermesh.order.v1.trade_stream_pb2 import Command, CommandBatch, CommandBatchResult, TradeRequest
from services.kernel.errors import CodedError
from services.order.pipeline.book import Book
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.replacing import Replacing
from services.order.pipeline.writer import Writer
from services.order.servicer.trade_commands import Desk, TradeCommands
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeLists, FakeRiskPort, FakeStore
from tests.fakes.order_world import request
from tests.fakes.orders import CountingIdentifiers
from tests.fakes.trade_client import canceling_all, placing
from tests.fixtures.waiting import eventually


@dataclass
class Stream:
    """A stream of requests that counts what was read of it."""

    commands: TradeCommands
    desk: Desk
    store: FakeStore
    risk: FakeRiskPort
    requests: list[TradeRequest] = field(default_factory=list)
    read: int = 0
    woken: int = 0
    answers: list[CommandBatchResult] = field(default_factory=list)

    def send(self, *commands: Command, sequence: int = 0) -> None:
        """Adds a batch to what the client sends."""
        batch = CommandBatch(sequence=sequence or len(self.requests) + 1, commands=commands)
        self.requests.append(TradeRequest(commands=batch))

    async def __aiter__(self) -> AsyncIterator[TradeRequest]:
        while self.read < len(self.requests):
            self.read += 1
            yield self.requests[self.read - 1]

    def take(self) -> bool:
        """Sends what is ready to the client; tells whether there was something."""
        answers = [CommandBatchResult.FromString(answer) for answer in self.commands.take()]
        self.answers += answers
        return bool(answers)

    def wake(self) -> None:
        """Counts."""
        self.woken += 1


@asynccontextmanager
async def opened(most_in_flight: int = 100) -> AsyncIterator[Stream]:
    """A stream over a pipeline that runs."""
    store, risk, book = FakeStore(), FakeRiskPort(), Book(epoch="epoch")
    metrics, clock, instruments = Metrics(CollectorRegistry()), FakeClock(), FakeInstruments()
    writer = Writer(book, store, clock, CountingIdentifiers(), metrics)
    place = Placing(
        book, writer, store, risk=risk, instruments=instruments, quotes=FakeQuotes(), clock=clock, metrics=metrics
    )
    orders = Orders(book, writer, store)
    replacing = Replacing(book, writer, orders, store, risk=risk, instruments=instruments, clock=clock)
    lists = OrderLists(place, writer, store, FakeLists(store), orders, instruments=instruments, clock=clock)
    desk = Desk(place, orders, replacing, lists, instruments, clock, CountingIdentifiers(), metrics)
    tasks = [asyncio.create_task(writer.run()), asyncio.create_task(place.run())]
    stream = Stream(TradeCommands("demo", desk, most_in_flight), desk, store, risk)
    stream.commands.listen(stream.wake)
    try:
        yield stream
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def reading(stream: Stream) -> AsyncIterator[None]:
    """Reads the stream in the background."""
    task = asyncio.create_task(stream.commands.read(aiter(stream)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def turns() -> None:
    """Lets other tasks do what they can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def test_no_more_is_read_than_may_be_in_flight() -> None:
    """The stream rests until results are taken by the client: committed is not enough."""
    async with opened(most_in_flight=6) as stream:
        for _ in range(5):
            stream.send(*(placing(request()) for _ in range(3)))
        async with reading(stream):
            await eventually(lambda: len(stream.store.entries) == 6)
            await turns()
            # The third was read to see how large it is, and is not begun.
            assert (stream.read, len(stream.store.entries)) == (3, 6)
            assert stream.take()
            await eventually(lambda: len(stream.store.entries) == 12)
            await turns()
            assert stream.read == 5
            assert stream.take()
            await eventually(lambda: len(stream.store.entries) == 15)
            await eventually(stream.take)
            await eventually(lambda: stream.commands.done)
    assert [answer.sequence for answer in stream.answers] == [1, 2, 3, 4, 5]
    assert stream.commands.closed


async def test_a_batch_beyond_the_limit_goes_alone() -> None:
    """A limit below the size of a batch slows it down, and never stops it."""
    async with opened(most_in_flight=2) as stream:
        stream.send(*(placing(request()) for _ in range(5)))
        stream.send(placing(request()))
        async with reading(stream):
            await eventually(lambda: len(stream.store.entries) == 5)
            await eventually(stream.take)
            await eventually(lambda: len(stream.store.entries) == 6)


async def test_a_mass_cancel_waits_for_what_came_before_and_holds_up_what_comes_after() -> None:
    """While risk checks the orders before it, neither it nor an order after it is begun."""
    async with opened() as stream:
        stream.risk.gate = asyncio.Event()
        stream.send(placing(request("before")))
        stream.send(canceling_all(), placing(request("after")))
        async with reading(stream):
            await turns()
            assert stream.store.entries == []
            stream.risk.gate.set()
            await eventually(lambda: len(stream.store.entries) == 3)
            await eventually(stream.take)
    ids = [(entry.order.terms.client_order_id, entry.event.type.name) for entry in stream.store.entries]
    assert ids == [("before", "PENDING_NEW"), ("before", "PENDING_CANCEL"), ("after", "PENDING_NEW")]


async def test_a_stream_ends_after_its_last_answer() -> None:
    """Closed with orders under way, it is done once their results are taken, and wakes whoever waits for that."""
    async with opened() as stream:
        stream.risk.gate = asyncio.Event()
        stream.send(placing(request()))
        async with reading(stream):
            await eventually(lambda: stream.commands.closed)
            woken = stream.woken
            assert not stream.commands.done
            assert len(stream.commands.unfinished) == 1
            stream.risk.gate.set()
            await eventually(lambda: stream.woken > woken)
            await eventually(stream.take)
            await eventually(lambda: stream.commands.done)


async def test_an_error_ends_the_stream_and_begins_nothing_more() -> None:
    """The batch out of sequence, and what is behind it, is not done."""
    async with opened() as stream:
        stream.send(placing(request()))
        stream.send(placing(request()), sequence=3)
        stream.send(placing(request()))
        async with reading(stream):
            await eventually(stream.take)
            await eventually(lambda: stream.commands.done)
        error = stream.commands.error
        assert isinstance(error, CodedError)
        assert (error.reason, error.metadata["expected"], error.metadata["got"]) == (
            "COMMAND_OUT_OF_SEQUENCE",
            "2",
            "3",
        )
        assert not stream.commands.closed
        assert (stream.read, len(stream.store.entries)) == (2, 1)


async def test_a_fault_in_a_command_ends_the_stream() -> None:
    """What nobody foresaw is not left unanswered for ever."""

    def broken(_: object) -> object:
        raise ZeroDivisionError

    async with opened() as stream:
        stream.desk.placing.place = broken  # type: ignore[assignment, method-assign]  # a fault that no port can make
        stream.send(placing(request()))
        async with reading(stream):
            await eventually(lambda: stream.commands.done)
        assert isinstance(stream.commands.error, ZeroDivisionError)


async def test_a_stopped_stream_begins_nothing_more() -> None:
    """What waits for room when the server drains is left unanswered, to be sent again."""
    async with opened(most_in_flight=1) as stream:
        stream.send(placing(request()))
        stream.send(placing(request()))
        async with reading(stream):
            await eventually(lambda: len(stream.store.entries) == 1)
            stream.commands.stop()
            await eventually(stream.take)
            await eventually(lambda: stream.commands.done)
            await turns()
        assert len(stream.store.entries) == 1
        assert not stream.commands.closed


async def test_a_list_is_placed_and_refused_like_any_command() -> None:
    """The result is the list, or what PlaceOrderList would have failed with; one of another account is refused."""
    entry, leave = request(), request(side=2, limit_price="200")
    pair = PlaceOrderListRequest(client_order_list_id="l-1", contingency_type=OTO, orders=[entry, leave])
    async with opened() as stream:
        stream.send(
            Command(place_list=pair),
            Command(place_list=PlaceOrderListRequest(client_order_list_id="l-2", orders=[request(account_id="other")])),
        )
        async with reading(stream):
            await eventually(stream.take)
        placed, refused = stream.answers[0].results
        assert [order.order_status for order in placed.order_list.orders] == [1, ORDER_STATUS_SUSPENDED]
        assert refused.error.code == StatusCode.INVALID_ARGUMENT.value[0]
