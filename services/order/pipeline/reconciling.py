"""Compares what a venue holds with the book whenever a connection comes up, and tells what differs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from services.kernel.drain import Wakeup
from services.kernel.errors import CodedError
from services.order.domain.order import Order
from services.order.domain.venue import ADJUSTING, VenueReport, VenueReportType
from services.order.pipeline import findings
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.ports import Store
from services.order.pipeline.reconciliations import Findings

_MOST_TOLD: Final = 100
"""Orders that are named in the log each time, of a kind; all are counted."""
_FIRST_PAUSE_SECONDS: Final = 0.5
_MOST_PAUSE_SECONDS: Final = 30.0

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class VenueOrders:
    """Orders open at a venue.

    Attributes:
        orders: The venue's id and ours of each; ours is empty for an order that is not ours.
        as_of: Sequence of reports that they reflect.
    """

    orders: Sequence[tuple[str, str]]
    as_of: int

    def order_ids(self) -> frozenset[str]:
        """Returns our ids of them."""
        return frozenset(order_id for _, order_id in self.orders if order_id)


class Reconciling:
    """Finds what differs. It is logged, counted and recorded; reports and resent commands are what mends it."""

    def __init__(self, book: Book, store: Store, metrics: Metrics, records: Findings) -> None:
        self._book, self._store, self.metrics, self._records = book, store, metrics, records
        self._waiters: list[Wakeup] = []

    def committed(self, draft: Draft) -> None:
        """Lets those look again who wait for a cursor."""
        if draft.cursors:
            for waiter in self._waiters:
                waiter.call()

    async def compare(
        self, connection_id: str, up_to: int, ask: Callable[[str], Awaitable[VenueOrders]]
    ) -> frozenset[str]:
        """Waits until the reports of the time away are consumed, then compares; returns our ids that the venue holds.

        A venue that cannot be asked is asked again, until somebody ends this: what is sent to it may depend on it.
        """
        before = self._book.cursors.get(connection_id, ("", 0))[1]
        await self._consumed(connection_id, up_to)
        self.metrics.found("reports_while_away", max(0, up_to - before))
        if up_to > before:
            self._records.add(findings.reports_while_away(connection_id, before + 1, up_to))
        pause = 0.0
        while (known := await self._attempt(connection_id, ask, first=not pause)) is None:
            pause = min(2 * pause, _MOST_PAUSE_SECONDS) or _FIRST_PAUSE_SECONDS
            await asyncio.sleep(pause)
        return known

    async def _attempt(
        self, connection_id: str, ask: Callable[[str], Awaitable[VenueOrders]], *, first: bool
    ) -> frozenset[str] | None:
        """Compares, and returns our ids that the venue holds; None when it cannot be asked, which is recorded once."""
        candidates = [order for order in self._book.live.values() if _held_by(order, connection_id)]
        try:
            told = await ask(connection_id)
            await self._consumed(connection_id, told.as_of)
            differs = await self._find_unknown(connection_id, told)
        except CodedError as error:
            _log.warning("reconciliation is put off", connection=connection_id, error=str(error))
            if first:
                self._records.add(findings.put_off(connection_id, error))
            return None
        if not self._find_missing(connection_id, candidates, told) and not differs:
            self._records.add(findings.agreed(connection_id, len(told.orders)))
        return told.order_ids()

    def lost(self, connection_id: str, order_ids: Sequence[str]) -> None:
        """Takes note of orders that ended because their venue has lost them."""
        self.metrics.found("lost_by_venue", len(order_ids))
        if order_ids:
            self._records.add(findings.lost_by_venue(connection_id, order_ids))
        for order_id in order_ids[:_MOST_TOLD]:
            _log.error("the venue has lost the order; it is canceled", connection=connection_id, order_id=order_id)

    def passed_over(self, connection_id: str, order_ids: Sequence[str]) -> None:
        """Takes note of orders that ended because their venue has taken later commands and never theirs."""
        if not order_ids:
            return
        self.metrics.found("passed_over_by_venue", len(order_ids))
        self._records.add(findings.passed_over(connection_id, order_ids))
        for order_id in order_ids[:_MOST_TOLD]:
            _log.error(
                "the venue has passed the order over; it is canceled", connection=connection_id, order_id=order_id
            )

    def resent(self, connection_id: str, order_ids: Sequence[str]) -> None:
        """Takes note of commands sent again, by the order of each."""
        self.metrics.found("commands_resent", len(order_ids))
        self._records.add(findings.resent(connection_id, order_ids))
        _log.info("commands sent again", connection=connection_id, count=len(order_ids))

    async def investigate(self, reports: Sequence[VenueReport]) -> None:
        """Tells late reports of orders that have ended from reports of orders that nobody knows."""
        for report in reports:
            try:
                order = await self._store.order(report.order_id) if report.order_id else None
            except CodedError as error:
                _log.warning("a report cannot be looked into", order_id=report.order_id, error=str(error))
                self._records.add(findings.not_looked_into(report, error))
                continue
            if order is None:
                self.metrics.ignored("unknown_order")
                self._records.add(findings.report_of_unknown_order(report))
                _log.error(
                    "the venue reports an order that is not ours", order_id=report.order_id, type=report.type.name
                )
            elif report.type is VenueReportType.TRADE:
                self.metrics.ignored("fill_after_end")
                self._records.add(findings.fill_after_end(report))
                _log.error("the venue reports a fill of an order that has ended", order_id=report.order_id)
            elif report.type in ADJUSTING:
                self.metrics.ignored("adjustment_not_booked")
                self._records.add(findings.adjustment_not_booked(report))
                _log.error("the venue adjusts a trade that is not there to be", order_id=report.order_id)
            else:
                self.metrics.ignored("ended")

    async def _consumed(self, connection_id: str, sequence: int) -> None:
        waiter = Wakeup()
        self._waiters.append(waiter)
        try:
            while self._book.cursors.get(connection_id, ("", 0))[1] < sequence:
                await waiter.wait()
        finally:
            self._waiters.remove(waiter)

    async def _find_unknown(self, connection_id: str, told: VenueOrders) -> bool:
        """Finds what the venue holds and is not live here; returns whether there is any."""
        told_of = 0
        strangers: list[str] = []
        ended: list[tuple[str, str]] = []
        for venue_order_id, order_id in told.orders:
            if order_id in self._book.live:
                continue
            order = await self._store.order(order_id) if order_id else None
            finding = "unknown_at_venue" if order is None else "open_at_venue_ended_here"
            self.metrics.found(finding)
            if order is None:
                strangers.append(venue_order_id)
            else:
                ended.append((venue_order_id, order_id))
            told_of += 1
            if told_of > _MOST_TOLD:
                continue
            _log.error(
                "the venue holds an order that is not live here",
                connection=connection_id,
                venue_order_id=venue_order_id,
                order_id=order_id,
                finding=finding,
            )
        if strangers:
            self._records.add(findings.unknown_at_venue(connection_id, strangers))
        if ended:
            self._records.add(findings.ended_here(connection_id, ended))
        return bool(strangers or ended)

    def _find_missing(self, connection_id: str, candidates: Sequence[Order], told: VenueOrders) -> bool:
        """Finds what is live here and the venue does not hold; returns whether there is any."""
        held = told.order_ids()
        missing: list[tuple[str, str]] = []
        for candidate in candidates:
            order_id = candidate.terms.order_id
            if order_id not in held and order_id in self._book.live:
                self.metrics.found("missing_at_venue")
                missing.append((candidate.venue_order_id, order_id))
                _log.error(
                    "an order is live here and unknown to its venue", connection=connection_id, order_id=order_id
                )
        if missing:
            self._records.add(findings.missing_at_venue(connection_id, missing))
        return bool(missing)


def _held_by(order: Order, connection_id: str) -> bool:
    return order.accepted and order.at_venue and order.connection_id == connection_id
