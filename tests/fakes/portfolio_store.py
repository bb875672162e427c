"""The store of PortfolioService in memory, which can be lost before or after a write takes effect."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from enum import Enum, auto

from services.kernel.errors import already_exists, unavailable
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.cash import CashChange
from services.portfolio.domain.fill import Fill
from services.portfolio.pipeline.ports import AlreadyBookedError, Commit, Cursor, LoggedChange, State


class Loss(Enum):
    """When the store is lost."""

    BEFORE = auto()
    AFTER = auto()


class FakePortfolioStore:
    """Keeps a state of its own, apart from the ledger's.

    Attributes:
        state: What is stored.
        log: The log of positions.
        next_loss: What happens to the next write.
    """

    def __init__(self) -> None:
        self.state = State()
        self.log: list[LoggedChange] = []
        self.booked: set[str] = set()
        self.fills: dict[str, Fill] = {}
        self.reports: set[str] = set()
        self.opened: dict[str, dict[str, Decimal]] = {}
        self.cash_changes: dict[tuple[str, str], CashChange] = {}
        self.next_loss: Loss | None = None

    async def load(self) -> State:
        return copy.deepcopy(self.state)

    async def commit(self, commit: Commit) -> list[LoggedChange]:
        loss = self._lose_before()
        assert commit.before == self.state.cursors.get(commit.shard, Cursor())
        if not commit.adjusts and self.booked & {change.fill.trade_id for change in commit.booked.changes}:
            raise AlreadyBookedError
        changes = [
            LoggedChange(c.sequence, c.fill.account_id, c.fill.instrument, c.fill.trade_id.encode())
            for c in commit.booked.changes
        ]
        for account, own in commit.opened:
            self.state.accounts[account.account_id] = account
            self.state.portfolios[own.portfolio_id] = own
        self.state.accounts |= commit.booked.accounts
        for (account_id, instrument), position in commit.booked.positions.items():
            self.state.positions.setdefault(account_id, {})[instrument] = position
        self.state.sequence += len(changes)
        self.state.cursors[commit.shard] = commit.after
        self.log += changes
        for change in commit.booked.changes:
            self._keep(change.fill)
        self._lose_after(loss)
        return changes

    def _keep(self, fill: Fill) -> None:
        if fill.adjustment is None:
            assert fill.trade_id not in self.booked
            self.booked.add(fill.trade_id)
            self.fills[fill.trade_id] = fill
            return
        assert fill.adjustment.execution_id not in self.reports
        self.reports.add(fill.adjustment.execution_id)
        if fill.adjustment.canceled:
            del self.fills[fill.trade_id]
        else:
            before = self.fills[fill.trade_id]
            self.fills[fill.trade_id] = replace(before, price=fill.price, quantity=fill.quantity, fee=fill.fee)

    async def is_adjusted(self, epoch: str, execution_id: str) -> bool:
        return execution_id in self.reports

    async def fills_of(self, epoch: str, account_id: str, instrument: str) -> list[Fill]:
        wanted = (account_id, instrument)
        return [fill for fill in self.fills.values() if (fill.account_id, fill.instrument) == wanted]

    async def booked_among(self, epoch: str, trade_ids: Collection[str]) -> set[str]:
        return self.booked & set(trade_ids)

    async def changes_after(self, sequence: int, limit: int) -> list[LoggedChange]:
        return [change for change in self.log if change.sequence > sequence][:limit]

    async def begin_anew(self, shard: int, epoch: str) -> None:
        loss = self._lose_before()
        self.state.positions.clear()
        self.state.cursors = {shard: Cursor(epoch, 0)}
        self.state.sequence = 0
        for account_id, account in self.state.accounts.items():
            self.state.accounts[account_id] = replace(
                account,
                change_count=0,
                balances={name: replace(each, amount=each.opening) for name, each in account.balances.items()},
            )
        for kept in (self.booked, self.fills, self.reports, self.log):
            kept.clear()
        self._lose_after(loss)

    async def add_account(self, account: Account, own: Portfolio) -> None:
        loss = self._lose_before()
        if account.account_id in self.state.accounts:
            raise already_exists("ALREADY_EXISTS", f"account {account.account_id} exists")
        self.state.accounts[account.account_id] = account
        self.state.portfolios[own.portfolio_id] = own
        self.opened[account.account_id] = {name: each.opening for name, each in account.balances.items()}
        self._lose_after(loss)

    async def opened_with(self, account_id: str) -> Mapping[str, Decimal]:
        return self.opened.get(account_id, {})

    async def cash_change(self, account_id: str, request_id: str) -> CashChange | None:
        return self.cash_changes.get((account_id, request_id))

    async def put_cash(self, change: CashChange, after: Account) -> None:
        loss = self._lose_before()
        key = (change.account_id, change.request_id)
        assert key not in self.cash_changes
        self.cash_changes[key] = change
        self.state.accounts[after.account_id] = after
        self._lose_after(loss)

    async def put_portfolio(self, portfolio: Portfolio) -> None:
        loss = self._lose_before()
        self.state.portfolios[portfolio.portfolio_id] = portfolio
        self._lose_after(loss)

    async def delete_portfolio(self, portfolio_id: str) -> None:
        loss = self._lose_before()
        del self.state.portfolios[portfolio_id]
        self._lose_after(loss)

    def _lose_before(self) -> Loss | None:
        loss, self.next_loss = self.next_loss, None
        if loss is Loss.BEFORE:
            raise unavailable("STORE_UNAVAILABLE", "lost before the write")
        return loss

    def _lose_after(self, loss: Loss | None) -> None:
        if loss is Loss.AFTER:
            raise unavailable("STORE_UNAVAILABLE", "lost after the write")
