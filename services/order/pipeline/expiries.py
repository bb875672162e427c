"""The end of the time of orders that are held here: no venue keeps it for them."""

from __future__ import annotations

from typing import Final

from services.kernel.clock import Clock
from services.kernel.drain import Wakeup
from services.order.domain.conditions import expires_at_ns
from services.order.domain.order import Order
from services.order.pipeline.agenda import Agenda
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.trigger_work import ExpireOrders
from services.order.pipeline.writer import Writer

_LONGEST_SLEEP_SECONDS: Final = 1.0
"""The clock is looked at as often: it may be set, and a sleep does not notice."""
_PER_WORK: Final = 500


class Expiries:
    """Ends held orders at their expiry; a listener of the writer. When that is stands in their terms, so in the log."""

    def __init__(self, book: Book, writer: Writer, clock: Clock) -> None:
        self._book, self._writer, self._clock = book, writer, clock
        self._agenda = Agenda()
        self._wakeup = Wakeup()

    def __len__(self) -> int:
        return len(self._agenda)

    def start(self) -> None:
        """Takes in the orders that were loaded; those that are due are ended before anything else is done to them."""
        for order in self._book.live.values():
            if order.held:
                self._look(order)
        self.expire()

    def committed(self, draft: Draft) -> None:
        """Takes note of orders that are held, and of those that are no more."""
        for entry in draft.instructed:
            self._look(draft.orders[entry.order.terms.order_id])

    async def run(self) -> None:
        """Ends what is due, for ever."""
        while True:
            self.expire()
            await self._wakeup.wait(self._seconds())

    def expire(self) -> None:
        """Ends what is due now."""
        now_ns = self._clock.now_ns()
        due = self._agenda.take(now_ns)
        for first in range(0, len(due), _PER_WORK):
            self._writer.put(ExpireOrders(due[first : first + _PER_WORK], now_ns))

    def _look(self, order: Order) -> None:
        order_id = order.terms.order_id
        until = expires_at_ns(order) if order.held else None
        if until is None:
            self._agenda.drop(order_id)
        elif self._agenda.due_ns(order_id) != until:
            self._agenda.put(order_id, until)
            self._wakeup.call()

    def _seconds(self) -> float | None:
        next_ns = self._agenda.next_ns
        if next_ns is None:
            return None
        return min(max(next_ns - self._clock.now_ns(), 0) / 1e9, _LONGEST_SLEEP_SECONDS)
