"""Environments of accounts: told by PortfolioService once, and on record here ever after.

Whose an order is must be known without any other service: who has an open order can cancel it, whatever else is away.
An account has its environment on record before its first order is placed, since every call looks at the caller first.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from services.kernel.errors import CodedError
from services.mesh.context import detached


class Source(Protocol):
    """Knows every account."""

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


class KeptEnvironments:
    """Asks memory, then the record, then the source; keeps what the source says. Who asks together asks once."""

    def __init__(self, record: EnvironmentRecord, source: Source) -> None:
        self._record, self._source = record, source
        self._known: dict[str, int] = {}
        self._asking: dict[str, asyncio.Task[int | None]] = {}

    async def of(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when neither record nor source can tell now.
        """
        if (known := self._known.get(account_id)) is not None:
            return known
        if (asking := self._asking.get(account_id)) is None:
            # The others wait for it as well when the call that came first is broken off.
            asking = self._asking[account_id] = detached(self._find(account_id), name="environment of an account")
            asking.add_done_callback(lambda _: self._asking.pop(account_id))
        return await asyncio.shield(asking)

    async def _find(self, account_id: str) -> int | None:
        try:
            if (found := await self._record.get(account_id)) is None:
                if (found := await self._source.of(account_id)) is None:
                    return None
                await self._record.keep(account_id, found)
        except CodedError as error:
            if error.reason != "STORE_UNAVAILABLE":
                raise
            # Remembered only once it is on record, so that the next call tries again. Nothing is placed meanwhile.
            return await self._source.of(account_id)
        self._known[account_id] = found
        return found
