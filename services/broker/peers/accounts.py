"""The environments of accounts, asked of PortfolioService."""

from __future__ import annotations

from typing import Final

from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_service_pb2_grpc
from services.broker.domain.capabilities import Environment
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Channel

SERVICE: Final = "ordermesh.portfolio.v1.PortfolioService"


class PortfolioAccounts:
    """Asks for one account at a time."""

    def __init__(self, channel: Channel, *, timeout_seconds: float = 2.0) -> None:
        self._stub = portfolio_service_pb2_grpc.PortfolioServiceStub(channel)
        self._timeout = timeout_seconds

    async def environment(self, account_id: str) -> Environment | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when PortfolioService does not answer.
        """
        request = account_admin_pb2.GetAccountRequest(account_id=account_id)
        try:
            answer = await self._stub.GetAccount(request, timeout=self._timeout)
        except CodedError as error:
            if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
                return None
            raise
        return Environment(answer.account.environment)
