"""PortfolioService, played as far as it tells which accounts there are."""

from __future__ import annotations

from typing import Any

import grpc

from ordermesh.portfolio.v1 import account_admin_pb2, account_pb2, portfolio_service_pb2_grpc
from ordermesh.type.v1 import trading_pb2


class FakePortfolio(portfolio_service_pb2_grpc.PortfolioServiceServicer):
    """Tells the accounts it was given, all of the simulation.

    Attributes:
        asked: Accounts that were asked for.
    """

    def __init__(self, *accounts: str, every: bool = False) -> None:
        """Makes it; with `every` whatever account it is asked for is there."""
        self.accounts, self._every = set(accounts), every
        self.asked: list[str] = []

    async def GetAccount(self, request: Any, context: Any) -> Any:
        self.asked.append(request.account_id)
        if not self._every and request.account_id not in self.accounts:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such account")
        account = account_pb2.Account(account_id=request.account_id, environment=trading_pb2.ENVIRONMENT_SIMULATION)
        return account_admin_pb2.GetAccountResponse(account=account)
