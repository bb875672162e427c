"""A cursor that moves without an entry of the log: whoever waits for it hears of it."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry

from services.order.domain.venue import VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.reconciling import Reconciling, VenueOrders
from services.order.pipeline.reports import VenueReports
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_findings import FakeFindings
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import CountingIdentifiers, report

VENUE = "simulation"


async def nothing(_: str) -> VenueOrders:
    """Returns what a venue holds that holds nothing."""
    return VenueOrders([], 1)


def ignored(*_: object) -> None:
    """Nothing is looked into here."""


async def test_a_comparison_goes_on_when_the_reports_of_the_time_away_change_nothing() -> None:
    """A report of an order that has ended moves the cursor, and nothing else; the comparison waits for the cursor."""
    book, store, found = Book(), FakeStore(), FakeFindings()
    metrics = Metrics(CollectorRegistry())
    book.cursors[VENUE] = ("e", 0)
    writer = Writer(book, store, FakeClock(), CountingIdentifiers(), metrics)
    reconciling = Reconciling(book, store, metrics, found)
    writer.listen(reconciling)
    comparing = asyncio.create_task(reconciling.compare(VENUE, 1, nothing))
    writing = asyncio.create_task(writer.run())
    await asyncio.sleep(0)
    late = report("an order that has ended", VenueReportType.CANCELED)
    writer.put(VenueReports(VENUE, "e", [late], metrics, on_gap=ignored, investigate=ignored))
    async with asyncio.timeout(5):
        assert await comparing == frozenset()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert (store.entries, book.cursors[VENUE]) == ([], ("e", 1))
