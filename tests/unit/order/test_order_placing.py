"""The way of orders in: answered, known already, refused by rules and risk, more than may wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.kernel.drain import Pace
from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import refusals
from services.order.domain.order import Order
from services.order.domain.values import ExecutionType, OrderStatus, Side
from services.order.domain.venue import VenueReportType
from services.order.pipeline.ports import Decision
from tests.fakes.order_pipeline import REFUSAL, World, running, settled
from tests.fakes.orders import AAPL, report, terms


class Turns(Pace):
    """A pace whose turns begin when the test says so, or at once where that is asked for."""

    def __init__(self) -> None:
        super().__init__(0.0)
        self.begun = asyncio.Event()
        self.waiting = False

    async def turn(self, *, at_once: bool = False) -> None:
        """Waits until the test lets turns begin."""
        if not at_once:
            self.waiting = True
            await self.begun.wait()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline over an empty store, checked at the end of the test."""
    async with running() as running_world:
        yield running_world
        running_world.check()


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


async def test_what_comes_between_two_turns_is_checked_and_committed_together() -> None:
    """While an order is on its way, those behind it wait for the next turn and share its message and its commit."""
    pace = Turns()
    async with running(pace=pace) as world:
        world.store.gate = asyncio.Event()
        first = asyncio.create_task(world.place(terms()))
        await settled(lambda: world.risk.batches == [1])
        others = [asyncio.create_task(world.place(terms())) for _ in range(5)]
        await settled(lambda: pace.waiting)
        assert world.placing.in_flight == 6
        world.store.gate.set()
        pace.begun.set()
        await asyncio.gather(first, *others)
        assert (world.risk.batches, world.store.commits) == ([1, 5], [1, 5])
        world.check()


async def test_an_order_that_is_alone_waits_for_no_turn() -> None:
    """Who places the next order when the one before is answered goes on at once, however soon that is."""
    async with running(pace=Turns()) as world:
        for number in range(1, 4):
            await world.place_one(terms())
            assert world.risk.batches == [1] * number


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
