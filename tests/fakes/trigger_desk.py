"""A pipeline with the market beside it, and the orders that wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry

from services.order.domain.instructions import Instructions
from services.order.domain.market_trade import MarketTrade
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, Side
from services.order.domain.venue import VenueReport
from services.order.pipeline.book import Book
from services.order.pipeline.expiries import Expiries
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.replacing import ReplaceOrder
from services.order.pipeline.reports import VenueReports
from services.order.pipeline.triggers import Triggers
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeRiskPort, FakeStore
from tests.fakes.orders import AAPL, CountingIdentifiers, terms


@dataclass
class FakeFeed:
    """Remembers which instruments are followed."""

    followed: list[str] = field(default_factory=list)

    def follow(self, instrument: str) -> None:
        self.followed.append(instrument)

    def leave(self, instrument: str) -> None:
        self.followed.remove(instrument)


class OnlySimple:
    """A venue that takes market and limit orders."""

    def takes(self, connection_id: str, type_: OrderType) -> bool:
        return type_ in (OrderType.MARKET, OrderType.LIMIT)


class Desk:
    """A pipeline with the market beside it."""

    def __init__(self, store: FakeStore, clock: FakeClock, **options: Any) -> None:
        self.store, self.clock = store, clock
        self.book, self.registry = Book(epoch="epoch"), CollectorRegistry()
        self.book.load_accounts({"nobody": 0, "demo": 0})
        store.load(self.book)
        metrics = Metrics(self.registry)
        self.writer = Writer(self.book, store, clock, CountingIdentifiers(), metrics, retry_seconds=0)
        self.placing = Placing(
            self.book,
            self.writer,
            store,
            risk=FakeRiskPort(),
            instruments=FakeInstruments(),
            quotes=FakeQuotes(),
            clock=clock,
            metrics=metrics,
            **options,
        )
        self.orders, self.feed, self.metrics = Orders(self.book, self.writer, store), FakeFeed(), metrics
        self.expiries = Expiries(self.book, self.writer, clock)
        self.triggers = Triggers(self.book, self.writer, clock, metrics, follow_seconds=0)
        self.writer.listen(self.expiries)
        self.writer.listen(self.triggers)
        self.number = 0

    async def place(self, *orders: OrderTerms) -> None:
        for outcome in await self.placing.place(orders):
            assert isinstance(outcome, Order), outcome

    def made(self, *prices: str) -> list[MarketTrade]:
        """Returns trades that were made just now."""
        first = self.number + 1
        self.number += len(prices)
        return [MarketTrade("e", n, Decimal(p), self.clock.now_ns()) for n, p in enumerate(prices, first)]

    async def trade(self, *prices: str) -> None:
        """Lets the market trade."""
        self.triggers.traded(AAPL.name, self.made(*prices))
        await self.through()

    async def begin(self, *prices: str) -> None:
        """Brings the watch of the instrument up to date."""
        self.triggers.caught_up(AAPL.name, self.made(*prices), AAPL.tick_size)
        await self.through()

    async def replace(self, order_id: str, **changes: Any) -> None:
        work = ReplaceOrder(ReplaceRequest(order_id, "r", None, None, **changes))
        self.writer.put(work)
        await work.future
        assert work.refusal is None

    async def tell(self, *reports: VenueReport) -> None:
        """Lets the venue speak."""
        work = VenueReports("simulation", "", reports, self.metrics, on_gap=lambda *_: None, investigate=lambda _: None)
        self.writer.put(work)
        await self.through()

    async def through(self) -> None:
        """Waits until what was queued, and what follows from it, is committed."""
        for _ in range(3):
            await self.orders.cancel_all(CancelFilter("nobody"))

    def types(self, order_id: str) -> list[ExecutionType]:
        return [e.event.type for e in self.store.entries if e.order.terms.order_id == order_id]

    def status(self, order_id: str) -> OrderStatus:
        return self.store.orders[order_id].status


@asynccontextmanager
async def desk(store: FakeStore | None = None, clock: FakeClock | None = None, **options: Any) -> AsyncIterator[Desk]:
    """Runs a desk, as a process does."""
    made = Desk(store or FakeStore(), clock or FakeClock(), **options)
    made.expiries.start()
    made.triggers.start(made.feed)
    runs: Iterable[Any] = (made.writer.run(), made.placing.run(), made.triggers.run(), made.expiries.run())
    tasks = [asyncio.create_task(run) for run in runs]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in ended), ended


def stop(price: str = "95", **changes: Any) -> OrderTerms:
    """Returns a sell order to be touched at a price or, by default, stopped at it."""
    fields: dict[str, Any] = {"type": OrderType.STOP, "side": Side.SELL, "limit_price": None} | changes
    return terms(instructions=Instructions(Decimal(price), held_here=True), **fields)


def trailing(**distance: Any) -> OrderTerms:
    """Returns a trailing stop order to sell."""
    how = TrailingStop(**distance)
    return terms(
        type=OrderType.TRAILING_STOP, side=Side.SELL, limit_price=None, instructions=Instructions(trailing=how)
    )
