"""A Trade stream as a whole, over a pipeline with fakes around it: what comes in one message, and what stands when."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from prometheus_client import CollectorRegistry

from ordermesh.order.v1.trade_stream_pb2 import (
    CancelOnDisconnect,
    CommandBatch,
    TradeOpen,
    TradeRequest,
    TradeResponse,
)
from services.kernel.errors import CodedError
from services.mesh.draining import Draining
from services.order.pipeline.book import Book
from services.order.pipeline.entries import LoggedReport
from services.order.pipeline.leases import Leases
from services.order.pipeline.list_placing import OrderLists
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.replacing import Replacing
from services.order.pipeline.writer import Writer
from services.order.servicer.streams import OrderStreams
from services.order.servicer.trade_commands import Desk
from services.order.servicer.trade_stream import TradeStreams
from services.order.store.encoding import encode
from services.order.wire_events import ALL
from tests.fakes.clock import FakeClock
from tests.fakes.order_leases import FakeRecord
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeLists, FakeRiskPort, FakeStore
from tests.fakes.order_world import request
from tests.fakes.orders import CountingIdentifiers
from tests.fakes.trade_client import placing

EPOCH = "01890000-0000-7000-8000-000000000001"


class EncodingStore(FakeStore):
    """Keeps what is committed, with reports as they are on the wire."""

    encode = staticmethod(encode)


class NoHistory:
    """A log that nobody reads back."""

    async def of_account(self, *_: object) -> Sequence[LoggedReport]:
        raise AssertionError("nothing is to be read back")

    async def after(self, sequence: int, limit: int, topics: object = ALL, up_to: int = 0) -> Sequence[object]:
        raise AssertionError("nothing is to be read back")


@dataclass
class World:
    """Trade streams with everything around them."""

    trades: TradeStreams
    record: FakeRecord
    leases: Leases
    risk: FakeRiskPort
    requests: asyncio.Queue[TradeRequest] = field(default_factory=asyncio.Queue)

    async def sent(self) -> AsyncIterator[TradeRequest]:
        """Yields what the client sends."""
        while True:
            yield await self.requests.get()

    def open(self, **fields: object) -> AsyncIterator[bytes]:
        """Returns the responses of a stream that is being opened."""
        self.requests.put_nowait(TradeRequest(open=TradeOpen(account_id="demo", **fields)))  # type: ignore[arg-type]  # as each test says
        return self.trades.trade(self.sent())


@asynccontextmanager
async def running() -> AsyncIterator[World]:
    """Runs a pipeline."""
    book, clock, record, risk = Book(epoch=EPOCH), FakeClock(), FakeRecord(), FakeRiskPort()
    store, metrics, instruments = EncodingStore(), Metrics(CollectorRegistry()), FakeInstruments()
    writer = Writer(book, store, clock, CountingIdentifiers(), metrics)
    streams = OrderStreams(book, NoHistory(), clock, Draining())  # type: ignore[arg-type]  # it is never read
    writer.listen(streams)
    place = Placing(
        book, writer, store, risk=risk, instruments=instruments, quotes=FakeQuotes(), clock=clock, metrics=metrics
    )
    orders = Orders(book, writer, store)
    leases = Leases(orders, record)
    replacing = Replacing(book, writer, orders, store, risk=risk, instruments=instruments, clock=clock)
    lists = OrderLists(place, writer, store, FakeLists(store), orders, instruments=instruments, clock=clock)
    desk = Desk(place, orders, replacing, lists, instruments, clock, CountingIdentifiers(), metrics)
    tasks = [asyncio.create_task(each) for each in (writer.run(), place.run(), leases.run())]
    try:
        yield World(TradeStreams(streams, desk, leases, clock, Draining()), record, leases, risk)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def take(stream: AsyncIterator[bytes], count: int) -> list[TradeResponse]:
    """Returns the next responses."""
    return [TradeResponse.FromString(await anext(stream)) for _ in range(count)]


async def test_what_a_commit_makes_ready_comes_in_one_message() -> None:
    """The results of all batches that it holds, and their reports."""
    async with running() as world:
        stream = world.open()
        started = await take(stream, 3)
        assert [each.WhichOneof("item") for each in started] == ["subscribed", "snapshot_begin", "snapshot_end"]
        for sequence in (1, 2, 3):
            batch = CommandBatch(sequence=sequence, commands=[placing(request()), placing(request())])
            world.requests.put_nowait(TradeRequest(commands=batch))
        answered: list[int] = []
        while len(answered) < 3:
            (response,) = await take(stream, 1)
            placed = [result.order.order_id for answer in response.update.results for result in answer.results]
            assert placed
            assert [report.order_id for report in response.update.reports] == placed
            answered += [answer.sequence for answer in response.update.results]
            started.append(response)
        assert answered == [1, 2, 3]
        assert [each.sequence for each in started] == list(range(1, len(started) + 1))


async def test_a_stream_that_is_refused_has_no_lease() -> None:
    """A damaged token, or a first message of another kind, leaves nothing behind that could cancel orders."""
    async with running() as world:
        with pytest.raises(CodedError, match="INVALID_RESUME_TOKEN"):
            await take(world.open(resume_token="damaged", cancel_on_disconnect=CancelOnDisconnect()), 1)
        world.requests.put_nowait(TradeRequest(commands=CommandBatch(sequence=1, commands=[placing(request())])))
        with pytest.raises(CodedError, match="open: must be the first message"):
            await take(world.trades.trade(world.sent()), 1)
        assert len(world.leases) == 0
        assert world.record.leases == {}


async def test_the_lease_is_on_record_before_the_client_hears_of_its_stream() -> None:
    """From `subscribed` on, it survives whatever happens."""
    async with running() as world:
        stream = world.open(cancel_on_disconnect=CancelOnDisconnect())
        await take(stream, 1)
        assert world.record.leases == {"demo": 0}
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        async with asyncio.timeout(10):
            while world.record.leases:
                await asyncio.sleep(0)
