"""Reading and setting parameters."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, aborted, not_found, unavailable
from services.risk.domain.limits import FIRM, Parameters, is_firm
from services.risk.pipeline.book import Book
from services.risk.pipeline.ports import ParameterStore, Standing


class ParameterKeeper:
    """Sets parameters one change at a time: stored first, then they hold.

    When the store is lost in the middle of a change, or the caller is, nobody knows whether it took effect. What is
    stored is then loaded anew before the next change, which would be one of a version that is no longer the newest.
    """

    def __init__(
        self,
        book: Book,
        store: ParameterStore,
        clock: Clock,
        find_account: Callable[[str], Awaitable[Standing]],
    ) -> None:
        self._book = book
        self._store = store
        self._clock = clock
        self._find_account = find_account
        self._changing = asyncio.Lock()
        self._in_doubt = False

    async def load(self, first: Parameters) -> None:
        """Loads all parameters; at the first start those given become the firm's."""
        stored = dict(await self._store.load_parameters())
        if FIRM not in stored:
            stored[FIRM] = replace(first, account_id=FIRM, version=1, updated_at=self._clock.now())
            await self._store.save_parameters(stored[FIRM])
        self._book.limits.set(stored)

    async def check_account(self, account_id: str) -> None:
        """Sees to it that there is such an account.

        Raises:
            CodedError: UNKNOWN_ACCOUNT, or SERVICE_UNAVAILABLE when that cannot be found out.
        """
        standing = await self._find_account(account_id)
        if standing == Standing.UNKNOWN:
            raise not_found("UNKNOWN_ACCOUNT", f"there is no account {account_id}", account_id=account_id)
        if standing == Standing.UNREACHABLE:
            raise unavailable("SERVICE_UNAVAILABLE", "whether the account exists cannot be found out now")

    async def update(self, wanted: Parameters) -> Parameters:
        """Sets parameters; their version is the one that the caller changed.

        Raises:
            CodedError: UNKNOWN_ACCOUNT, VERSION_MISMATCH, SERVICE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        if not is_firm(wanted.account_id):
            await self.check_account(wanted.account_id)
        async with self._changing:
            if self._in_doubt:
                self._book.limits.set(await self._store.load_parameters())
                self._in_doubt = False
            before = self._book.limits.parameters(wanted.account_id)
            if (error := before.check_version(wanted.version)) is not None:
                raise error
            after = replace(wanted, version=before.version + 1, updated_at=self._clock.now())
            self._in_doubt = True
            if not await self._store.save_parameters(after):
                raise _changed_elsewhere()
            self._book.limits.set({after.account_id: after})
            self._in_doubt = False
        return after


def _changed_elsewhere() -> CodedError:
    return aborted("VERSION_MISMATCH", "the parameters were changed by another process")
