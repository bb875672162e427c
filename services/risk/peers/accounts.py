"""Which accounts there are, asked of PortfolioService and remembered: an account never goes away."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Channel
from services.risk.pipeline.ports import Standing

SERVICE: Final = "ordermesh.portfolio.v1.PortfolioService"
SILENT_SECONDS: Final = 0.5


class PortfolioAccounts:
    """Remembers accounts that are there. One that is not is asked for again each time: it may be opened meanwhile."""

    def __init__(self, channel: Channel, timeout_seconds: float, learn: Callable[[str, int], None]) -> None:
        """Makes what asks.

        Args:
            channel: Leads to PortfolioService.
            timeout_seconds: How long an answer is waited for.
            learn: Is told the environment of each account that is found.
        """
        self._stub = portfolio_service_pb2_grpc.PortfolioServiceStub(channel)
        self._timeout, self._learn = timeout_seconds, learn
        self._known: set[str] = set()
        self._silent_until = 0.0

    def known(self, account_id: str) -> bool:
        """Tells whether an account is known to be there."""
        return account_id in self._known

    def remember(self, account_ids: Iterable[str]) -> None:
        """Takes accounts for there that were before, so that a restart does not ask for each of them again."""
        self._known.update(account_ids)

    async def find(self, account_id: str) -> Standing:
        """Asks for an account that is not known.

        After a question without an answer nobody is asked for a moment, lest every batch of orders wait in vain.
        """
        if account_id in self._known:
            return Standing.KNOWN
        if asyncio.get_running_loop().time() < self._silent_until:
            return Standing.UNREACHABLE
        request = account_admin_pb2.GetAccountRequest(account_id=account_id)
        try:
            answer = await self._stub.GetAccount(request, timeout=self._timeout, wait_for_ready=True)
        except CodedError as error:
            if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
                return Standing.UNKNOWN
            self._silent_until = asyncio.get_running_loop().time() + SILENT_SECONDS
            return Standing.UNREACHABLE
        self._known.add(account_id)
        self._learn(account_id, answer.account.environment)
        return Standing.KNOWN
