"""The one way to change the books: one change at a time, the store first, then memory, then those who listen."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind
from services.kernel.identifiers import Identifiers
from services.portfolio.domain.account import Account, NewAccount, Portfolio
from services.portfolio.domain.cash import CashChange
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Announcer, Commit, LoggedChange, Store

_MOST_PER_READ = 1_000


class Books:
    """Writes to the store and to the ledger.

    When the store is lost in the middle of a write, or the writer is, nobody knows whether it took effect. Memory is
    then in doubt, and loaded anew before anything else is written.
    """

    def __init__(
        self, ledger: Ledger, store: Store, announcer: Announcer, clock: Clock, identifiers: Identifiers
    ) -> None:
        self.ledger = ledger
        self._store, self._announcer = store, announcer
        self._clock, self._identifiers = clock, identifiers
        self._lock = asyncio.Lock()
        self._in_doubt = True
        self._announced: int | None = None

    async def settle(self) -> None:
        """Loads what is in doubt; does nothing when nothing is.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        if self._in_doubt:
            async with self._writing():
                pass

    @asynccontextmanager
    async def booking(self) -> AsyncIterator[Callable[[Commit], Awaitable[None]]]:
        """Lets the caller look at the books and commit bookings, while nobody else changes them.

        Raises:
            CodedError: STORE_UNAVAILABLE, whether a commit took effect or not.
        """
        async with self._writing():
            yield self._commit

    async def _commit(self, commit: Commit) -> None:
        changes = await self._store.commit(commit)
        for account, own in commit.opened:
            self.ledger.add_account(account, own)
        self.ledger.apply(commit.booked, commit.after, commit.shard)
        self._announced = self.ledger.sequence
        self._announcer.announce(changes)

    async def begin_anew(self, shard: int, epoch: str) -> None:
        """Empties the books for another order log of a shard; what is written after it is by the emptied ones."""
        async with self._writing():
            await self._store.begin_anew(shard, epoch)
            self._in_doubt = True

    async def open_account(self, new: NewAccount) -> Account:
        """Opens an account.

        Raises:
            CodedError: ALREADY_EXISTS; INVALID_FIELD; STORE_UNAVAILABLE.
        """
        new.check()
        account, own = self.prepare(new)
        async with self._writing():
            await self._store.add_account(account, own)
            self.ledger.add_account(account, own)
        return account

    def prepare(self, new: NewAccount) -> tuple[Account, Portfolio]:
        """Returns what an account to open would be."""
        return new.open(self._identifiers.new_id(), self._clock.now())

    @asynccontextmanager
    async def portfolios(self) -> AsyncIterator[PortfolioWriter]:
        """Lets the caller look at the portfolios and change them, while nobody else does."""
        async with self._writing():
            yield PortfolioWriter(self.ledger, self._store)

    @asynccontextmanager
    async def cash(self) -> AsyncIterator[Callable[[CashChange, Account], Awaitable[None]]]:
        """Lets the caller look at the books and set the cash of an account, while nobody else changes them.

        Raises:
            CodedError: STORE_UNAVAILABLE, whether the change took effect or not.
        """
        async with self._writing():
            yield self._put_cash

    async def _put_cash(self, change: CashChange, after: Account) -> None:
        await self._store.put_cash(change, after)
        self.ledger.put_account(after)

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[None]:
        async with self._lock:
            try:
                if self._in_doubt:
                    await self._load()
                yield
            except CodedError as error:
                self._in_doubt = self._in_doubt or error.kind is ErrorKind.UNAVAILABLE
                raise
            except BaseException:
                self._in_doubt = True
                raise

    async def _load(self) -> None:
        state = await self._store.load()
        missed = await self._missed(state.sequence)
        self.ledger.replace(state)
        self._announced = state.sequence
        self._in_doubt = False
        if missed:
            self._announcer.announce(missed)

    async def _missed(self, last: int) -> list[LoggedChange]:
        missed: list[LoggedChange] = []
        after = last if self._announced is None else self._announced
        while after < last:
            missed += await self._store.changes_after(after, _MOST_PER_READ)
            after = missed[-1].sequence
        return missed


class PortfolioWriter:
    """Stores portfolios; lives within one write."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self.ledger, self._store = ledger, store

    async def put(self, portfolio: Portfolio) -> Portfolio:
        """Stores a portfolio, new or changed, and returns it."""
        await self._store.put_portfolio(portfolio)
        self.ledger.put_portfolio(portfolio)
        return portfolio

    async def delete(self, portfolio: Portfolio) -> Portfolio:
        """Deletes a portfolio, and returns what it was."""
        await self._store.delete_portfolio(portfolio.portfolio_id)
        self.ledger.delete_portfolio(portfolio)
        return portfolio
