"""Books whose store is lost at the worst moments: nothing booked twice, nothing untold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.bus.backoff import Backoff
from services.kernel.errors import CodedError
from services.kernel.identifiers import UuidV7
from services.portfolio.domain.account import NewAccount
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.values import Environment, Side
from services.portfolio.pipeline.bookkeeper import Bookkeeper, BooksBegunAnewError
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Cursor, FillBatch, LoggedChange
from tests.fakes.clock import FakeClock
from tests.fakes.portfolio_store import FakePortfolioStore, Loss


class Told:
    """Remembers what was announced."""

    def __init__(self) -> None:
        self.sequences: list[int] = []

    def announce(self, changes: Sequence[LoggedChange]) -> None:
        self.sequences += [change.sequence for change in changes]


class Log:
    """An order log of some fills, told in batches; it ends the follower when everything was told."""

    def __init__(
        self,
        fills: Sequence[Fill],
        batch: int,
        store: FakePortfolioStore,
        losses: Sequence[Loss | None],
        epoch: str = "e",
    ) -> None:
        self._epoch = epoch
        self._fills, self._batch, self._store, self._losses = fills, batch, store, iter(losses)
        self.done = asyncio.Event()

    async def epoch(self) -> str:
        return self._epoch

    async def follow(self, cursor: Cursor) -> AsyncIterator[FillBatch]:
        rest = [fill for fill in self._fills if fill.sequence > cursor.sequence]
        for start in range(0, len(rest), self._batch):
            part = rest[start : start + self._batch]
            self._store.next_loss = next(self._losses, None)
            yield FillBatch(part, part[-1].sequence)
        self.done.set()
        await asyncio.Event().wait()


class Everything:
    """Knows every instrument."""

    async def find(self, name: str) -> InstrumentTerms | None:
        return InstrumentTerms(name, "USD", Decimal(1))


def fills(count: int, log: str = "") -> list[Fill]:
    """Returns fills of three accounts."""
    return [
        Fill(f"{log}t{n}", f"{log}a{n % 3}", "AAPL.XNAS", Side.BUY, Decimal(n), Decimal(1), Decimal(0), 2 * n, n)
        for n in range(1, count + 1)
    ]


@settings(max_examples=40)
@given(st.integers(1, 30), st.integers(1, 7), st.lists(st.sampled_from([None, *Loss]), max_size=12))
def test_wherever_the_store_is_lost_each_fill_is_booked_and_told_once(
    count: int, batch: int, losses: list[Loss | None]
) -> None:
    """Lost before or after the commit: the ledger, the store and what was announced agree in the end."""

    async def follow() -> tuple[Ledger, FakePortfolioStore, Told]:
        store, told, ledger, clock = FakePortfolioStore(), Told(), Ledger(), FakeClock()
        books = Books(ledger, store, told, clock, UuidV7(clock))
        log = Log(fills(count), batch, store, losses)
        keeper = Bookkeeper(books, store, log, Everything(), clock, backoff=Backoff(0, 0))
        keeping = asyncio.create_task(keeper.run())
        await asyncio.wait_for(log.done.wait(), 20)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        return ledger, store, told

    ledger, store, told = asyncio.run(follow())
    assert told.sequences == list(range(1, count + 1))
    assert [change.payload for change in store.log] == [f"t{n}".encode() for n in range(1, count + 1)]
    assert ledger.positions == store.state.positions
    assert {name: a.balances for name, a in ledger.accounts.items()} == {
        name: a.balances for name, a in store.state.accounts.items()
    }
    assert (ledger.cursor(), ledger.as_of()) == (Cursor("e", 2 * count), 2 * count)


@settings(max_examples=30)
@given(
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.integers(1, 7),
    st.lists(st.sampled_from([None, *Loss]), max_size=12),
)
def test_the_logs_of_two_shards_are_booked_side_by_side(
    counts: tuple[int, int], batch: int, losses: list[Loss | None]
) -> None:
    """Wherever the store is lost: each fill of either log is booked and told once, and each log has its own cursor."""

    async def follow() -> tuple[Ledger, FakePortfolioStore, Told]:
        store, told, ledger, clock = FakePortfolioStore(), Told(), Ledger(2), FakeClock()
        books = Books(ledger, store, told, clock, UuidV7(clock))
        logs = [
            Log(fills(count, f"{shard}-"), batch, store, losses[shard::2], f"e{shard}")
            for shard, count in enumerate(counts)
        ]
        keepers = [
            Bookkeeper(books, store, log, Everything(), clock, backoff=Backoff(0, 0), shard=shard)
            for shard, log in enumerate(logs)
        ]
        keeping = [asyncio.create_task(keeper.run()) for keeper in keepers]
        await asyncio.wait_for(asyncio.gather(*(log.done.wait() for log in logs)), 20)
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)
        await books.settle()
        return ledger, store, told

    ledger, store, told = asyncio.run(follow())
    assert told.sequences == list(range(1, sum(counts) + 1))
    booked = [change.payload.decode() for change in store.log]
    for shard, count in enumerate(counts):
        assert [each for each in booked if each.startswith(f"{shard}-")] == [
            f"{shard}-t{n}" for n in range(1, count + 1)
        ]
        assert ledger.cursor(shard) == store.state.cursors[shard] == Cursor(f"e{shard}", 2 * count)
        assert ledger.as_of_shard(shard) == 2 * count
    assert ledger.as_of() == 0
    assert ledger.positions == store.state.positions


@settings(max_examples=30)
@given(st.integers(2, 20), st.integers(1, 7), st.integers(0, 5), st.sampled_from([None, *Loss]))
def test_a_shard_that_was_half_booked_when_another_emptied_the_books_is_booked_from_its_beginning(
    count: int, batch: int, emptied_after: int, loss: Loss | None
) -> None:
    """The bookkeeper of a shard goes on while the process ends: no fill before where it stood may be left out."""

    class Emptied(Log):
        async def follow(self, cursor: Cursor) -> AsyncIterator[FillBatch]:
            number = 0
            async for told in super().follow(cursor):
                if number == emptied_after and not anew:
                    anew.append(True)
                    store.next_loss = loss
                    with suppress(CodedError):
                        await books.begin_anew(0, "other")
                    assert (store.state.cursors.keys() == {0}) is (loss is not Loss.BEFORE)
                number += 1
                yield told

    anew: list[bool] = []
    store, ledger, clock = FakePortfolioStore(), Ledger(2), FakeClock()
    books = Books(ledger, store, Told(), clock, UuidV7(clock))

    async def follow() -> None:
        log = Emptied(fills(count), batch, store, ())
        keeper = Bookkeeper(books, store, log, Everything(), clock, backoff=Backoff(0, 0), shard=1)
        keeping = asyncio.create_task(keeper.run())
        await asyncio.wait_for(log.done.wait(), 20)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)

    asyncio.run(follow())
    assert [change.payload.decode() for change in store.log] == [f"t{n}" for n in range(1, count + 1)]
    assert [change.sequence for change in store.log] == list(range(1, count + 1))
    assert ledger.cursor(1) == store.state.cursors[1] == Cursor("e", 2 * count)
    assert ledger.positions == store.state.positions
    for account in store.state.accounts.values():
        bought = store.state.positions[account.account_id]["AAPL.XNAS"].invested
        assert account.balance("USD").amount == -bought


async def test_books_that_may_have_been_emptied_end_the_process_all_the_same() -> None:
    """Whoever empties them does not go on with what streams and caches hold of the old log."""
    for loss in (None, *Loss):
        store, clock = FakePortfolioStore(), FakeClock()
        store.state.cursors[0] = Cursor("before", 2)
        books = Books(Ledger(), store, Told(), clock, UuidV7(clock))
        await books.settle()
        store.next_loss = loss
        keeper = Bookkeeper(books, store, Log((), 1, store, ()), Everything(), clock, backoff=Backoff(0, 0))
        with pytest.raises(BooksBegunAnewError):
            await asyncio.wait_for(keeper.run(), 20)


async def test_a_fill_that_is_booked_already_is_left_out_and_the_rest_is_booked() -> None:
    """The store refuses the whole; what it has is asked for, and the cursor goes past it."""
    store, told, ledger, clock = FakePortfolioStore(), Told(), Ledger(), FakeClock()
    books = Books(ledger, store, told, clock, UuidV7(clock))
    first, second, third = fills(3)
    again = replace(first, sequence=5)
    log = Log([first, second, again, again, replace(third, sequence=6)], 2, store, ())
    keeper = Bookkeeper(books, store, log, Everything(), clock, backoff=Backoff(0, 0))
    keeping = asyncio.create_task(keeper.run())
    await asyncio.wait_for(log.done.wait(), 20)
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    assert [change.payload for change in store.log] == [b"t1", b"t2", b"t3"]
    assert (keeper.booked, keeper.duplicates) == (3, 2)
    assert ledger.cursor(0) == store.state.cursors[0] == Cursor("e", 6)


async def test_an_account_whose_commit_is_in_doubt_is_there_after_all_or_not_at_all() -> None:
    """The caller is told that the store is away; opening it again gives a clear answer either way."""
    for loss, again in ((Loss.AFTER, "ALREADY_EXISTS"), (Loss.BEFORE, "")):
        store, ledger, clock = FakePortfolioStore(), Ledger(), FakeClock()
        books = Books(ledger, store, Told(), clock, UuidV7(clock))
        await books.settle()
        new = NewAccount("a", "", Environment.SIMULATION, "USD", ())
        store.next_loss = loss
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await books.open_account(new)
        if again:
            with pytest.raises(CodedError, match=again):
                await books.open_account(new)
        else:
            await books.open_account(new)
        assert ledger.account("a").portfolio_id == store.state.accounts["a"].portfolio_id


async def test_a_writer_that_is_canceled_leaves_memory_to_be_loaded() -> None:
    """Nobody knows how far it got: what the store has counts."""
    store, ledger, clock = FakePortfolioStore(), Ledger(), FakeClock()
    books = Books(ledger, store, Told(), clock, UuidV7(clock))
    await books.settle()
    reached = asyncio.Event()

    async def write() -> None:
        async with books.booking():
            account, own = books.prepare(NewAccount("a", "", Environment.SIMULATION, "USD", ()))
            await store.add_account(account, own)
            reached.set()
            await asyncio.Event().wait()

    writing = asyncio.create_task(write())
    await reached.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert "a" not in ledger.accounts
    await books.settle()
    assert "a" in ledger.accounts
