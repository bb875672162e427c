"""Whose accounts and portfolios a caller reaches. What somebody does not reach is as unknown as what there is not."""

from __future__ import annotations

from typing import Any

from services.kernel.errors import permission
from services.mesh.access.accounts import AccountAccess, lives_in
from services.mesh.interceptors.accounts import AccountInterceptor, of_no_account
from services.portfolio.pipeline.ledger import Ledger, unknown_portfolio


class KnownEnvironments:
    """The environments of accounts, as the books have them."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account."""
        account = self._ledger.accounts.get(account_id)
        return None if account is None else account.environment.value


def account_interceptor(accounts: AccountAccess, ledger: Ledger) -> AccountInterceptor:
    """Returns what stands around the methods of PortfolioService. Lists leave out what a caller does not reach."""
    of = _Checks(accounts, ledger)
    by_id = dict.fromkeys(
        ("UpdatePortfolio", "DeletePortfolio", "AddPortfolioPosition", "RemovePortfolioPosition"), of.portfolio
    )
    either = dict.fromkeys(("GetPortfolio", "ListPortfolioPositions", "StreamPortfolio"), of.portfolio_or_account)
    others = {"CreateAccount": of.new_account, "ListAccounts": of_no_account, "ListPortfolios": of.account_if_any}
    return AccountInterceptor(accounts, {**by_id, **either, **others})


class _Checks:
    """What looks at requests that do not say at their top whose they are."""

    def __init__(self, accounts: AccountAccess, ledger: Ledger) -> None:
        self._accounts, self._ledger = accounts, ledger

    async def new_account(self, request: Any) -> None:
        if not lives_in(request.environment):
            raise permission("PERMISSION_DENIED", "accounts are opened in the caller's own environment")

    async def portfolio(self, request: Any) -> None:
        portfolio = self._ledger.portfolio(request.portfolio_id)
        if not await self._accounts.reaches(portfolio.account_id):
            raise unknown_portfolio(request.portfolio_id)

    async def portfolio_or_account(self, request: Any) -> None:
        # A request that names both, or neither, is refused by its handler.
        if request.portfolio_id:
            await self.portfolio(request)
        if request.account_id:
            await self._accounts.require(request.account_id)

    async def account_if_any(self, request: Any) -> None:
        if request.account_id:
            await self._accounts.require(request.account_id)
