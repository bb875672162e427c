"""The books in memory: what is read, while the store keeps the truth."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from services.kernel.errors import CodedError, not_found
from services.kernel.shards import shard_of
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.booking import Booked
from services.portfolio.domain.position import Position
from services.portfolio.pipeline.ports import Cursor, State

_NONE: Mapping[str, Position] = {}
_BEGINNING = Cursor()


class Ledger:
    """Accounts, positions and portfolios. Written by `Books` alone.

    Args:
        shard_count: Number of order logs that accounts are split over.
    """

    def __init__(self, shard_count: int = 1) -> None:
        self._state = State()
        self._shard_count = shard_count
        self._as_of = [0] * shard_count
        self._waiting: list[asyncio.Future[None]] = []
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    @property
    def sequence(self) -> int:
        """Last place in the log of positions."""
        return self._state.sequence

    @property
    def accounts(self) -> Mapping[str, Account]:
        """Accounts by id."""
        return self._state.accounts

    @property
    def portfolios(self) -> Mapping[str, Portfolio]:
        """Portfolios by id."""
        return self._state.portfolios

    @property
    def positions(self) -> Mapping[str, Mapping[str, Position]]:
        """Positions by account, by instrument."""
        return self._state.positions

    def cursor(self, shard: int = 0) -> Cursor:
        """Returns how far the order log of a shard has been booked."""
        return self._state.cursors.get(shard, _BEGINNING)

    def as_of(self, account_id: str = "") -> int:
        """Returns the sequence of an account's order log that the books reflect: every fill up to it is booked.

        Without an account: of the only log; 0 where there are several, of which no one sequence could tell.
        """
        if not account_id and self._shard_count > 1:
            return 0
        return self.as_of_shard(shard_of(account_id, self._shard_count))

    def as_of_shard(self, shard: int) -> int:
        """Returns the sequence of a shard's log that the books reflect."""
        return max(self._as_of[shard], self.cursor(shard).sequence)

    def account(self, account_id: str) -> Account:
        """Returns an account.

        Raises:
            CodedError: UNKNOWN_ACCOUNT.
        """
        if (account := self._state.accounts.get(account_id)) is None:
            raise not_found("UNKNOWN_ACCOUNT", f"no account {account_id}", account_id=account_id)
        return account

    def portfolio(self, portfolio_id: str) -> Portfolio:
        """Returns a portfolio.

        Raises:
            CodedError: UNKNOWN_PORTFOLIO.
        """
        if (portfolio := self._state.portfolios.get(portfolio_id.lower())) is None:
            raise unknown_portfolio(portfolio_id)
        return portfolio

    def positions_of(self, account_id: str) -> Mapping[str, Position]:
        """Returns an account's positions by instrument, closed ones included."""
        return self._state.positions.get(account_id, _NONE)

    def portfolios_of(self, account_id: str) -> list[Portfolio]:
        """Returns an account's portfolios."""
        return [each for each in self._state.portfolios.values() if each.account_id == account_id]

    def listen(self, account_id: str, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener whenever something of an account changes; returns what ends the listening."""
        listeners = self._listeners.setdefault(account_id, set())
        listeners.add(listener)

        def stop() -> None:
            listeners.discard(listener)
            if not listeners and self._listeners.get(account_id) is listeners:
                del self._listeners[account_id]

        return stop

    def replace(self, state: State) -> None:
        """Makes what the store has the state."""
        self._state = state
        self._tell(self._listeners)

    def apply(self, booked: Booked, cursor: Cursor, shard: int = 0) -> None:
        """Takes over what was committed."""
        state = self._state
        state.accounts.update(booked.accounts)
        for (account_id, instrument), position in booked.positions.items():
            state.positions.setdefault(account_id, {})[instrument] = position
        state.sequence += len(booked.changes)
        state.cursors[shard] = cursor
        self._tell(booked.accounts)
        self._wake()

    def reached(self, as_of: int, shard: int = 0) -> None:
        """Notes that there are no fills up to a sequence of a shard's log that are not booked."""
        self._as_of[shard] = max(self._as_of[shard], as_of)
        self._wake()

    async def reach(self, account_id: str, as_of: int) -> None:
        """Waits until the books reflect an account's order log up to a sequence."""
        while self.as_of(account_id) < as_of:
            waiter = asyncio.get_running_loop().create_future()
            self._waiting.append(waiter)
            await waiter

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def add_account(self, account: Account, own: Portfolio) -> None:
        """Takes over an account that was stored."""
        self._state.accounts[account.account_id] = account
        self._state.portfolios[own.portfolio_id] = own

    def put_account(self, account: Account) -> None:
        """Takes over an account whose cash was set."""
        self._state.accounts[account.account_id] = account
        self._tell((account.account_id,))

    def put_portfolio(self, portfolio: Portfolio) -> None:
        """Takes over a portfolio that was stored."""
        self._state.portfolios[portfolio.portfolio_id] = portfolio
        self._tell((portfolio.account_id,))

    def delete_portfolio(self, portfolio: Portfolio) -> None:
        """Takes over that a portfolio was deleted."""
        del self._state.portfolios[portfolio.portfolio_id]
        self._tell((portfolio.account_id,))

    def _tell(self, account_ids: Iterable[str]) -> None:
        for account_id in list(account_ids):
            for listener in list(self._listeners.get(account_id, ())):
                listener()


def unknown_portfolio(portfolio_id: str) -> CodedError:
    """Returns the error for a portfolio that there is not."""
    return not_found("UNKNOWN_PORTFOLIO", f"no portfolio {portfolio_id}", portfolio_id=portfolio_id)
