"""Held orders in the pipeline: watched by what the log says, released by the market, ended by their time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from prometheus_client import CollectorRegistry

from services.kernel.clock import to_ns
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.market_trade import MarketTrade
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import ExecutionType, OrderStatus, OrderType, Side, TimeInForce
from services.order.domain.venue import VenueReport, VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.expiries import Expiries
from services.order.pipeline.metrics import RELEASE_SECONDS, Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.replacing import ReplaceOrder
from services.order.pipeline.reports import VenueReports
from services.order.pipeline.triggers import Triggers
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeInstruments, FakeRiskPort, FakeStore, lost_after, lost_before, refused
from tests.fakes.orders import AAPL, CountingIdentifiers, report, terms

SUSPENDED, PENDING_NEW, EXPIRED = OrderStatus.SUSPENDED, OrderStatus.PENDING_NEW, OrderStatus.EXPIRED
RELEASED, RESTATED = ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM, ExecutionType.RESTATED
LIST_ID = "22222222-0000-7000-8000-000000000001"


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


async def test_an_order_waits_and_is_released_by_a_trade() -> None:
    """Its instrument is followed while anything waits in it, and no longer."""
    async with desk() as world:
        order = stop()
        await world.place(order)
        assert (world.feed.followed, world.triggers.watched, world.triggers.held) == ([AAPL.name], 1, 1)
        await world.begin("96")
        await world.trade("95.01", "97")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED]
        await world.trade("95", "97", "94")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]
        released = world.store.orders[order.order_id]
        assert (released.status, released.placed_sequence) == (PENDING_NEW, released.sequence)
        assert (world.feed.followed, world.triggers.watched, world.triggers.held) == ([], 0, 0)
        assert world.registry.get_sample_value(f"{RELEASE_SECONDS}_count") == 1


async def test_only_what_a_venue_does_not_take_is_held() -> None:
    """A stop order waits at its venue unless that takes none; a limit order goes there in any case."""
    native, plain = terms(type=OrderType.STOP, limit_price=None, instructions=Instructions(Decimal(95))), terms()
    async with desk() as world:
        await world.place(native)
        assert world.status(native.order_id) is PENDING_NEW
    held = terms(type=OrderType.STOP, limit_price=None, instructions=Instructions(Decimal(195)))
    async with desk(venue_types=OnlySimple()) as world:
        await world.place(held, plain)
        assert (world.status(held.order_id), world.status(plain.order_id)) == (SUSPENDED, PENDING_NEW)
        await world.place(held)
        assert len(world.store.entries) == 2


async def test_a_price_that_is_reached_already_releases_at_once() -> None:
    """When it is placed, and when it is replaced to it."""
    async with desk() as world:
        first, second = stop(), stop("90")
        await world.place(first, second)
        await world.begin("94")
        assert (world.status(first.order_id), world.status(second.order_id)) == (PENDING_NEW, SUSPENDED)
        third = stop("94.5")
        await world.place(third)
        await world.replace(second.order_id, stop_price=Decimal(94))
        await world.through()
        assert (world.status(second.order_id), world.status(third.order_id)) == (PENDING_NEW, PENDING_NEW)


async def test_an_order_is_looked_at_again_before_it_is_released() -> None:
    """A replace and a cancel that are committed first count; one that waits for another price is watched for it."""
    async with desk() as world:
        replaced, canceled = stop(), stop()
        await world.place(replaced, canceled)
        await world.begin("96")
        replacing = asyncio.create_task(world.replace(replaced.order_id, stop_price=Decimal(90)))
        canceling = asyncio.create_task(world.orders.cancel(canceled.order_id))
        await asyncio.sleep(0)
        world.triggers.traded(AAPL.name, world.made("94"))
        await replacing
        await canceling
        await world.through()
        assert world.types(replaced.order_id) == [ExecutionType.SUSPENDED, ExecutionType.REPLACED]
        assert world.types(canceled.order_id) == [ExecutionType.SUSPENDED, ExecutionType.CANCELED]
        await world.trade("90")
        assert world.types(replaced.order_id)[-1] is RELEASED


async def test_where_a_stop_price_has_followed_the_market_to_is_logged() -> None:
    """After it has moved, and always before the release."""
    async with desk() as world:
        order = trailing(amount=Decimal(2))
        await world.place(order)
        await world.begin("100")
        await world.trade("103")
        told = world.store.orders[order.order_id].terms.instructions
        assert told is not None
        assert told.stop_price == 101
        assert told.trailing is not None
        assert (told.trailing.reference_price, told.trailing.as_of_ns) == (103, world.clock.now_ns())
        before = len(world.types(order.order_id))
        await world.trade("105", "103")
        assert world.types(order.order_id)[before:] == [RESTATED, RELEASED]
        told = world.store.orders[order.order_id].terms.instructions
        assert told is not None
        assert (told.stop_price, told.triggered) == (103, True)


async def test_a_new_distance_is_that_of_the_trade_that_is_followed() -> None:
    """Also when the stop price is further from the market then; it follows on at the new one."""
    async with desk() as world:
        order = trailing(amount=Decimal(2))
        await world.place(order)
        await world.begin("100")
        await world.trade("103")
        await world.replace(order.order_id, trailing=TrailingStop(ticks=500), tick_size=AAPL.tick_size)
        await world.trade("102", "101")
        told = world.store.orders[order.order_id]
        assert told.terms.instructions is not None
        assert (told.status, told.terms.instructions.stop_price) == (SUSPENDED, 98)
        assert told.replace is not None
        assert told.replace.original_trailing is not None
        assert told.replace.original_trailing.amount == 2
        await world.trade("104", "99")
        assert world.status(order.order_id) is PENDING_NEW


async def test_a_release_survives_a_store_that_fails() -> None:
    """Refused, lost and lost but committed: it is released exactly once."""
    for fault in (refused, lost_before, lost_after):
        async with desk() as world:
            order = stop()
            await world.place(order)
            await world.begin("96")
            world.store.faults.append(fault)
            world.triggers.traded(AAPL.name, world.made("94"))
            async with asyncio.timeout(10):
                while world.status(order.order_id) is SUSPENDED or world.triggers.held:
                    await asyncio.sleep(0)
            assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]


async def test_time_ends_what_waits() -> None:
    """GTD at its time, DAY at midnight UTC, each with its reason; the others go on."""
    clock = FakeClock()
    minute = 60 * 10**9
    dated = terms(
        type=OrderType.MARKET_IF_TOUCHED,
        limit_price=None,
        time_in_force=TimeInForce.GTD,
        instructions=Instructions(Decimal(90), expire_at_ns=clock.now_ns() + minute),
    )
    daily, ever = stop(time_in_force=TimeInForce.DAY), stop()
    async with desk(clock=clock) as world:
        await world.place(dated, daily, ever)
        clock.advance_ns(minute - 1)
        world.expiries.expire()
        await world.through()
        assert world.status(dated.order_id) is SUSPENDED
        clock.advance_ns(1)
        world.expiries.expire()
        await world.through()
        assert (world.status(dated.order_id), world.status(daily.order_id)) == (EXPIRED, SUSPENDED)
        clock.advance_ns(24 * 60 * minute)
        world.expiries.expire()
        await world.through()
        assert [world.status(each.order_id) for each in (daily, ever)] == [EXPIRED, SUSPENDED]
        reasons = [world.store.orders[each.order_id].reason for each in (dated, daily)]
        assert reasons == ["EXPIRE_AT_REACHED", "TRADING_DAY_ENDED"]
        assert len(world.expiries) == 0


async def test_what_expired_while_the_process_was_down_does_not_trade() -> None:
    """Its end comes before the trades that were missed; what did not expire meets them."""
    store, clock = FakeStore(), FakeClock()
    dated, ever, late = stop(time_in_force=TimeInForce.DAY), stop(), stop("90")
    async with desk(store, clock) as world:
        await world.place(dated, ever, late)
    clock.advance_ns(24 * 3_600 * 10**9)
    async with desk(store, clock) as world:
        assert world.triggers.held == 3
        await world.begin("96", "94", "97")
        assert [world.status(each.order_id) for each in (dated, ever, late)] == [EXPIRED, PENDING_NEW, SUSPENDED]


async def test_a_process_that_dies_before_the_commit_decides_the_same_again() -> None:
    """The trade that reached the price is among those that the next process is told, and released once."""
    store, clock = FakeStore(), FakeClock()
    order = stop()
    async with desk(store, clock) as world:
        await world.place(order)
        await world.begin("96")
        clock.advance_ns(1_000)
        store.gate = asyncio.Event()
        world.triggers.traded(AAPL.name, world.made("94"))
        await asyncio.sleep(0)
    store.gate = None
    assert world.status(order.order_id) is SUSPENDED
    async with desk(store, clock) as world:
        await world.begin("96", "94", "97")
        assert world.types(order.order_id) == [ExecutionType.SUSPENDED, RELEASED]


def listed(role: ListRole, type_: OrderType, side: Side, price: str) -> OrderTerms:
    """Returns an order of a list."""
    conditional = type_ is not OrderType.LIMIT
    links = Links(LIST_ID, role, ordered=Decimal(100))
    return terms(
        side=side,
        type=type_,
        limit_price=None if conditional else price,
        instructions=Instructions(Decimal(price) if conditional else None, links=links),
    )


async def test_an_exit_is_watched_from_its_entrys_first_fill_on() -> None:
    """Trades before that do not reach it; then the take-profit at the venue leaves before the stop-loss goes there."""
    async with desk() as world:
        entry = listed(ListRole.ENTRY, OrderType.LIMIT, Side.BUY, "100")
        profit = listed(ListRole.EXIT, OrderType.LIMIT, Side.SELL, "110")
        loss = listed(ListRole.EXIT, OrderType.STOP, Side.SELL, "95")
        await world.place(entry, profit, loss)
        assert (world.triggers.held, world.triggers.watched) == (2, 0)
        await world.tell(
            report(entry.order_id, VenueReportType.TRADE, quantity="100", price="100", sequence=0),
        )
        assert world.status(profit.order_id) is PENDING_NEW
        assert world.triggers.watched == 1
        await world.begin("100")
        await world.trade("94")
        triggered = world.store.orders[loss.order_id]
        assert triggered.terms.instructions is not None
        assert (triggered.status, triggered.terms.instructions.triggered) == (SUSPENDED, True)
        assert world.status(profit.order_id) is OrderStatus.PENDING_CANCEL
        await world.tell(report(profit.order_id, VenueReportType.CANCELED, sequence=0))
        assert world.status(loss.order_id) is PENDING_NEW
        assert world.types(loss.order_id).count(RELEASED) == 1


async def test_an_entry_that_waits_to_be_touched_is_sent_when_it_is() -> None:
    """It is in a list and shares its quantity with nobody."""
    async with desk() as world:
        entry = listed(ListRole.ENTRY, OrderType.MARKET_IF_TOUCHED, Side.BUY, "100")
        loss = listed(ListRole.EXIT, OrderType.STOP, Side.SELL, "95")
        await world.place(entry, loss)
        await world.begin("101")
        assert world.triggers.watched == 1
        await world.trade("100")
        assert (world.status(entry.order_id), world.status(loss.order_id)) == (PENDING_NEW, SUSPENDED)


async def test_orders_that_wait_while_trades_may_be_missing_are_decided_afterwards() -> None:
    """By what was made since; the market going away loses no order."""
    async with desk() as world:
        order = stop()
        await world.place(order)
        await world.begin("96")
        world.triggers.lost(AAPL.name)
        world.clock.advance_ns(1_000)
        later = stop("90")
        await world.place(later)
        assert world.triggers.missing(AAPL.name)[1] == world.clock.now_ns()
        await world.begin("95", "91")
        assert [world.status(each.order_id) for each in (order, later)] == [PENDING_NEW, SUSPENDED]
        assert to_ns(world.clock.now()) <= world.clock.now_ns()
