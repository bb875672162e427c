"""Environments of accounts: told by PortfolioService once, and on record with who must know them ever after.

Whose an order is, and where it may go, must be known without any other service: who has an open order can cancel it,
whatever else is away.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from ordermesh.portfolio.v1 import account_admin_pb2, portfolio_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Channel
from services.mesh.context import detached

PORTFOLIO: Final = "ordermesh.portfolio.v1.PortfolioService"


class Environments(Protocol):
    """Which world an account belongs to, by the contract's numbers. It never changes."""

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when that cannot be told now.
        """
        ...


class EnvironmentRecord(Protocol):
    """What is on record. Each method raises STORE_UNAVAILABLE."""

    async def get(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when it is not on record."""
        ...

    async def keep(self, account_id: str, environment: int) -> None:
        """Puts it on record."""
        ...


class PortfolioEnvironments:
    """Asks PortfolioService, once for each account."""

    def __init__(self, channel: Channel, timeout_seconds: float | None = None) -> None:
        """Makes what asks.

        Args:
            channel: Leads to PortfolioService.
            timeout_seconds: How long an answer is waited for, also while PortfolioService starts. None: as long as the
                channel does, and not for a start.
        """
        self._stub = portfolio_service_pb2_grpc.PortfolioServiceStub(channel)
        self._timeout = timeout_seconds
        self._known: dict[str, int] = {}

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when PortfolioService does not answer.
        """
        if (known := self._known.get(account_id)) is not None:
            return known
        request = account_admin_pb2.GetAccountRequest(account_id=account_id)
        try:
            if self._timeout is None:
                answer = await self._stub.GetAccount(request)
            else:
                answer = await self._stub.GetAccount(request, timeout=self._timeout, wait_for_ready=True)
        except CodedError as error:
            if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
                return None
            raise
        environment = self._known[account_id] = answer.account.environment
        return environment


class KeptEnvironments:
    """Asks memory, then the record, then the source; keeps what the source says. Who asks together asks once."""

    def __init__(self, record: EnvironmentRecord, source: Environments) -> None:
        self._record, self._source = record, source
        self._known: dict[str, int] = {}
        self._asking: dict[str, asyncio.Task[int | None]] = {}

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account.

        Without the record the source alone is asked; what it says is remembered only once it is on record.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when neither record nor source can tell now.
        """
        try:
            return await self.on_record(account_id)
        except CodedError as error:
            if error.reason != "STORE_UNAVAILABLE":
                raise
            return await self._source.of(account_id)

    async def on_record(self, account_id: str) -> int | None:
        """Returns the environment of an account, which is on record then; None when there is no such account.

        Raises:
            CodedError: STORE_UNAVAILABLE. Any other: it is not on record, and the source does not tell it now.
        """
        if (known := self._known.get(account_id)) is not None:
            return known
        if (asking := self._asking.get(account_id)) is None:
            # The others wait for it as well when the call that came first is broken off.
            asking = self._asking[account_id] = detached(self._find(account_id), name="environment of an account")
            asking.add_done_callback(lambda _: self._asking.pop(account_id))
        return await asyncio.shield(asking)

    async def _find(self, account_id: str) -> int | None:
        if (found := await self._record.get(account_id)) is None:
            if (found := await self._source.of(account_id)) is None:
                return None
            await self._record.keep(account_id, found)
        self._known[account_id] = found
        return found
