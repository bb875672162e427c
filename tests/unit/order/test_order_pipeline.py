"""The way of orders through entry and commit, with a store and a risk check that fail at every point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import refusals
from services.order.domain.breach import RiskBreach
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, Side, Topic
from services.order.domain.venue import VenueReport, VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.ports import Decision
from services.order.pipeline.reports import AdoptEpoch, VenueReports
from services.order.pipeline.tickets import Outcome
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import LogDivergedError, Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import (
    FakeInstruments,
    FakeRiskPort,
    FakeStore,
    Heard,
    lost_after,
    lost_before,
    refused,
)
from tests.fakes.orders import AAPL, CountingIdentifiers, report, terms

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


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline over an empty store, checked at the end of the test."""
    async with running() as running_world:
        yield running_world
        running_world.check()


async def settled(condition: object, *, turns: int = 500) -> None:
    """Lets other tasks run until a condition holds."""
    for _ in range(turns):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0)
    raise AssertionError("the condition never held")


async def test_an_order_is_answered_when_it_is_committed(world: World) -> None:
    """The answer is PENDING_NEW, and the log has the order by then."""
    order = await world.place_one(terms("a"))
    assert order.status is OrderStatus.PENDING_NEW
    assert [e.event.type for e in world.store.entries] == [ExecutionType.PENDING_NEW]
    assert (order.sequence, order.version, order.placed_sequence) == (1, 1, 1)


async def test_what_waits_is_committed_together(world: World) -> None:
    """While one transaction runs others pile up, and the next one takes them all."""
    world.store.gate = asyncio.Event()
    first = asyncio.create_task(world.place(terms()))
    await settled(lambda: world.writer.waiting == 0 and world.risk.batches == [1])
    others = [asyncio.create_task(world.place(terms())) for _ in range(20)]
    await settled(lambda: world.writer.waiting == 20)
    world.store.gate.set()
    await asyncio.gather(first, *others)
    assert world.store.commits == [1, 20]


async def test_orders_of_a_batch_stand_for_themselves(world: World) -> None:
    """One refused by rules and one refused by risk do not stop the third."""
    world.risk.decide = lambda each: REFUSAL if each.quantity == 7 else Decision()
    bad, risky, good = await world.place(terms(limit_price="1.001"), terms(quantity="7"), terms())
    assert isinstance(bad, CodedError)
    assert bad.reason == "PRICE_OFF_TICK"
    assert isinstance(risky, Order)
    assert risky.refused_at_entry
    assert risky.breach == REFUSAL.breach
    assert isinstance(good, Order)
    assert good.status is OrderStatus.PENDING_NEW


async def test_what_risk_cannot_decide_on_is_not_stored(world: World) -> None:
    """An order whose account or instrument risk cannot look up now may be sent again; the others of its batch go on."""
    undecided = Decision("RISK_UNAVAILABLE", "the instrument cannot be found out now")
    world.risk.decide = lambda each: undecided if each.quantity == 7 else Decision()
    error, good = await world.place(terms("later", quantity="7"), terms())
    assert isinstance(error, CodedError)
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "RISK_UNAVAILABLE")
    assert isinstance(good, Order)
    world.risk.decide = lambda _: Decision()
    assert (await world.place_one(terms("later", quantity="7"))).status is OrderStatus.PENDING_NEW
    assert len(world.store.entries) == 2


async def test_an_order_of_an_account_that_nobody_has_is_not_stored(world: World) -> None:
    """It is bad input, told with the field, and nobody's; once the account is opened the same request is placed."""
    nobody = Decision("UNKNOWN_ACCOUNT", "there is no account demo")
    world.risk.decide = lambda _: nobody
    error = await world.refuse_one(terms("a"))
    assert (error.kind, error.reason) == (ErrorKind.INVALID, "UNKNOWN_ACCOUNT")
    assert [violation.field for violation in error.violations] == ["account_id"]
    assert not world.store.entries
    world.risk.decide = lambda _: Decision()
    assert (await world.place_one(terms("a"))).status is OrderStatus.PENDING_NEW


async def test_the_same_request_again_gets_the_same_order(world: World) -> None:
    """While it is live, and after it has ended, from memory."""
    order = await world.place_one(terms("a"))
    assert await world.place_one(terms("a")) is order
    await world.adopt()
    await world.tell(report(order, VenueReportType.CANCELED))
    again = await world.place_one(terms("a"))
    assert (again.terms.order_id, again.status) == (order.terms.order_id, OrderStatus.CANCELED)


async def test_another_request_under_the_same_id_is_refused(world: World) -> None:
    """The first order stays, the second caller learns which it is."""
    order = await world.place_one(terms("a"))
    error = await world.refuse_one(terms("a", quantity="1"))
    assert (error.reason, error.metadata["order_id"]) == ("DUPLICATE_CLIENT_ORDER_ID", order.terms.order_id)


async def test_the_same_id_in_another_account_is_another_order(world: World) -> None:
    """Client order ids are unique within an account."""
    first = await world.place_one(terms("a", account_id="one"))
    second = await world.place_one(terms("a", account_id="two"))
    assert first.terms.order_id != second.terms.order_id


async def test_racing_callers_of_one_id_get_one_order(world: World) -> None:
    """Whoever comes while the order is on its way waits for the same one."""
    outcomes = await asyncio.gather(*(world.place_one(terms("a")) for _ in range(5)))
    assert len({outcome.terms.order_id for outcome in outcomes}) == 1
    assert len(world.store.entries) == 1


async def test_racing_callers_with_different_requests_get_an_order_and_an_error(world: World) -> None:
    """The first one wins."""
    first, second = await asyncio.gather(world.place(terms("a")), world.place(terms("a", side=Side.SELL)))
    assert isinstance(first[0], Order)
    assert isinstance(second[0], CodedError)
    assert second[0].reason == "DUPLICATE_CLIENT_ORDER_ID"


async def test_the_same_id_twice_in_one_batch_is_one_order(world: World) -> None:
    """Within a batch the second is a repetition of the first."""
    one, two = await world.place(terms("a"), terms("a"))
    assert isinstance(one, Order)
    assert one is two


async def test_an_id_that_only_the_store_knows_is_found_by_its_unique_index() -> None:
    """The repetition gets its first order, a different request an error, and the others of the batch go on."""
    async with running() as before:
        old = await before.place_one(terms("old"))
        await before.adopt()
        await before.tell(report(old, VenueReportType.CANCELED))
    async with running(before.store) as world:
        assert world.book.find(("demo", "old")) is None
        repeated, other, new = await world.place(terms("old"), terms("new"), terms("newer"))
        assert isinstance(repeated, Order)
        assert repeated.terms.order_id == old.terms.order_id
        assert isinstance(other, Order)
        assert isinstance(new, Order)
        assert (await world.refuse_one(terms("old", quantity="3"))).reason == "DUPLICATE_CLIENT_ORDER_ID"
        assert world.risk.reserved == set(world.book.live)
        world.check()


async def test_a_refused_order_is_stored_and_its_repetition_is_refused_alike(world: World) -> None:
    """Risk is asked once; the answer is the same from memory and, after a restart, from the store."""
    world.risk.decide = lambda _: REFUSAL
    first = await world.place_one(terms("a"))
    again = await world.place_one(terms("a"))
    assert again is first
    assert first.refused_at_entry
    assert sum(world.risk.batches) == 1
    async with running(world.store) as later:
        stored = await later.place_one(terms("a"))
        assert (stored.terms.order_id, stored.reason) == (first.terms.order_id, "RISK_LIMIT_EXCEEDED")


async def test_without_risk_nothing_is_stored_and_the_id_stays_free(world: World) -> None:
    """The order is refused UNAVAILABLE, and goes through when risk is back."""
    world.risk.error = refusals.risk_unavailable()
    assert (await world.refuse_one(terms("a"))).reason == "RISK_UNAVAILABLE"
    assert not world.store.entries
    world.risk.error = None
    await world.place_one(terms("a"))


async def test_what_waits_behind_an_unanswered_check_is_refused_with_it(world: World) -> None:
    """It would wait as long for the same answer."""
    world.risk.gate, world.risk.error = asyncio.Event(), refusals.risk_unavailable()
    first = asyncio.create_task(world.refuse_one(terms("a")))
    await settled(lambda: world.placing.in_flight == 1)
    await asyncio.sleep(0)
    others = [asyncio.create_task(world.refuse_one(terms(f"b{number}"))) for number in range(3)]
    await settled(lambda: world.placing.in_flight == 4)
    world.risk.gate.set()
    errors = await asyncio.gather(first, *others)
    assert {error.reason for error in errors} == {"RISK_UNAVAILABLE"}
    assert world.placing.in_flight == 0


async def test_a_rule_is_not_held_against_a_repetition(world: World) -> None:
    """An instrument that was halted since does not change what a repeated request is answered."""
    order = await world.place_one(terms("a"))
    async with running(world.store) as later:
        later.instruments.at_once.clear()
        assert (await later.place_one(terms("a"))).terms.order_id == order.terms.order_id


async def test_an_unknown_instrument_is_asked_for_and_then_refused(world: World) -> None:
    """What market data has just listed is found; what it does not know is named."""
    world.instruments.at_once.clear()
    assert (await world.refuse_one(terms())).reason == "UNKNOWN_INSTRUMENT"
    world.instruments.asked[AAPL.name] = AAPL
    await world.place_one(terms())


async def test_more_than_may_wait_is_refused() -> None:
    """The queue is bounded: OVERLOADED says when to try again, and nothing of the call is taken."""
    async with running(most_waiting=3) as world:
        world.risk.gate = asyncio.Event()
        waiting = asyncio.create_task(world.place(terms(), terms()))
        await settled(lambda: world.placing.in_flight == 2)
        with pytest.raises(CodedError, match="OVERLOADED") as caught:
            await world.place(terms(), terms())
        assert caught.value.retry_after_seconds
        world.risk.gate.set()
        await waiting
        assert len(world.store.entries) == 2


async def test_orders_that_are_looked_into_count_as_waiting_and_are_looked_up_together() -> None:
    """A flood of what the rules do not allow fills neither memory nor the store: one look-up a call, or OVERLOADED."""
    async with running(most_waiting=3) as world:
        world.store.find_gate = asyncio.Event()
        waiting = asyncio.create_task(world.place(terms(limit_price="187.001"), terms(limit_price="187.001")))
        await settled(lambda: world.store.finds == [2])
        with pytest.raises(CodedError, match="OVERLOADED"):
            await world.place(terms(), terms())
        world.store.find_gate.set()
        assert all(isinstance(outcome, CodedError) for outcome in await waiting)
        assert len(await world.place(terms(), terms())) == 2
        assert world.store.finds == [2]


async def test_an_order_whose_caller_went_away_before_the_check_is_dropped(world: World) -> None:
    """Nobody was told anything, so nothing needs to be done; the id stays free."""
    world.risk.gate = asyncio.Event()
    first = asyncio.create_task(world.place(terms("a")))
    await settled(lambda: world.placing.in_flight == 1)
    await asyncio.sleep(0)
    second = asyncio.create_task(world.place(terms("b")))
    await settled(lambda: world.placing.in_flight == 2)
    second.cancel()
    world.risk.gate.set()
    await first
    await settled(lambda: world.placing.in_flight == 0)
    assert [e.order.terms.client_order_id for e in world.store.entries] == ["a"]
    await world.place_one(terms("b"))


@pytest.mark.parametrize("fault", [refused, lost_before])
async def test_a_transaction_that_was_not_made_leaves_nothing(world: World, fault: object) -> None:
    """The caller hears STORE_UNAVAILABLE; the number is used for the next order, the reservation let go."""
    world.store.faults = [fault]  # type: ignore[list-item]
    assert (await world.refuse_one(terms("a"))).reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    assert not world.risk.reserved
    order = await world.place_one(terms("a"))
    assert order.sequence == 1


async def test_a_transaction_that_was_made_without_word_of_it_counts(world: World) -> None:
    """The caller hears STORE_UNAVAILABLE; listeners hear of the order, and a repetition gets it."""
    world.store.faults = [lost_after]
    assert (await world.refuse_one(terms("a"))).reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    assert [e.sequence for e in world.heard.entries] == [1]
    order = await world.place_one(terms("a"))
    assert order.sequence == 1
    assert len(world.store.entries) == 1
    assert world.risk.reserved == {order.terms.order_id}


async def test_while_the_store_is_away_orders_are_refused_at_once(world: World) -> None:
    """What waits for the writer is refused, and so is whatever comes; then all goes on."""
    world.store.faults, world.store.away = [lost_before], 50
    waiting = asyncio.create_task(world.place(terms("a")))
    await settled(lambda: not world.writer.available)
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await world.place(terms("b"))
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await world.orders.cancel_all(CancelFilter("demo"))
    (outcome,) = await waiting
    assert isinstance(outcome, CodedError)
    await settled(lambda: world.writer.available)
    await world.place_one(terms("a"))


async def test_an_order_checked_while_the_store_is_away_is_let_go(world: World) -> None:
    """Risk has reserved it by then; the reservation does not stay."""
    world.risk.gate = asyncio.Event()
    checked = asyncio.create_task(world.place(terms("late")))
    await settled(lambda: world.placing.in_flight == 1)
    world.store.faults, world.store.away = [lost_before], 50
    adopting = asyncio.create_task(world.adopt())
    await settled(lambda: not world.writer.available)
    world.risk.gate.set()
    (outcome,) = await checked
    assert isinstance(outcome, CodedError)
    assert outcome.reason == "STORE_UNAVAILABLE"
    await settled(lambda: world.writer.available)
    await adopting
    assert not world.risk.reserved


async def test_a_log_that_somebody_else_has_written_to_ends_the_writer() -> None:
    """Memory cannot be trusted any more: the process ends, and the next one reads the log."""
    async with running() as world:
        world.store.faults = [lost_before]
        async with running() as other:
            await other.place(terms(), terms())
        waiting = asyncio.create_task(world.place(terms()))
        world.store.entries += other.store.entries
        with pytest.raises(LogDivergedError):
            await world.writing
        await asyncio.gather(waiting, return_exceptions=True)


async def test_reports_change_orders_and_move_the_cursor_in_one_transaction(world: World) -> None:
    """Several reports of one order in one batch become events one after the other."""
    order = await world.place_one(terms())
    await world.adopt()
    await world.tell(
        report(order, VenueReportType.ACCEPTED, sequence=1),
        report(order, VenueReportType.TRADE, sequence=2, quantity="40", price="187.25"),
        report(order, VenueReportType.TRADE, sequence=3, quantity="60", price="187.20"),
    )
    assert [e.order.status.name for e in world.store.entries] == [
        "PENDING_NEW",
        "NEW",
        "PARTIALLY_FILLED",
        "FILLED",
    ]
    assert world.store.cursors == {"simulation": ("e", 3)}
    assert world.book.find(("demo", order.terms.client_order_id)) is world.store.entries[-1].order


async def test_repeated_reports_are_dropped(world: World) -> None:
    """A report that the cursor is beyond changes nothing."""
    order = await world.place_one(terms())
    await world.adopt()
    accepted = report(order, VenueReportType.ACCEPTED, sequence=1)
    traded = report(order, VenueReportType.TRADE, sequence=2, quantity="1", price="1")
    await world.tell(accepted, traded)
    await world.tell(accepted, traded)
    assert len(world.store.entries) == 3


async def test_a_gap_in_reports_stops_the_batch_and_is_asked_for(world: World) -> None:
    """What comes after the gap is not taken; once it is sent again, all is."""
    order = await world.place_one(terms())
    await world.adopt()
    one, two, three = (
        report(order, VenueReportType.TRADE, sequence=number, quantity="1", price="1") for number in (1, 2, 3)
    )
    await world.tell(one, three)
    assert world.gaps == [(1, 3)]
    assert world.store.cursors["simulation"] == ("e", 1)
    await world.tell(two, three)
    assert world.book.live[order.terms.order_id].cumulative == 3


@pytest.mark.parametrize("fault", [refused, lost_before, lost_after])
async def test_reports_are_never_lost_and_never_booked_twice(world: World, fault: object) -> None:
    """Whatever happens to the transaction, each fill is in the log once."""
    order = await world.place_one(terms())
    await world.adopt()
    world.store.faults = [None, fault, fault]  # type: ignore[list-item]
    world.store.away = 3
    for number in (1, 2, 3):
        world.writer.put(
            VenueReports(
                "simulation",
                "e",
                [report(order, VenueReportType.TRADE, sequence=number, quantity="10", price="1")],
                world.metrics,
                on_gap=lambda *_: None,
                investigate=lambda _: None,
            )
        )
        await asyncio.sleep(0)
    await settled(lambda: world.book.cursors["simulation"] == ("e", 3))
    assert world.book.live[order.terms.order_id].cumulative == 30


async def test_a_report_of_an_order_that_is_not_live_is_looked_into(world: World) -> None:
    """It moves the cursor, and is handed on."""
    await world.adopt()
    await world.tell(report("someone-elses", VenueReportType.ACCEPTED, sequence=1))
    assert [stray.order_id for stray in world.strays] == ["someone-elses"]
    assert world.book.cursors["simulation"] == ("e", 1)


async def test_reports_of_another_epoch_are_dropped(world: World) -> None:
    """They come from a session that is over; the new one sends what counts."""
    order = await world.place_one(terms())
    await world.adopt("new")
    await world.tell(report(order, VenueReportType.ACCEPTED, sequence=1), epoch="old")
    assert world.book.live[order.terms.order_id].status is OrderStatus.PENDING_NEW


async def test_a_refusal_by_broker_itself_has_no_sequence_and_counts(world: World) -> None:
    """An order for a connection that does not exist is REJECTED without any venue having a say."""
    order = await world.place_one(terms(connection_id="nowhere"))
    await world.tell(report(order, VenueReportType.REJECTED, sequence=0, reason="UNKNOWN_CONNECTION"), epoch="")
    assert world.store.orders[order.terms.order_id].reason == "UNKNOWN_CONNECTION"
    assert "simulation" not in world.book.cursors


async def test_a_venue_that_lost_its_history_ends_the_orders_it_had_taken(world: World) -> None:
    """What it had accepted and does not know is CANCELED; what it knows, and what it never saw, stays."""
    taken, kept, unseen = await world.place(terms(), terms(), terms())
    assert isinstance(taken, Order)
    assert isinstance(kept, Order)
    assert isinstance(unseen, Order)
    assert await world.adopt("first") == []
    accepted = VenueReportType.ACCEPTED
    await world.tell(report(taken, accepted, sequence=1), report(kept, accepted, sequence=2), epoch="first")
    lost = await world.adopt("second", frozenset({kept.terms.order_id}))
    assert lost == [taken.terms.order_id]
    assert world.book.cursors["simulation"] == ("second", 0)
    assert set(world.book.live) == {kept.terms.order_id, unseen.terms.order_id}


async def test_a_cancel_is_answered_when_it_is_committed(world: World) -> None:
    """The answer is PENDING_CANCEL; asked again, the order as it stands, without another event."""
    order = await world.place_one(terms())
    pending = await world.orders.cancel(order.terms.order_id)
    assert (pending.status, pending.cancel_sequence) == (OrderStatus.PENDING_CANCEL, 2)
    assert await world.orders.cancel(order.terms.order_id) is pending
    assert len(world.store.entries) == 2


async def test_an_order_that_ended_or_never_was_cannot_be_canceled(world: World) -> None:
    """The first fails with ORDER_NOT_LIVE, the second with UNKNOWN_ORDER."""
    order = await world.place_one(terms())
    await world.adopt()
    await world.tell(report(order, VenueReportType.CANCELED))
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await world.orders.cancel(order.terms.order_id)
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await world.orders.cancel("nothing")


async def test_a_cancel_that_meets_the_end_of_its_order(world: World) -> None:
    """The fill that was committed first wins."""
    order = await world.place_one(terms())
    await world.adopt()
    world.store.gate = asyncio.Event()
    telling = asyncio.create_task(world.tell(report(order, VenueReportType.TRADE, quantity="100", price="1")))
    await asyncio.sleep(0)
    canceling = asyncio.create_task(world.orders.cancel(order.terms.order_id))
    await asyncio.sleep(0)
    world.store.gate.set()
    await telling
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await canceling


async def test_cancel_all_takes_what_its_filters_say(world: World) -> None:
    """By account, instrument and side; what is pending already counts, what is of others stays."""
    world.instruments.at_once["MSFT.XNAS"] = AAPL
    mine, sell, other, foreign = [
        order
        for order in await world.place(
            terms(), terms(side=Side.SELL), terms(instrument="MSFT.XNAS"), terms(account_id="else")
        )
        if isinstance(order, Order)
    ]
    assert await world.orders.cancel_all(CancelFilter("demo", "AAPL.XNAS", Side.SELL)) == [sell.terms.order_id]
    assert set(await world.orders.cancel_all(CancelFilter("demo", "AAPL.XNAS"))) == ids(mine, sell)
    assert set(await world.orders.cancel_all(CancelFilter("demo"))) == ids(mine, sell, other)
    assert world.book.live[foreign.terms.order_id].status is OrderStatus.PENDING_NEW
    assert len(world.store.entries) == 7


async def test_time_in_the_log_never_goes_back(world: World) -> None:
    """A clock that steps back an hour does not take the log with it."""
    before = await world.place_one(terms())
    world.clock.advance(-timedelta(hours=1))
    after = await world.place_one(terms())
    assert after.created_at_ns == before.created_at_ns


async def test_memory_holds_live_orders_and_a_bounded_number_of_ended_ones() -> None:
    """Ended orders beyond the bound are found in the store alone."""
    async with running() as world:
        world.book._most_remembered = 2
        orders = [
            order for order in await world.place(*(terms(f"m-{n}") for n in range(5))) if isinstance(order, Order)
        ]
        await world.adopt()
        await world.tell(*(report(o, VenueReportType.CANCELED, sequence=n) for n, o in enumerate(orders, 1)))
        assert not world.book.live
        assert not world.book._keys
        assert not world.book._by_account
        assert [world.book.find(("demo", f"m-{n}")) is not None for n in range(5)] == [False] * 3 + [True] * 2
        assert (await world.place_one(terms("m-0"))).terms.order_id == orders[0].terms.order_id


def ids(*orders: Order) -> set[str]:
    """Returns their ids."""
    return {order.terms.order_id for order in orders}
