"""Books what venues have done to fills after they were made."""

from __future__ import annotations

import asyncio

import structlog

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind, not_found
from services.portfolio.domain import booking
from services.portfolio.domain.adjusting import adjusted, book_adjustment, rebuilt
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.pipeline.books import Books
from services.portfolio.pipeline.ports import Commit, Cursor, Instruments, Store

_log = structlog.stdlib.get_logger(__name__)


class Adjusting:
    """Books cancels and corrections of fills, one at a time: there are few."""

    def __init__(self, books: Books, store: Store, instruments: Instruments, clock: Clock, shard: int) -> None:
        self._books, self._store, self._instruments, self._clock = books, store, instruments, clock
        self._shard = shard

    async def book(self, epoch: str, fill: Fill) -> bool:
        """Books what became of a fill; returns whether it was not booked before.

        Raises:
            CodedError: It cannot be booked now.
        """
        if (terms := await self._instruments.find(fill.instrument)) is None:
            raise not_found("UNKNOWN_INSTRUMENT", f"there are fills in {fill.instrument}, which nobody knows")
        adjustment = fill.adjustment
        async with self._books.booking() as commit:
            before, after = self._books.ledger.cursor(self._shard), Cursor(epoch, fill.sequence)
            if fill.sequence <= before.sequence:
                return False
            if adjustment is not None and await self._store.is_adjusted(epoch, adjustment.execution_id):
                _log.error("an adjustment is in the order log twice; booked once", trade_id=fill.trade_id)
                booked = booking.Booked(self._clock.now())
            else:
                booked = await self._booked(epoch, fill, terms)
            await commit(Commit((), booked, before, after, self._shard))
        if booked.changes:
            _log.info("a fill was canceled or corrected", trade_id=fill.trade_id, account_id=fill.account_id)
        return bool(booked.changes)

    async def _booked(self, epoch: str, fill: Fill, terms: InstrumentTerms) -> booking.Booked:
        ledger = self._books.ledger
        found = adjusted(await self._store.fills_of(epoch, fill.account_id, fill.instrument), fill)
        if found is None:
            raise CodedError(
                ErrorKind.INTERNAL, "INTERNAL", f"the fill {fill.trade_id} was adjusted, and is not booked"
            )
        was, fills = found
        # The position may have any number of fills: others get their turn meanwhile.
        made = await asyncio.to_thread(rebuilt, fill.account_id, terms, fills)
        state = booking.Books(ledger.accounts, ledger.positions, {fill.instrument: terms}, ledger.sequence)
        return book_adjustment(state, fill, was, made, self._clock.now())
