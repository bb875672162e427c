"""Trades that venues cancel and correct on their way into the log: of orders live and ended, over crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from services.order.domain.adjusting import AdjustmentEvent
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links
from services.order.domain.order import Order
from services.order.domain.reconciliation import ReconciliationKind
from services.order.domain.values import ExecutionType, OrderStatus, Topic
from services.order.domain.venue import VenueAdjustment, VenueReport, VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.reconciling import Reconciling
from services.order.pipeline.reports import AdoptEpoch, VenueReports
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_findings import FakeFindings
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeRiskPort, FakeStore, Fault, lost_after, lost_before, refused
from tests.fakes.orders import CountingIdentifiers, report, terms
from tests.fixtures.waiting import eventually

BUST, CORRECT, TRADE = VenueReportType.TRADE_CANCELED, VenueReportType.TRADE_CORRECTED, VenueReportType.TRADE


@dataclass
class World:
    """A writer over a store, with one venue."""

    store: FakeStore
    book: Book
    writer: Writer
    placing: Placing
    orders: Orders
    reconciling: Reconciling
    metrics: Metrics
    findings: FakeFindings = field(default_factory=FakeFindings)

    async def place(self, quantity: str = "100") -> Order:
        (order,) = await self.placing.place([terms(quantity=quantity)])
        assert isinstance(order, Order)
        return order

    async def place_child(self, parent: Order, quantity: str) -> Order:
        links = Links(parent_order_id=parent.terms.order_id)
        (order,) = await self.placing.place([terms(quantity=quantity, instructions=Instructions(links=links))])
        assert isinstance(order, Order)
        return order

    async def tell(self, *reports: VenueReport) -> None:
        """Hands reports to the writer, and waits until they are through."""
        strays: list[VenueReport] = []
        work = VenueReports("simulation", "e", reports, self.metrics, on_gap=lambda *_: None, investigate=strays.extend)
        self.writer.put(work)
        await self.reached(reports[-1].sequence)
        await self.reconciling.investigate(strays)

    async def reached(self, sequence: int) -> None:
        """Waits until reports are consumed, and told to whom they concern."""
        await eventually(lambda: self.book.cursors["simulation"][1], lambda consumed: consumed >= sequence)

    async def now(self, order: Order) -> Order:
        found = await self.store.order(order.terms.order_id)
        assert found is not None
        return found


@asynccontextmanager
async def running(store: FakeStore) -> AsyncIterator[World]:
    """Runs it, as a process does."""
    book, clock, metrics, findings = Book(epoch="epoch"), FakeClock(), Metrics(CollectorRegistry()), FakeFindings()
    store.load(book)
    book.load_accounts({"nobody": 0})
    writer = Writer(book, store, clock, CountingIdentifiers(), metrics, retry_seconds=0)
    placing = Placing(
        book,
        writer,
        store,
        risk=FakeRiskPort(),
        instruments=FakeInstruments(),
        quotes=FakeQuotes(),
        clock=clock,
        metrics=metrics,
    )
    reconciling = Reconciling(book, store, metrics, findings)
    tasks = [asyncio.create_task(writer.run()), asyncio.create_task(placing.run())]
    adopted = asyncio.Event()
    writer.put(AdoptEpoch("simulation", "e", frozenset(), adopted.set))
    await adopted.wait()
    try:
        yield World(store, book, writer, placing, Orders(book, writer, store), reconciling, metrics, findings)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A writer over an empty store."""
    async with running(FakeStore()) as made:
        yield made


def fill(order: Order, sequence: int, quantity: str = "100", price: str = "10") -> VenueReport:
    """Returns a fill, whose id is `x-` and its sequence."""
    return report(order, TRADE, sequence=sequence, quantity=quantity, price=price)


def bust(order: Order | str, sequence: int, of: str, leaves: str | None = None) -> VenueReport:
    """Returns the cancel of a trade."""
    told = VenueAdjustment(of, None if leaves is None else Decimal(leaves))
    return report(order, BUST, sequence=sequence, adjustment=told)


def correction(order: Order, sequence: int, of: str, quantity: str, price: str) -> VenueReport:
    """Returns the correction of a trade."""
    told = VenueAdjustment(of)
    return report(order, CORRECT, sequence=sequence, quantity=quantity, price=price, adjustment=told)


def types(store: FakeStore) -> Sequence[ExecutionType]:
    """Returns what happened since the first order was placed."""
    return [entry.event.type for entry in store.entries][1:]


async def test_an_ended_order_that_memory_has_forgotten_is_looked_up(world: World) -> None:
    """A restart later nothing of the order is in the book; its trade is taken back all the same, and named."""
    order = await world.place()
    await world.tell(fill(order, 1))
    trade = world.store.entries[-1]
    async with running(world.store) as later:
        await later.tell(bust(order, 2, "x-1"))
        after = await later.now(order)
        assert (after.status, after.cumulative, after.reason) == (OrderStatus.CANCELED, 0, "TRADE_CANCELED")
        entry = later.store.entries[-1]
        assert isinstance(entry.event, AdjustmentEvent)
        assert entry.event.adjustment.before.execution_id == trade.execution_id
        assert (entry.topic, entry.account_sequence) == (Topic.EXECUTED, trade.account_sequence + 1)
        assert entry.previous_sequence == trade.sequence


async def test_a_trade_and_what_becomes_of_it_may_come_together(world: World) -> None:
    """In one message: each counts on top of the ones before it, which are not committed yet."""
    order = await world.place()
    await world.tell(
        fill(order, 1, "60"), correction(order, 2, "x-1", "50", "11"), fill(order, 3, "10"), bust(order, 4, "x-2")
    )
    after = await world.now(order)
    assert (after.cumulative, after.leaves, after.notional) == (10, 90, 100)
    assert after.terms.order_id in world.book.live
    adjusted = [entry.event for entry in world.store.entries if isinstance(entry.event, AdjustmentEvent)]
    named = [event.adjustment.before.execution_id for event in adjusted]
    ids = [entry.execution_id for entry in world.store.entries]
    assert named == [ids[1], ids[2]], "the correction names the trade, and the bust the correction"


async def test_an_order_that_its_venue_opens_again_is_live(world: World) -> None:
    """It can be canceled, and trades on."""
    order = await world.place()
    await world.tell(fill(order, 1), bust(order, 2, "x-1", leaves="100"))
    assert world.book.live[order.terms.order_id].leaves == 100
    assert (await world.orders.cancel(order.terms.order_id)).status is OrderStatus.PENDING_CANCEL
    await world.tell(fill(order, 3, "100", "12"))
    after = await world.now(order)
    assert (after.status, after.notional) == (OrderStatus.FILLED, 1200)
    assert not world.book.live


@pytest.mark.parametrize("fault", [refused, lost_before, lost_after])
async def test_a_bust_is_booked_once_wherever_the_store_is_lost(world: World, fault: Fault) -> None:
    """It is kept until it is committed, and not booked again when it was."""
    order = await world.place()
    await world.tell(fill(order, 1))
    world.store.faults = [fault]
    await world.tell(bust(order, 2, "x-1"))
    assert types(world.store) == [ExecutionType.TRADE, ExecutionType.TRADE_CANCEL]
    assert world.book.cursors["simulation"] == ("e", 2)


async def test_a_bust_waits_for_a_store_that_does_not_tell_the_order(world: World) -> None:
    """Nothing is committed without it: the cursor stays before it."""
    order = await world.place()
    await world.tell(fill(order, 1))
    world.store.unreadable = True
    work = VenueReports(
        "simulation", "e", [bust(order, 2, "x-1")], world.metrics, on_gap=lambda *_: None, investigate=lambda _: None
    )
    world.writer.put(work)
    for _ in range(50):
        await asyncio.sleep(0)
    assert world.book.cursors["simulation"] == ("e", 1)
    world.store.unreadable = False
    await world.reached(2)
    assert types(world.store) == [ExecutionType.TRADE, ExecutionType.TRADE_CANCEL]


async def test_the_same_bust_again_changes_nothing_also_after_a_restart(world: World) -> None:
    """The venue tells it under another sequence and another id."""
    order = await world.place()
    await world.tell(fill(order, 1), bust(order, 2, "x-1"), bust(order, 3, "x-1"))
    async with running(world.store) as later:
        await later.tell(bust(order, 4, "x-1"))
        assert types(later.store) == [ExecutionType.TRADE, ExecutionType.TRADE_CANCEL]
        assert later.book.cursors["simulation"] == ("e", 4)
        assert not later.findings.findings


async def test_what_is_not_there_to_be_adjusted_is_a_finding(world: World) -> None:
    """A trade that nobody knows, the correction of one that was canceled, and an order that nobody knows."""
    order = await world.place()
    await world.tell(fill(order, 1), bust(order, 2, "z-9"))
    await world.tell(bust(order, 3, "x-1"), correction(order, 4, "x-1", "10", "10"))
    await world.tell(bust("11111111-0000-7000-8000-00000000ffff", 5, "x-1"))
    kinds = [finding.kind for finding in world.findings.findings]
    assert kinds == [
        ReconciliationKind.ADJUSTMENT_NOT_BOOKED,
        ReconciliationKind.ADJUSTMENT_NOT_BOOKED,
        ReconciliationKind.REPORT_OF_UNKNOWN_ORDER,
    ]
    assert types(world.store) == [ExecutionType.TRADE, ExecutionType.TRADE_CANCEL]


async def test_a_fill_of_an_ended_order_counts_only_when_its_venue_makes_a_trade_anew(world: World) -> None:
    """J.1.b of the matrices; any other fill after the end is a finding."""
    other, order = await world.place(), await world.place()
    await world.tell(fill(other, 1), fill(order, 2), fill(other, 3))
    assert [f.kind for f in world.findings.findings] == [ReconciliationKind.FILL_AFTER_END]
    await world.tell(bust(order, 4, "x-2"), fill(order, 5, "40", "11"))
    await world.tell(fill(order, 6, "40", "11"))
    after = await world.now(order)
    assert (after.status, after.cumulative, after.notional) == (OrderStatus.CANCELED, 80, 880)


async def test_a_parent_follows_what_becomes_of_the_trades_of_its_children(world: World) -> None:
    """Live it has more to fill again; ended it is what it would be, also when memory has forgotten both."""
    whole = terms(quantity="100", instructions=Instructions(works_through_children=True))
    (parent,) = await world.placing.place([whole])
    assert isinstance(parent, Order)
    first, second = [await world.place_child(parent, quantity) for quantity in ("60", "40")]
    await world.tell(fill(first, 1, "60"), bust(first, 2, "x-1", leaves="60"))
    after = await world.now(parent)
    assert (after.status, after.cumulative, after.leaves) == (OrderStatus.NEW, 0, 100)
    await world.tell(fill(first, 3, "60"), fill(second, 4, "40", "20"))
    after = await world.now(parent)
    assert (after.status, after.notional) == (OrderStatus.FILLED, 1400)
    async with running(world.store) as later:
        await later.tell(correction(first, 5, "x-3", "50", "10"))
        after = await later.now(parent)
        assert (after.status, after.cumulative, after.notional) == (OrderStatus.CANCELED, 90, 1300)
        assert later.store.entries[-1].event.type is ExecutionType.ORDER_STATUS
        await later.tell(correction(first, 6, "x-3", "60", "10"))
        assert (await later.now(parent)).status is OrderStatus.FILLED
