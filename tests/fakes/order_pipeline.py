"""The way of orders through entry and commit, over a store and a risk check that fail as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry

from services.kernel.errors import CodedError
from services.order.domain.breach import RiskBreach
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import Topic
from services.order.domain.venue import VenueReport
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.ports import Decision
from services.order.pipeline.reports import AdoptEpoch, VenueReports
from services.order.pipeline.tickets import Outcome
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeRiskPort, FakeStore, Heard
from tests.fakes.orders import CountingIdentifiers

REFUSAL = Decision("RISK_LIMIT_EXCEEDED", "too much", RiskBreach(1, "10", "100", "units", "too much"))


@dataclass
class World:
    """A pipeline with everything around it."""

    store: FakeStore
    risk: FakeRiskPort
    instruments: FakeInstruments
    book: Book
    writer: Writer
    placing: Placing
    orders: Orders
    heard: Heard
    clock: FakeClock
    metrics: Metrics
    gaps: list[tuple[int, int]]
    strays: list[VenueReport]
    writing: asyncio.Task[None]

    async def place(self, *orders: OrderTerms) -> list[Outcome]:
        return await self.placing.place(orders)

    async def place_one(self, order: OrderTerms) -> Order:
        (outcome,) = await self.place(order)
        assert isinstance(outcome, Order), outcome
        return outcome

    async def refuse_one(self, order: OrderTerms) -> CodedError:
        (outcome,) = await self.place(order)
        assert isinstance(outcome, CodedError), outcome
        return outcome

    async def tell(self, *reports: VenueReport, epoch: str = "e") -> None:
        """Hands reports to the writer, and waits until they are through."""
        self.writer.put(
            VenueReports(
                "simulation",
                epoch,
                reports,
                self.metrics,
                on_gap=lambda *gap: self.gaps.append(gap),
                investigate=self.strays.extend,
            )
        )
        await self.through()

    async def adopt(self, epoch: str = "e", known: frozenset[str] = frozenset()) -> list[str]:
        done = asyncio.Event()
        work = AdoptEpoch("simulation", epoch, known, done.set)
        self.writer.put(work)
        await done.wait()
        return work.lost

    async def through(self) -> None:
        """Waits until what was queued has been committed."""
        await self.orders.cancel_all(CancelFilter("nobody"))

    def check(self) -> None:
        """The log has no gaps, is what listeners heard, and memory is what it says."""
        entries = self.store.entries
        assert self.heard.entries == entries
        assert [e.sequence for e in entries] == list(range(1, len(entries) + 1))
        assert self.book.sequence == len(entries)
        for account in {e.order.terms.account_id for e in entries}:
            own = [e.account_sequence for e in entries if e.order.terms.account_id == account]
            assert own == list(range(1, len(own) + 1))
        for topic in Topic:
            last = 0
            for entry in (e for e in entries if e.topic is topic):
                assert entry.previous_sequence == last
                last = entry.sequence
        newest = {e.order.terms.order_id: e.order for e in entries}
        assert self.book.live == {key: order for key, order in newest.items() if order.live}
        assert self.risk.reserved >= set(self.book.live)


@asynccontextmanager
async def running(store: FakeStore | None = None, **limits: Any) -> AsyncIterator[World]:
    """Runs a pipeline over a store, as a process does."""
    store = store or FakeStore()
    book, risk, instruments, clock = Book(epoch="epoch"), FakeRiskPort(), FakeInstruments(), FakeClock()
    book.load_accounts({"nobody": 0})
    store.load(book)
    risk.reserved |= set(book.live)
    metrics, heard = Metrics(CollectorRegistry()), Heard(list(store.entries))
    writer = Writer(book, store, clock, CountingIdentifiers(), metrics, retry_seconds=0)
    writer.listen(heard)
    placing = Placing(
        book,
        writer,
        store,
        risk=risk,
        instruments=instruments,
        quotes=FakeQuotes(),
        clock=clock,
        metrics=metrics,
        **limits,
    )
    tasks = [asyncio.create_task(writer.run()), asyncio.create_task(placing.run())]
    try:
        yield World(
            store, risk, instruments, book, writer, placing, Orders(book, writer, store), heard, clock, metrics,
            [], [], tasks[0],
        )  # fmt: skip
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def settled(condition: Callable[[], object], *, turns: int = 500) -> None:
    """Lets other tasks run until a condition holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")
