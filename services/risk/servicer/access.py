"""Whose limits, states and alerts a caller reaches."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from services.kernel.errors import unavailable
from services.mesh.access.accounts import AccountAccess, require_everybodys
from services.mesh.interceptors.accounts import AccountInterceptor
from services.risk.domain.limits import FIRM
from services.risk.pipeline.ports import Standing


class KnownEnvironments:
    """The environments of accounts, as the book has them: a stop does not wait for PortfolioService."""

    def __init__(self, known: Mapping[str, int], find: Callable[[str], Awaitable[Standing]]) -> None:
        """Makes them.

        Args:
            known: Environments by account.
            find: Asks for an account that is not known, and makes it known.
        """
        self._known, self._find = known, find

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when PortfolioService does not answer.
        """
        if account_id not in self._known and await self._find(account_id) is Standing.UNREACHABLE:
            raise unavailable("SERVICE_UNAVAILABLE", "whose account it is cannot be found out now")
        return self._known.get(account_id)


def account_interceptor(accounts: AccountAccess) -> AccountInterceptor:
    """Returns what stands around the methods of RiskService.

    What holds for the firm is told to everybody who may ask, and changed by who acts for everybody. Alerts of all
    accounts at once are told to nobody: they are of both environments.
    """
    of = _Checks(accounts)
    return AccountInterceptor(
        accounts,
        {
            "GetRiskParameters": of.account_or_told_firm,
            "GetTradingState": of.account_or_told_firm,
            "UpdateRiskParameters": of.parameters,
            "EmergencyStop": of.account_or_firm,
            "Resume": of.account_or_firm,
        },
    )


class _Checks:
    """What looks at requests that may be of the firm."""

    def __init__(self, accounts: AccountAccess) -> None:
        self._accounts = accounts

    async def account_or_told_firm(self, request: Any) -> None:
        if request.account_id != FIRM:
            await self._accounts.require(request.account_id)

    async def account_or_firm(self, request: Any) -> None:
        await self._changed(request.account_id)

    async def parameters(self, request: Any) -> None:
        await self._changed(request.parameters.account_id)

    async def _changed(self, account_id: str) -> None:
        if account_id == FIRM:
            require_everybodys()
        else:
            await self._accounts.require(account_id)
