"""Bookings in a real Postgres: one statement that takes effect as a whole or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from services.kernel.identifiers import UuidV7
from services.portfolio.domain import booking
from services.portfolio.domain.account import NewAccount, account_of_fill
from services.portfolio.domain.adjusting import adjusted, book_adjustment, rebuilt
from services.portfolio.domain.cash import CashChange, CashChangeKind, with_cash
from services.portfolio.domain.fill import Adjustment, Fill, InstrumentTerms
from services.portfolio.domain.values import Environment, Side
from services.portfolio.pipeline.ports import AlreadyBookedError, Commit, Cursor, State
from services.portfolio.store.portfolio_store import PortfolioStore
from services.storage.audit_log import AuditTrail
from services.storage.database import KEYED, Database, PoolOptions
from services.storage.migrations import migrate

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
EPOCH = str(uuid4())
TERMS = {name: InstrumentTerms(name, "USD", Decimal(1)) for name in ("AAPL.XNAS", "MSFT.XNAS")}
IDS = UuidV7()


@pytest_asyncio.fixture
async def store(postgres_url: str) -> AsyncIterator[PortfolioStore]:
    """An empty schema."""
    await migrate(postgres_url, "portfolio")
    keyed = PoolOptions(settings=KEYED)
    async with Database(postgres_url, "portfolio") as database, Database(postgres_url, "portfolio", keyed) as bookings:
        made = PortfolioStore(database, bookings, AuditTrail("portfolio"))
        await made.load()
        yield made


def fill(sequence: int, account_id: str = "demo", instrument: str = "AAPL.XNAS", trade_id: str = "") -> Fill:
    """Returns a purchase of one for its sequence in money."""
    price = Decimal(sequence)
    return Fill(
        trade_id or IDS.new_id(), account_id, instrument, Side.BUY, price, Decimal(1), Decimal(0), sequence, sequence
    )


def commit_of(state: State, fills: Sequence[Fill], before: Cursor | None = None) -> Commit:
    """Returns the commit that books fills into a state."""
    missing = {each.account_id for each in fills} - state.accounts.keys()
    opened = [account_of_fill(account_id).open(IDS.new_id(), NOW) for account_id in sorted(missing)]
    accounts = {**state.accounts, **{account.account_id: account for account, _ in opened}}
    booked = booking.book(booking.Books(accounts, state.positions, TERMS, state.sequence), fills, NOW)
    return Commit(opened, booked, before or state.cursors.get(0, Cursor()), Cursor(EPOCH, fills[-1].sequence))


def adjustment_of(state: State, fills: Sequence[Fill], told: Fill) -> Commit:
    """Returns the commit that books what became of one of a position's fills."""
    found = adjusted(fills, told)
    assert found is not None
    made = rebuilt(told.account_id, TERMS[told.instrument], found[1])
    books = booking.Books(state.accounts, state.positions, TERMS, state.sequence)
    booked = book_adjustment(books, told, found[0], made, NOW)
    return Commit((), booked, state.cursors[0], Cursor(EPOCH, told.sequence))


async def test_what_is_booked_is_what_is_loaded(store: PortfolioStore) -> None:
    """Accounts opened on the way, positions in several instruments, cash, the cursor and the log."""
    fills = [fill(1), fill(2, "other"), fill(3, instrument="MSFT.XNAS"), fill(5)]
    first = commit_of(await store.load(), fills[:2])
    second_of = {**first.booked.accounts}
    told = await store.commit(first)
    told += await store.commit(second := commit_of(await store.load(), fills[2:]))
    state = await store.load()
    assert state.cursors == {0: Cursor(EPOCH, 5)}
    assert (state.sequence, [change.sequence for change in told]) == (4, [1, 2, 3, 4])
    assert state.accounts == {**second_of, **second.booked.accounts}
    assert {(a, i): p for a, held in state.positions.items() for i, p in held.items()} == {
        **first.booked.positions,
        **second.booked.positions,
    }
    assert state.accounts["demo"].balances["USD"].amount == -9
    assert await store.changes_after(0, 10) == told


@pytest.mark.parametrize("before", [Cursor(), Cursor(EPOCH, 0), Cursor(EPOCH, 2), Cursor(str(uuid4()), 1)])
async def test_nothing_is_booked_when_the_cursor_is_elsewhere(store: PortfolioStore, before: Cursor) -> None:
    """Another process has booked, or the books in memory are of another time."""
    await store.commit(commit_of(await store.load(), [fill(1)]))
    state = await store.load()
    with pytest.raises(RuntimeError, match="another process"):
        await store.commit(commit_of(state, [fill(3), fill(4, "stranger")], before))
    assert await store.load() == state
    assert len(await store.changes_after(0, 10)) == 1


async def test_nothing_is_booked_with_a_fill_that_is_booked(store: PortfolioStore) -> None:
    """The whole is refused, its accounts to open with it; the fill that is there is told when asked for."""
    once = fill(1)
    await store.commit(commit_of(await store.load(), [once]))
    state = await store.load()
    again, new = fill(3, trade_id=once.trade_id), fill(2, "stranger")
    with pytest.raises(AlreadyBookedError):
        await store.commit(commit_of(state, [new, again]))
    assert await store.load() == state
    assert await store.booked_among(EPOCH, [once.trade_id, new.trade_id]) == {once.trade_id}
    await store.commit(commit_of(state, [new]))
    assert (await store.load()).cursors == {0: Cursor(EPOCH, 2)}


async def test_what_became_of_a_fill_is_booked_with_the_cursor_or_not_at_all(store: PortfolioStore) -> None:
    """A correction changes position and cash in the statement that moves the cursor; the fill as it was made stays."""
    first, second = fill(1), fill(2)
    await store.commit(commit_of(await store.load(), [first, second]))
    report = IDS.new_id()
    told = replace(first, sequence=4, quantity=Decimal(3), adjustment=Adjustment(report, canceled=False))
    corrected = adjustment_of(await store.load(), [first, second], told)
    with pytest.raises(RuntimeError, match="another process"):
        await store.commit(replace(corrected, before=Cursor(EPOCH, 1)))
    assert not await store.is_adjusted(EPOCH, report)
    (entry,) = await store.commit(corrected)
    state = await store.load()
    assert (state.cursors, state.sequence, entry.sequence) == ({0: Cursor(EPOCH, 4)}, 3, 3)
    assert state.positions["demo"]["AAPL.XNAS"] == corrected.booked.positions["demo", "AAPL.XNAS"]
    assert state.accounts["demo"].balances["USD"].amount == -5
    assert await store.is_adjusted(EPOCH, report)
    assert await store.fills_of(EPOCH, "demo", "AAPL.XNAS") == [replace(first, quantity=Decimal(3)), second]


async def test_a_log_that_comes_back_is_booked_again(store: PortfolioStore) -> None:
    """Its bookings of before are forgotten when the books are emptied for it, or they would be taken for booked."""
    once = fill(1)
    await store.commit(commit_of(await store.load(), [once]))
    for epoch in (str(uuid4()), EPOCH):
        await store.begin_anew(0, epoch)
    assert await store.booked_among(EPOCH, [once.trade_id]) == set()
    await store.commit(commit_of(await store.load(), [once]))
    state = await store.load()
    assert (state.positions["demo"]["AAPL.XNAS"].quantity, state.cursors) == (1, {0: Cursor(EPOCH, 1)})


async def test_a_change_of_cash_is_stored_once_and_loaded(store: PortfolioStore) -> None:
    """With the account as it is then; what the account was opened with stays known."""
    new = NewAccount("cash", "", Environment.SIMULATION, "USD", (("USD", Decimal(1000)), ("EUR", Decimal(7))))
    account, own = new.open(IDS.new_id(), NOW)
    await store.add_account(account, own)
    change = CashChange("cash", "r1", CashChangeKind.SET, "USD", Decimal("5000.25"), "more")
    after = with_cash(account, {"USD": Decimal("5000.25"), "JPY": Decimal(3)}, NOW)
    assert await store.cash_change("cash", "r1") is None
    await store.put_cash(change, after)
    assert await store.cash_change("cash", "r1") == change
    reset = CashChange("cash", "r2", CashChangeKind.RESET)
    await store.put_cash(reset, after)
    assert await store.cash_change("cash", "r2") == reset
    assert (await store.load()).accounts["cash"] == after
    assert await store.opened_with("cash") == {"USD": Decimal(1000), "EUR": Decimal(7)}
    with pytest.raises(asyncpg.UniqueViolationError):
        await store.put_cash(change, account)
    assert (await store.load()).accounts["cash"] == after
