"""The books in memory: what is read, while the store keeps the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from services.kernel.errors import not_found
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.booking import Booked
from services.portfolio.domain.position import Position
from services.portfolio.pipeline.ports import Cursor, State

_NONE: Mapping[str, Position] = {}


class Ledger:
    """Accounts, positions and portfolios of this shard. Written by `Books` alone."""

    def __init__(self) -> None:
        self._state = State()
        self._as_of = 0
        self._listeners: dict[str, set[Callable[[], None]]] = {}

    @property
    def cursor(self) -> Cursor:
        """How far the order log has been booked."""
        return self._state.cursor

    @property
    def sequence(self) -> int:
        """Last place in the log of positions."""
        return self._state.sequence

    @property
    def as_of(self) -> int:
        """Sequence of the order log that the books reflect: every fill up to it is booked."""
        return max(self._as_of, self._state.cursor.sequence)

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
            raise not_found("UNKNOWN_PORTFOLIO", f"no portfolio {portfolio_id}", portfolio_id=portfolio_id)
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

    def apply(self, booked: Booked, cursor: Cursor) -> None:
        """Takes over what was committed."""
        state = self._state
        state.accounts.update(booked.accounts)
        for (account_id, instrument), position in booked.positions.items():
            state.positions.setdefault(account_id, {})[instrument] = position
        state.sequence += len(booked.changes)
        state.cursor = cursor
        self._tell(booked.accounts)

    def reached(self, as_of: int) -> None:
        """Notes that there are no fills up to a sequence that are not booked."""
        self._as_of = max(self._as_of, as_of)

    def add_account(self, account: Account, own: Portfolio) -> None:
        """Takes over an account that was stored."""
        self._state.accounts[account.account_id] = account
        self._state.portfolios[own.portfolio_id] = own

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
