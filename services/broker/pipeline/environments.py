"""Which environment accounts are of: what they order reaches no connection of the other one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol

import structlog

from services.broker.domain.capabilities import Environment
from services.broker.domain.messages import Command, NewOrder
from services.kernel.errors import CodedError, not_found

RETRY_SECONDS = 0.5

_log = structlog.stdlib.get_logger(__name__)


class Accounts(Protocol):
    """The accounts that there are."""

    async def environment(self, account_id: str) -> Environment | None:
        """Returns the environment of an account; None when there is no such account.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when that cannot be told now.
        """
        ...


class AccountEnvironments:
    """Remembers what it was told: an account never leaves its environment."""

    def __init__(self, accounts: Accounts, *, retry_seconds: float = RETRY_SECONDS) -> None:
        self._accounts, self._retry_seconds = accounts, retry_seconds
        self._known: dict[str, Environment] = {}

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
            CodedError: SERVICE_UNAVAILABLE, when that cannot be told now.
        """
        if (known := self._known.get(account_id)) is not None:
            return known
        if (found := await self._accounts.environment(account_id)) is not None:
            self._known[account_id] = found
        return found

    async def meet(self, account_ids: Iterable[str]) -> None:
        """Finds out the environments of accounts, however long it takes.

        An order that comes again may be at its venue already: it must not be refused because nobody answers, nor may
        anything overtake it.
        """
        for account_id in sorted(account_ids):
            while True:
                try:
                    await self.find(account_id)
                except CodedError as error:
                    _log.warning("orders wait for what their account is", account_id=account_id, error=str(error))
                    await asyncio.sleep(self._retry_seconds)
                else:
                    break

    async def require(self, account_ids: Iterable[str], environment: Environment) -> None:
        """Sees to it that accounts are of an environment. Those of the other one are as unknown as what there is not.

        Raises:
            CodedError: UNKNOWN_ACCOUNT or SERVICE_UNAVAILABLE.
        """
        for account_id in account_ids:
            if await self.find(account_id) is not environment:
                text = f"there is no account {account_id} in the environment of the connection"
                raise not_found("UNKNOWN_ACCOUNT", text, account_id=account_id)
