"""What became of fills after they were booked: the books are those of the fills as they are now."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bus.backoff import Backoff
from services.kernel.identifiers import UuidV7
from services.portfolio.domain.account import NewAccount
from services.portfolio.domain.fill import Adjustment, Fill, InstrumentTerms
from services.portfolio.domain.position import Position, new_position
from services.portfolio.domain.values import Environment, Side
from services.portfolio.pipeline.bookkeeper import Bookkeeper
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Cursor, FillBatch, LoggedChange
from tests.fakes.clock import FakeClock
from tests.fakes.portfolio_store import FakePortfolioStore, Loss

D = Decimal
TERMS = InstrumentTerms("AAPL.XNAS", "USD", D(50))


class Everything:
    """Knows every instrument."""

    async def find(self, name: str) -> InstrumentTerms | None:
        return replace(TERMS, name=name)


class Silent:
    """Hears what was announced, and says nothing."""

    def announce(self, changes: Sequence[LoggedChange]) -> None:
        pass


class Log:
    """An order log of some entries, told in batches."""

    def __init__(
        self, entries: Sequence[Fill], batch: int, store: FakePortfolioStore, losses: Sequence[Loss | None]
    ) -> None:
        self._entries, self._batch, self._store, self._losses = entries, batch, store, iter(losses)
        self.done = asyncio.Event()

    async def epoch(self) -> str:
        return "e"

    async def follow(self, cursor: Cursor) -> AsyncIterator[FillBatch]:
        rest = [entry for entry in self._entries if entry.sequence > cursor.sequence]
        for start in range(0, len(rest), self._batch):
            part = rest[start : start + self._batch]
            self._store.next_loss = next(self._losses, None)
            yield FillBatch(part, part[-1].sequence)
        self.done.set()
        await asyncio.Event().wait()


@dataclass
class Step:
    """A fill, or (with a quantity of an older one) what became of one."""

    side: Side
    quantity: int
    price: int
    adjusts: int | None
    canceled: bool


steps = st.lists(
    st.builds(
        Step,
        st.sampled_from(Side),
        st.integers(1, 9),
        st.integers(90, 110),
        st.none() | st.integers(0, 20),
        st.booleans(),
    ),
    min_size=1,
    max_size=25,
)


def entries_of(made: Sequence[Step]) -> tuple[list[Fill], list[Fill]]:
    """Returns the entries of the log that steps make, and the fills as they are at its end."""
    entries: list[Fill] = []
    now: dict[str, Fill] = {}
    for sequence, step in enumerate(made, 1):
        if step.adjusts is None or not now:
            fill = Fill(
                f"t{sequence}",
                "demo",
                TERMS.name,
                step.side,
                D(step.price),
                D(step.quantity),
                D("0.5"),
                sequence,
                sequence,
            )
            now[fill.trade_id] = fill
            entries.append(fill)
            continue
        before = list(now.values())[step.adjusts % len(now)]
        told = replace(before, sequence=sequence, adjustment=Adjustment(f"e{sequence}", step.canceled))
        if step.canceled:
            del now[before.trade_id]
        else:
            told = replace(told, price=D(step.price), quantity=D(step.quantity), fee=D("0.25"))
            now[before.trade_id] = replace(told, sequence=before.sequence, adjustment=None)
        entries.append(told)
    return entries, list(now.values())


async def booked(entries: Sequence[Fill], batch: int = 3, losses: Sequence[Loss | None] = ()) -> FakePortfolioStore:
    """Books entries of a log and returns what is stored."""
    store, clock = FakePortfolioStore(), FakeClock()
    books = Books(Ledger(), store, Silent(), clock, UuidV7(clock))
    await books.settle()
    await books.open_account(NewAccount("demo", "", Environment.SIMULATION, "USD", (("USD", D(1000)),)))
    log = Log(entries, batch, store, losses)
    keeper = Bookkeeper(books, store, log, Everything(), clock, backoff=Backoff(0.0001, 0.0002))
    running = asyncio.create_task(keeper.run())
    await asyncio.wait_for(log.done.wait(), 20)
    running.cancel()
    assert books.ledger.positions_of("demo") == store.state.positions.get("demo", {})
    return store


def figures(position: Position) -> tuple[object, ...]:
    """Returns what must be equal whatever way it came about."""
    return (
        position.quantity,
        position.average_cost,
        position.cost,
        position.realised_profit,
        position.fees,
        position.bought,
        position.sold,
        position.trade_count,
    )


@settings(max_examples=60)
@given(steps, st.integers(1, 6), st.lists(st.sampled_from([None, *Loss]), max_size=10))
def test_the_books_are_those_of_the_fills_as_they_are_now(
    made: list[Step], batch: int, losses: list[Loss | None]
) -> None:
    """Canceled and corrected anywhere, in batches of any size, the store lost at any commit."""
    entries, now = entries_of(made)
    store = asyncio.run(booked(entries, batch, losses))
    naive = new_position("demo", TERMS)
    for fill in now:
        naive = naive.after(fill)
    position = store.state.positions["demo"][TERMS.name]
    assert figures(position) == figures(naive)
    cash = store.state.accounts["demo"].balance("USD").amount
    assert cash == D(1000) - D(50) * sum((fill.signed_quantity * fill.price for fill in now), D(0)) - naive.fees
    assert [change.sequence for change in store.log] == list(range(1, len(entries) + 1))


async def test_the_bust_of_an_older_fill_moves_the_average_and_the_profit() -> None:
    """10 at 100, 10 at 110, 10 sold at 120: without the first, the sale closed what cost 110."""
    fills = [
        Fill("t1", "demo", TERMS.name, Side.BUY, D(100), D(10), D(1), 1, 11),
        Fill("t2", "demo", TERMS.name, Side.BUY, D(110), D(10), D(1), 2, 12),
        Fill("t3", "demo", TERMS.name, Side.SELL, D(120), D(10), D(1), 3, 13),
    ]
    before = (await booked(fills)).state.positions["demo"][TERMS.name]
    assert (before.quantity, before.average_cost, before.realised_profit) == (D(10), D(105), D(15 * 10 * 50))
    bust = replace(fills[0], sequence=9, adjustment=Adjustment("e", canceled=True))
    after = (await booked([*fills, bust])).state.positions["demo"][TERMS.name]
    assert (after.quantity, after.average_cost, after.realised_profit) == (D(0), None, D(10 * 10 * 50))
    assert (after.fees, after.trade_count, after.order_sequence) == (D(2), 2, 9)
    assert (after.opened_at_ns, after.updated_at_ns) == (12, 13)


async def test_a_report_that_is_in_the_log_twice_is_booked_once() -> None:
    """A cancel, and a correction with another behind it: the books stay those of the first, and the cursor goes on."""
    first = Fill("t1", "demo", TERMS.name, Side.BUY, D(100), D(10), D(1), 1, 11)
    second = replace(first, trade_id="t2", sequence=2)
    entries = [
        first,
        second,
        replace(first, sequence=3, adjustment=Adjustment("e1", canceled=True)),
        replace(second, sequence=4, quantity=D(4), adjustment=Adjustment("e2", canceled=False)),
        replace(second, sequence=5, quantity=D(6), adjustment=Adjustment("e3", canceled=False)),
    ]
    again = [replace(entries[2], sequence=6), replace(entries[3], sequence=7)]
    once, twice = await booked(entries), await booked([*entries, *again])
    assert twice.state.positions == once.state.positions
    assert twice.state.accounts["demo"].balances == once.state.accounts["demo"].balances
    assert (len(twice.log), twice.state.cursors) == (5, {0: Cursor("e", 7)})


@pytest.mark.parametrize("asked", range(1, 5))
async def test_books_that_are_emptied_within_a_batch_lose_none_of_it(asked: int) -> None:
    """By another shard's log, between the parts of a batch or after its last: what was booked of it is booked anew."""
    first = Fill("t1", "demo", TERMS.name, Side.BUY, D(100), D(10), D(1), 1, 11)
    entries = [
        first,
        replace(first, sequence=2, quantity=D(4), adjustment=Adjustment("e1", canceled=False)),
        replace(first, trade_id="t2", sequence=3),
        replace(first, trade_id="t3", sequence=4),
    ]

    class Emptying(Everything):
        async def find(self, name: str) -> InstrumentTerms | None:
            finds.append(name)
            if len(finds) == asked:
                await books.begin_anew(0, "other")
            return await super().find(name)

    finds: list[str] = []
    store, clock = FakePortfolioStore(), FakeClock()
    books = Books(Ledger(2), store, Silent(), clock, UuidV7(clock))
    log = Log(entries, 3, store, ())
    keeper = Bookkeeper(books, store, log, Emptying(), clock, backoff=Backoff(0, 0), shard=1)
    running = asyncio.create_task(keeper.run())
    await asyncio.wait_for(log.done.wait(), 20)
    running.cancel()
    assert len(finds) >= asked
    assert store.state.cursors == {0: Cursor("other", 0), 1: Cursor("e", 4)}
    assert books.ledger.positions == store.state.positions
    assert store.state.positions["demo"][TERMS.name].quantity == D(24)


async def test_a_position_whose_only_fill_is_canceled_is_closed_and_was_never_traded() -> None:
    """Nothing held, no profit, no fee, the cash as before."""
    fill = Fill("t1", "demo", TERMS.name, Side.SELL, D(100), D(10), D(1), 1, 11)
    store = await booked([fill, replace(fill, sequence=2, adjustment=Adjustment("e", canceled=True))])
    position = store.state.positions["demo"][TERMS.name]
    assert figures(position) == figures(new_position("demo", TERMS))
    assert position.opened_at_ns == 11
    assert store.state.accounts["demo"].balance("USD").amount == D(1000)
