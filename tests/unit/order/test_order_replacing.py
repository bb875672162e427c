"""The way of replaces through entry and commit, with a store and a risk check that fail at every point."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal

import pytest

from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import refusals
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderStatus, Topic
from services.order.domain.venue import VenueReportType as V
from services.order.pipeline.ports import Decision
from services.order.pipeline.replacing import RefusedByRiskError, Replacing
from tests.fakes.order_pipeline import REFUSAL, World, running, settled
from tests.fakes.order_store import FakeStore, Fault, lost_after, lost_before, refused
from tests.fakes.orders import report, terms


@dataclass
class ReplaceWorld:
    """A pipeline with an order that the venue has taken.

    Attributes:
        told: Reports of the venue so far.
    """

    world: World
    replacing: Replacing
    order: Order
    told: int = 1

    async def replace(
        self, replace_id: str = "r-1", quantity: str | None = "120", price: str | None = None, expected: int = 0
    ) -> Order:
        return await self.replacing.replace(self.request(replace_id, quantity, price, expected))

    def request(
        self, replace_id: str = "r-1", quantity: str | None = "120", price: str | None = None, expected: int = 0
    ) -> ReplaceRequest:
        new_quantity, new_price = (None if text is None else Decimal(text) for text in (quantity, price))
        return ReplaceRequest(self.order.terms.order_id, replace_id, new_quantity, new_price, expected)

    async def tell(self, kind: V, **fields: str) -> Order | None:
        """Lets the venue report; returns the order if it is still live."""
        self.told += 1
        await self.world.tell(report(self.order, kind, sequence=self.told, **fields))  # type: ignore[arg-type]  # as each test says
        return self.world.book.live.get(self.order.terms.order_id)

    def types(self) -> list[ExecutionType]:
        return [entry.event.type for entry in self.world.store.entries[2:]]


@asynccontextmanager
async def replaceable(store: FakeStore | None = None, ordered: OrderTerms | None = None) -> AsyncIterator[ReplaceWorld]:
    """Runs a pipeline, and brings an order of 100 to its venue."""
    async with running(store) as world:
        replacing = Replacing(
            world.book,
            world.writer,
            world.orders,
            world.store,
            risk=world.risk,
            instruments=world.instruments,
            clock=world.clock,
        )
        asking = asyncio.create_task(replacing.run())
        order = await world.place_one(ordered or terms(quantity="100"))
        await world.adopt()
        await world.tell(report(order, V.ACCEPTED, sequence=1))
        try:
            yield ReplaceWorld(world, replacing, order)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


@pytest.fixture
async def at() -> AsyncIterator[ReplaceWorld]:
    """An order at its venue; memory and log are compared at the end of the test."""
    async with replaceable() as running_world:
        yield running_world
        running_world.world.check()


async def test_a_replace_is_answered_when_it_is_committed(at: ReplaceWorld) -> None:
    """The answer is PENDING_REPLACE with the original terms; the venue's word makes the new ones the order's."""
    pending = await at.replace(quantity="120", price="188")
    assert (pending.status, pending.terms.quantity, pending.version) == (OrderStatus.PENDING_REPLACE, 100, 3)
    entry = at.world.store.entries[-1]
    assert (entry.event.type, entry.topic) == (ExecutionType.PENDING_REPLACE, Topic.PLACED)
    order = await at.tell(V.REPLACED)
    assert order is not None
    assert (order.status, order.terms.quantity, order.terms.limit_price) == (OrderStatus.NEW, 120, Decimal(188))


async def test_risk_is_asked_for_the_new_terms(at: ReplaceWorld) -> None:
    """With the order as it stands and the terms that it would have."""
    await at.replace(quantity=None, price="188")
    new = at.world.risk.replacing[at.order.terms.order_id]
    assert (new.quantity, new.limit_price) == (100, 188)


async def test_a_replace_that_only_reduces_needs_no_risk(at: ReplaceWorld) -> None:
    """As a cancel does not: it goes through while risk is away, and while the instrument does not trade."""
    at.world.risk.error = refusals.risk_unavailable()
    halted = Instrument("AAPL.XNAS", Decimal("0.01"), Decimal(1), Decimal(1), Decimal(1_000_000), trading=False)
    at.world.instruments.at_once[halted.name] = halted
    assert (await at.replace(quantity="60")).status is OrderStatus.PENDING_REPLACE
    assert at.world.risk.replacing == {}


async def test_a_replace_in_a_halted_instrument_is_refused(at: ReplaceWorld) -> None:
    """Unless it only reduces."""
    halted = Instrument("AAPL.XNAS", Decimal("0.01"), Decimal(1), Decimal(1), Decimal(1_000_000), trading=False)
    at.world.instruments.at_once[halted.name] = halted
    with pytest.raises(CodedError, match="INSTRUMENT_NOT_TRADING"):
        await at.replace()


async def test_the_same_request_again_replaces_once(at: ReplaceWorld) -> None:
    """While it is on its way, once it is done, and after later replaces and the end: the order as it stands."""
    await at.replace()
    assert (await at.replace()).status is OrderStatus.PENDING_REPLACE
    await at.tell(V.REPLACED)
    assert (await at.replace()).status is OrderStatus.NEW
    await at.replace("r-2", "130")
    await at.tell(V.CANCEL_REJECTED)
    # The version expected was right when the request was first made.
    assert (await at.replace("r-1", expected=2)).terms.quantity == 120
    await at.tell(V.CANCELED)
    assert (await at.replace("r-1")).status is OrderStatus.CANCELED
    assert at.types().count(ExecutionType.PENDING_REPLACE) == 2


async def test_another_request_under_the_same_id_is_refused(at: ReplaceWorld) -> None:
    """The newest and an older one alike, live and ended."""
    await at.replace("r-1")
    await at.tell(V.REPLACED)
    await at.replace("r-2", "130")
    await at.tell(V.CANCELED)
    for replace_id in ("r-1", "r-2"):
        with pytest.raises(CodedError, match="DUPLICATE_REPLACE_ID") as caught:
            await at.replace(replace_id, "999")
        assert caught.value.kind is ErrorKind.ALREADY_EXISTS


async def test_racing_callers_of_one_id_replace_once(at: ReplaceWorld) -> None:
    """They get the same answer; one who asks for other terms under that id gets an error."""
    answers = await asyncio.gather(
        *(at.replace() for _ in range(5)), at.replace(quantity="121"), return_exceptions=True
    )
    assert [order.version for order in answers[:5] if isinstance(order, Order)] == [3] * 5
    assert isinstance(answers[5], CodedError)
    assert answers[5].reason == "DUPLICATE_REPLACE_ID"
    assert at.types() == [ExecutionType.PENDING_REPLACE]


async def test_racing_replaces_of_different_ids_have_one_winner(at: ReplaceWorld) -> None:
    """The others are told that a change is pending, and what risk holds is the winner's."""
    answers = await asyncio.gather(*(at.replace(f"r-{n}", str(120 + n)) for n in range(4)), return_exceptions=True)
    won = [answer for answer in answers if isinstance(answer, Order)]
    lost = [answer.reason for answer in answers if isinstance(answer, CodedError)]
    assert (len(won), lost) == (1, ["CHANGE_PENDING"] * 3)
    assert won[0].replace is not None
    assert at.world.risk.replacing[at.order.terms.order_id].quantity == won[0].replace.quantity


async def test_a_caller_that_goes_away_takes_nobodys_answer(at: ReplaceWorld) -> None:
    """The one who asked first is gone; the one who joined is answered, and the replace is made."""
    at.world.risk.gate = asyncio.Event()
    first, second = asyncio.create_task(at.replace()), asyncio.create_task(at.replace())
    await settled(lambda: at.world.risk.asked)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    at.world.risk.gate.set()
    assert (await second).status is OrderStatus.PENDING_REPLACE


async def test_an_expected_version_that_has_passed_is_refused(at: ReplaceWorld) -> None:
    """ABORTED, with the version that the order is at; the right one goes through."""
    await at.tell(V.TRADE, quantity="10", price="187.25")
    with pytest.raises(CodedError, match="VERSION_MISMATCH") as caught:
        await at.replace(expected=2)
    assert (caught.value.kind, caught.value.metadata["version"]) == (ErrorKind.ABORTED, "3")
    assert (await at.replace(expected=3)).version == 4


async def test_a_fill_that_comes_during_the_check_counts_against_the_version(at: ReplaceWorld) -> None:
    """What was right when it was asked is looked at again when it is committed; the hold is let go."""
    at.world.risk.gate = asyncio.Event()
    replacing = asyncio.create_task(at.replace(expected=2))
    await settled(lambda: at.world.risk.asked)
    await at.tell(V.TRADE, quantity="10", price="187.25")
    at.world.risk.gate.set()
    with pytest.raises(CodedError, match="VERSION_MISMATCH"):
        await replacing
    assert at.world.risk.replacing == {}


async def test_an_order_that_ends_during_the_check(at: ReplaceWorld) -> None:
    """ORDER_NOT_LIVE, and the hold is let go."""
    at.world.risk.gate = asyncio.Event()
    replacing = asyncio.create_task(at.replace())
    await settled(lambda: at.world.risk.asked)
    await at.tell(V.CANCELED)
    at.world.risk.gate.set()
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await replacing
    assert at.world.risk.replacing == {}


async def test_a_cancel_that_comes_during_the_check(at: ReplaceWorld) -> None:
    """CHANGE_PENDING, and the hold is let go."""
    at.world.risk.gate = asyncio.Event()
    replacing = asyncio.create_task(at.replace())
    await settled(lambda: at.world.risk.asked)
    await at.world.orders.cancel(at.order.terms.order_id)
    at.world.risk.gate.set()
    with pytest.raises(CodedError, match="CHANGE_PENDING") as caught:
        await replacing
    assert caught.value.metadata["order_status"] == "PENDING_CANCEL"
    assert at.world.risk.replacing == {}


async def test_an_order_that_ended_or_never_was_cannot_be_replaced(at: ReplaceWorld) -> None:
    """ORDER_NOT_LIVE with its state, UNKNOWN_ORDER."""
    await at.tell(V.TRADE, quantity="100", price="187.25")
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE") as caught:
        await at.replace()
    assert caught.value.metadata["order_status"] == "FILLED"
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await at.replacing.replace(ReplaceRequest("nobody", "r", Decimal(1), None))


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [("0.5", None, "QUANTITY_OFF_LOT"), ("9999999", None, "QUANTITY_OUT_OF_RANGE"), (None, "1.001", "PRICE_OFF_TICK")],
)
async def test_terms_that_the_instrument_does_not_allow(
    at: ReplaceWorld, quantity: str | None, price: str | None, reason: str
) -> None:
    """As at entry, with the field; the order is what it was."""
    with pytest.raises(CodedError, match=reason):
        await at.replace(quantity=quantity, price=price)
    assert at.types() == []


async def test_a_refusal_by_risk_stores_nothing_and_keeps_the_id_free(at: ReplaceWorld) -> None:
    """With the rule; asked again it is checked again."""
    at.world.risk.decide = lambda _: REFUSAL
    with pytest.raises(RefusedByRiskError) as caught:
        await at.replace()
    assert caught.value.decision.breach == REFUSAL.breach
    assert at.types() == []
    at.world.risk.decide = lambda _: Decision()
    assert (await at.replace()).status is OrderStatus.PENDING_REPLACE


@pytest.mark.parametrize("how", ["error", "decision"])
async def test_without_risk_a_replace_is_refused(at: ReplaceWorld, how: str) -> None:
    """RISK_UNAVAILABLE; nothing is stored."""
    if how == "error":
        at.world.risk.error = refusals.risk_unavailable()
    else:
        at.world.risk.decide = lambda _: Decision(refusals.RISK_UNAVAILABLE, "cannot say")
    with pytest.raises(CodedError, match="RISK_UNAVAILABLE"):
        await at.replace()
    assert at.types() == []


@pytest.mark.parametrize("fault", [refused, lost_before])
async def test_a_transaction_that_was_not_made_leaves_nothing(at: ReplaceWorld, fault: Fault) -> None:
    """STORE_UNAVAILABLE; the hold is let go, and the same request goes through later."""
    at.world.store.faults.append(fault)
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await at.replace()
    await settled(lambda: at.world.writer.available and not at.world.risk.replacing)
    assert (await at.replace()).version == 3
    assert at.types() == [ExecutionType.PENDING_REPLACE]


async def test_a_transaction_that_was_made_without_word_of_it_counts(at: ReplaceWorld) -> None:
    """The caller learns by asking again; the hold stays."""
    at.world.store.faults.append(lost_after)
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await at.replace()
    await settled(lambda: at.world.book.sequence == 3)
    assert (await at.replace()).status is OrderStatus.PENDING_REPLACE
    assert at.types() == [ExecutionType.PENDING_REPLACE]
    assert at.order.terms.order_id in at.world.risk.replacing


async def test_a_pending_replace_survives_a_restart() -> None:
    """The order is loaded with its replace on its way, and the venue's late answer is applied."""
    async with replaceable() as before:
        await before.replace(quantity="80")
        store = before.world.store
        order = before.order
    async with running(store) as world:
        assert world.book.live[order.terms.order_id].replacing is not None
        await world.tell(
            report(order, V.TRADE, sequence=2, quantity="80", price="187.25"), report(order, V.REPLACED, sequence=3)
        )
        ended = store.orders[order.terms.order_id]
        assert (ended.status, ended.terms.quantity, ended.cumulative) == (OrderStatus.FILLED, 80, 80)
        world.check()
