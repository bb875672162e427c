"""Which environment accounts are of: what they order reaches no connection of the other one."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from typing import Final, Protocol

import structlog

from services.broker.domain.capabilities import Environment
from services.broker.domain.messages import Command, NewOrder
from services.kernel.errors import CodedError, not_found

RETRY_SECONDS: Final = 0.5
_MOST_AT_ONCE: Final = 16

_log = structlog.stdlib.get_logger(__name__)


class Accounts(Protocol):
    """The accounts that there are."""

    async def on_record(self, account_id: str) -> int | None:
        """Returns the environment of an account, which is on record then; None when there is no such account.

        Raises:
            CodedError: STORE_UNAVAILABLE. Any other: it is not on record, and cannot be told now.
        """
        ...


class AccountEnvironments:
    """Remembers what it was told: an account never leaves its environment."""

    def __init__(self, accounts: Accounts, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._accounts, self._retry_seconds = accounts, retry_seconds
        self._known: dict[str, Environment] = {}
        self._asking = asyncio.Semaphore(_MOST_AT_ONCE)

    @property
    def known(self) -> Mapping[str, Environment]:
        """The environments of the accounts that were met."""
        return self._known

    def unmet(self, commands: Iterable[Command]) -> set[str]:
        """Returns the accounts of new orders that were not met before."""
        known = self._known
        return {each.account_id for each in commands if type(each) is NewOrder and each.account_id not in known}

    async def find(self, account_id: str) -> Environment | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE or STORE_UNAVAILABLE, when that cannot be told now.
        """
        if (known := self._known.get(account_id)) is not None:
            return known
        if (found := await self._accounts.on_record(account_id)) is None:
            return None
        environment = self._known[account_id] = Environment(found)
        return environment

    async def meet(self, account_ids: Collection[str]) -> frozenset[str]:
        """Finds out the environments of accounts, and returns those of which it cannot be told now.

        These are not on record, so that no order of theirs has ever been delivered: what they order now can be refused.
        Without the record that is not known, and the record is waited for.
        """
        told = await asyncio.gather(*(self._meet(account_id) for account_id in account_ids))
        return frozenset(account_id for account_id, is_told in zip(account_ids, told, strict=True) if not is_told)

    async def _meet(self, account_id: str) -> bool:
        while True:
            try:
                async with self._asking:
                    await self.find(account_id)
            except CodedError as error:
                waits = error.reason == "STORE_UNAVAILABLE"
                what = "orders wait for what their account is" if waits else "orders are refused: it is not told whose"
                _log.warning(what, account_id=account_id, error=str(error))
                if not waits:
                    return False
                await asyncio.sleep(self._retry_seconds)
            else:
                return True

    async def require(self, account_ids: Iterable[str], environment: Environment) -> None:
        """Sees to it that accounts are of an environment. Those of the other one are as unknown as what there is not.

        Raises:
            CodedError: UNKNOWN_ACCOUNT, SERVICE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        for account_id in account_ids:
            if await self.find(account_id) is not environment:
                text = f"there is no account {account_id} in the environment of the connection"
                raise not_found("UNKNOWN_ACCOUNT", text, account_id=account_id)
