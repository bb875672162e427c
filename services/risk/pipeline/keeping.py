"""Keeps the book, the breakers and the kill switches in the store, behind the order path."""

from __future__ import annotations

import asyncio

import structlog

from services.bus.backoff import Backoff
from services.kernel.errors import CodedError
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.ports import BookStore
from services.risk.pipeline.trading import Trading

_log = structlog.stdlib.get_logger(__name__)


class Keeper:
    """Saves what changed, all of it with the cursor on the log in one transaction.

    The book runs ahead of the store by a moment. That loses nothing: after a crash OrderService sends again what
    follows the cursor that was saved.
    """

    def __init__(
        self, book: Book, breakers: Breakers, trading: Trading, store: BookStore, interval_seconds: float
    ) -> None:
        self._book = book
        self._breakers = breakers
        self._trading = trading
        self._store = store
        self._interval = interval_seconds
        self._backoff = Backoff()

    async def run(self) -> None:
        """Saves, again and again; a store that is away is tried again."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                await self.save()
            except CodedError as error:
                _log.warning("positions and counters cannot be saved now", error=str(error))
                await self._backoff.wait()
            else:
                self._backoff.reset()

    async def save(self) -> None:
        """Saves what changed.

        Raises:
            CodedError: STORE_UNAVAILABLE; nothing is lost, the next time saves it.
        """
        await self._trading.save()
        await self._breakers.save()
        if (changes := self._book.take_changes()) is None:
            return
        try:
            await self._store.save(changes)
        except BaseException:
            self._book.put_back(changes)
            raise
