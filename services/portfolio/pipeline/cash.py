"""Setting the virtual cash of simulation accounts, each change once."""

from __future__ import annotations

import asyncio
from typing import Protocol

from services.kernel.clock import Clock
from services.kernel.errors import unavailable
from services.portfolio.domain.account import Account
from services.portfolio.domain.cash import CashChange, CashChangeKind, check_simulation, not_flat, with_cash
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.ports import Store

PATIENCE_SECONDS = 3.0


class OpenOrders(Protocol):
    """What an account has open at OrderService."""

    async def any_of(self, account_id: str) -> tuple[bool, int]:
        """Tells whether an account has live orders, and the sequence of its log that this reflects.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        ...


class Cash:
    """Changes cash."""

    def __init__(
        self,
        books: Books,
        store: Store,
        orders: OpenOrders,
        clock: Clock,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self._books, self._store, self._orders, self._clock = books, store, orders, clock
        self._patience_seconds = patience_seconds

    async def change(self, wanted: CashChange) -> Account:
        """Makes a change, and returns the account as it is then; one that was made before is not made again.

        Raises:
            CodedError: UNKNOWN_ACCOUNT; NOT_A_SIMULATION; ACCOUNT_NOT_FLAT; DUPLICATE_REQUEST_ID; SERVICE_UNAVAILABLE;
                STORE_UNAVAILABLE.
        """
        await self._books.settle()
        check_simulation(self._ledger.account(wanted.account_id))
        if wanted.kind is CashChangeKind.RESET and not await self._made(wanted):
            await self._require_no_orders(wanted.account_id)
        async with self._books.cash() as put:
            account = self._ledger.account(wanted.account_id)
            if await self._made(wanted):
                return account
            if wanted.kind is CashChangeKind.RESET:
                self._require_no_positions(wanted.account_id)
            opened = await self._store.opened_with(wanted.account_id)
            after = with_cash(account, wanted.targets(account, opened), self._clock.now())
            await put(wanted, after)
            return after

    @property
    def _ledger(self) -> Ledger:
        return self._books.ledger

    async def _made(self, wanted: CashChange) -> bool:
        return wanted.repeats(await self._store.cash_change(wanted.account_id, wanted.request_id))

    async def _require_no_orders(self, account_id: str) -> None:
        """Refuses an account with live orders, and waits until the fills of those that have ended are booked."""
        live, as_of = await self._orders.any_of(account_id)
        if live:
            raise not_flat(account_id, "live orders: cancel them first")
        try:
            async with asyncio.timeout(self._patience_seconds):
                await self._ledger.reach(account_id, as_of)
        except TimeoutError:
            text = "the fills of the account are not all booked yet"
            raise unavailable("SERVICE_UNAVAILABLE", text, retry_after_seconds=1.0) from None

    def _require_no_positions(self, account_id: str) -> None:
        if names := sorted(name for name, each in self._ledger.positions_of(account_id).items() if each.is_open):
            raise not_flat(account_id, f"open positions: close them first, {', '.join(names[:3])} among them")
