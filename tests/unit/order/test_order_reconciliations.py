"""What reconciliation finds becomes records: each finding by its kind, and none is lost while the store is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from prometheus_client import CollectorRegistry

from ordermesh.order.v1 import reconciliation_pb2
from services.cli.commands.reconciliations import Kind as CommandKind
from services.kernel.errors import unavailable
from services.kernel.identifiers import UuidV7
from services.order.domain.applying import apply
from services.order.domain.events import place
from services.order.domain.order import Order
from services.order.domain.reconciliation import Finding
from services.order.domain.reconciliation import ReconciliationKind as Kind
from services.order.domain.venue import VenueReportType
from services.order.pipeline import reconciling
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.reconciliations import ORDERS_PER_RECORD, ReconciliationFilter, Reconciliations
from services.order.pipeline.reconciling import Reconciling, VenueOrders
from tests.fakes.clock import FakeClock
from tests.fakes.order_findings import FakeFindings, FakeReconciliationStore
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import event, report, terms
from tests.fixtures.waiting import eventually

VENUE = "simulation"


class World:
    """A book, a store and a venue's answer, held against each other."""

    def __init__(self) -> None:
        self.book, self.store, self.found = Book(), FakeStore(), FakeFindings()
        self.book.cursors[VENUE] = ("e", 10)
        self.reconciling = Reconciling(self.book, self.store, Metrics(CollectorRegistry()), self.found)

    def live(self) -> Order:
        """Returns an order that the venue has taken."""
        order = event(apply(place(terms(), 1, 1).order, report(_placed(), VenueReportType.ACCEPTED), 2, 2)).order
        self.book.load([order])
        return order

    async def compare(self, *orders: tuple[str, str], up_to: int = 10) -> list[Finding]:
        """Compares with a venue that holds these orders, and returns what was found."""

        async def ask(_: str) -> VenueOrders:
            return VenueOrders(orders, 10)

        await self.reconciling.compare(VENUE, up_to, ask)
        return self.found.findings


def _placed() -> Order:
    return place(terms(), 1, 1).order


def kinds(findings: Sequence[Finding]) -> list[Kind]:
    """Returns the kinds of findings."""
    return [finding.kind for finding in findings]


def test_the_numbers_are_the_contracts() -> None:
    """Every kind of the domain and of the command is one of the contract, and there is no other."""
    told = {
        name.removeprefix("RECONCILIATION_KIND_"): number
        for name, number in reconciliation_pb2.ReconciliationKind.items()
        if number
    }
    assert {kind.name: kind.value for kind in Kind} == told
    assert {kind.name: kind.value for kind in CommandKind} == {name: name.lower().replace("_", "-") for name in told}


async def test_a_venue_that_agrees() -> None:
    """One record says so, with how many orders it holds."""
    world = World()
    order = world.live()
    (finding,) = await world.compare(("v-1", order.terms.order_id))
    assert (finding.kind, finding.count, finding.connection_id) == (Kind.AGREED, 1, VENUE)


async def test_every_difference_is_a_finding() -> None:
    """Orders not ours, orders ended here, orders missing there; by both ids, as far as they are known."""
    world = World()
    missing = world.live()
    ended = place(terms(), 3, 1).order
    world.store.orders[ended.terms.order_id] = ended
    found = await world.compare(("v-2", ended.terms.order_id), ("stranger", ""), ("other", "not-an-id"))
    assert kinds(found) == [Kind.UNKNOWN_AT_VENUE, Kind.OPEN_AT_VENUE_ENDED_HERE, Kind.MISSING_AT_VENUE]
    assert (found[0].venue_order_ids, found[0].order_ids, found[0].count) == (("stranger", "other"), (), 2)
    assert (found[1].order_ids, found[1].venue_order_ids) == ((ended.terms.order_id,), ("v-2",))
    assert (found[2].order_ids, found[2].venue_order_ids) == ((missing.terms.order_id,), ("v-1",))


async def test_reports_of_the_time_away() -> None:
    """They are told by their sequences, once they are consumed."""
    world = World()
    comparing = asyncio.create_task(world.compare(up_to=12))
    await asyncio.sleep(0)
    assert world.found.findings == []
    world.book.cursors[VENUE] = ("e", 12)
    for waiter in world.reconciling._waiters:
        waiter.call()
    found = await comparing
    assert kinds(found) == [Kind.REPORTS_WHILE_AWAY, Kind.AGREED]
    assert (found[0].count, "11 to 12" in found[0].found) == (2, True)


async def test_a_venue_that_cannot_be_asked_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """PUT_OFF once, with the error, and no order is called missing; its answer is what is compared in the end."""
    monkeypatch.setattr(reconciling, "_FIRST_PAUSE_SECONDS", 0.001)
    world = World()
    order = world.live()
    answers = iter([None, None, VenueOrders([("v-1", order.terms.order_id)], 10)])

    async def ask(_: str) -> VenueOrders:
        if (told := next(answers)) is None:
            raise unavailable("VENUE_UNAVAILABLE", "gone")
        return told

    assert await world.reconciling.compare(VENUE, 10, ask) == {order.terms.order_id}
    put_off, agreed = world.found.findings
    assert (put_off.kind, "gone" in put_off.found, agreed.kind) == (Kind.PUT_OFF, True, Kind.AGREED)


async def test_orders_lost_and_commands_resent() -> None:
    """Each names its orders; without any there is no record of lost ones."""
    world = World()
    world.reconciling.lost(VENUE, [])
    world.reconciling.lost(VENUE, ["a", "b"])
    world.reconciling.resent(VENUE, ["a", "c"])
    lost, resent = world.found.findings
    assert (lost.kind, lost.order_ids, lost.count) == (Kind.LOST_BY_VENUE, ("a", "b"), 2)
    assert (resent.kind, resent.order_ids, resent.decided) == (Kind.COMMANDS_RESENT, ("a", "c"), "sent again")


async def test_strays_are_told_apart() -> None:
    """A fill of an ended order and any report of an unknown one are records; another late report is none."""
    world = World()
    ended = place(terms(), 1, 1).order
    world.store.orders[ended.terms.order_id] = ended
    await world.reconciling.investigate(
        [
            report(ended, VenueReportType.TRADE, sequence=11, quantity="5", price="187.5"),
            report("nobody", VenueReportType.CANCELED, sequence=12),
            report(ended, VenueReportType.CANCEL_REJECTED, sequence=13),
        ]
    )
    fill, unknown = world.found.findings
    assert (fill.kind, fill.order_ids, fill.report_sequence) == (Kind.FILL_AFTER_END, (ended.terms.order_id,), 11)
    assert "a fill of 5 at 187.5 (x-11)" in fill.found
    assert (unknown.kind, unknown.order_ids, unknown.venue_order_ids) == (
        Kind.REPORT_OF_UNKNOWN_ORDER,
        ("nobody",),
        ("v-1",),
    )


async def test_a_stray_that_cannot_be_looked_into() -> None:
    """It is a record too: it was not booked, and nobody will look again."""
    world = World()

    world.store.unreadable = True
    await world.reconciling.investigate([report("nobody", VenueReportType.TRADE, quantity="5", price="1")])
    assert kinds(world.found.findings) == [Kind.REPORT_NOT_LOOKED_INTO]


@asynccontextmanager
async def records(store: FakeReconciliationStore, kept: int = 10_000) -> AsyncIterator[Reconciliations]:
    """Runs the keeping of records."""
    clock = FakeClock()
    book = Book()
    book.sequence = 77
    keeping = Reconciliations(store, book, clock, UuidV7(clock), kept=kept)
    running = asyncio.create_task(keeping.run())
    try:
        yield keeping
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stored(keeping: Reconciliations) -> None:
    """Waits until nothing waits."""
    await eventually(lambda: keeping.waiting, lambda waiting: not waiting, 10)


def finding(number: int, **values: object) -> Finding:
    """Returns a finding."""
    fields: dict[str, object] = {"count": 1, "found": f"found {number}", "decided": "left"} | values
    return Finding(Kind.UNKNOWN_AT_VENUE, VENUE, **fields)  # type: ignore[arg-type]  # as each test says


async def test_records_are_stored_in_their_order_with_time_and_sequence() -> None:
    """Ids rise, and each says where the log stood."""
    store = FakeReconciliationStore()
    async with records(store) as keeping:
        for number in range(3):
            keeping.add(finding(number))
        assert keeping.waiting == 3
        await stored(keeping)
        page = await keeping.page(ReconciliationFilter(), "", 10)
    assert [record.finding.found for record in page] == ["found 2", "found 1", "found 0"]
    assert {record.sequence for record in page} == {77}
    assert all(record.at_ns % 1000 == 0 for record in page)


@pytest.mark.parametrize(("away", "lost_answers"), [(3, 0), (0, 2), (2, 2)])
async def test_a_write_that_fails_is_tried_again(away: int, lost_answers: int) -> None:
    """Until it succeeds; a write whose answer was lost stores nothing twice."""
    store = FakeReconciliationStore(away=away, lost_answers=lost_answers)
    async with records(store) as keeping:
        keeping.add(finding(1))
        keeping.add(finding(2))
        await stored(keeping)
    assert sorted(record.finding.found for record in store.records.values()) == ["found 1", "found 2"]
    assert store.attempts == away + lost_answers + 1


async def test_nobody_waits_for_the_store() -> None:
    """`add` returns at once while a write hangs; what comes meanwhile is stored after it."""
    store = FakeReconciliationStore(gate=asyncio.Event())
    async with records(store) as keeping:
        keeping.add(finding(1))
        await asyncio.sleep(0)
        for number in range(1000):
            keeping.add(finding(number))
        assert (store.attempts, keeping.waiting) == (0, 1001)
        assert store.gate is not None
        store.gate.set()
        await stored(keeping)
    assert len(store.records) == 1001


async def test_many_orders_make_several_records() -> None:
    """Each names a bounded number of orders, and together they name all, each with the venue's id beside ours."""
    store = FakeReconciliationStore()
    ours = tuple(f"o-{number}" for number in range(2 * ORDERS_PER_RECORD + 50))
    theirs = tuple(f"v-{number}" for number in range(2 * ORDERS_PER_RECORD + 50))
    async with records(store) as keeping:
        keeping.add(finding(1, count=len(ours), order_ids=ours, venue_order_ids=theirs))
        await stored(keeping)
    parts = [store.records[key].finding for key in sorted(store.records)]
    assert [part.count for part in parts] == [100, 100, 50]
    assert tuple(order_id for part in parts for order_id in part.order_ids) == ours
    assert tuple(order_id for part in parts for order_id in part.venue_order_ids) == theirs


async def test_what_a_venue_says_is_made_fit_for_the_store() -> None:
    """No zero character, no text without end."""
    store = FakeReconciliationStore()
    async with records(store) as keeping:
        keeping.add(finding(1, found="x" * 5000, venue_order_ids=("a\0b",)))
        await stored(keeping)
    (record,) = store.records.values()
    assert (len(record.finding.found), record.finding.venue_order_ids) == (1000, ("a\ufffdb",))


async def test_only_the_newest_are_kept() -> None:
    """With a hundredth more between two looks."""
    store = FakeReconciliationStore()
    async with records(store, kept=10) as keeping:
        for number in range(25):
            keeping.add(finding(number))
            await stored(keeping)
        # The write that follows the one that was waited for has been pruned by then.
        keeping.add(finding(25))
        await stored(keeping)
    await asyncio.sleep(0)
    assert 10 <= len(store.records) <= 11
    assert max(store.records.values(), key=lambda record: record.reconciliation_id).finding.found == "found 25"


async def test_what_waits_is_stored_at_the_end(capfd: pytest.CaptureFixture[str]) -> None:
    """Or logged in full, when the store is away then: nothing goes silently."""
    store = FakeReconciliationStore()
    keeping = Reconciliations(store, Book(), FakeClock(), UuidV7())
    keeping.add(finding(1))
    await keeping.flush()
    assert (len(store.records), keeping.waiting) == (1, 0)
    store.away = 1
    keeping.add(finding(2))
    await keeping.flush()
    assert len(store.records) == 1
    assert "found 2" in capfd.readouterr().out


async def test_too_many_are_logged_in_full(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """Memory is bounded while the store is away; what is not kept stands in the log."""
    monkeypatch.setattr("services.order.pipeline.reconciliations._MOST_WAITING", 2)
    keeping = Reconciliations(FakeReconciliationStore(), Book(), FakeClock(), UuidV7())
    for number in range(3):
        keeping.add(finding(number))
    assert keeping.waiting == 2
    assert "found 2" in capfd.readouterr().out
