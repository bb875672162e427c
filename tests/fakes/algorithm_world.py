"""Algorithms over a real pipeline in memory, with a market, a venue and a clock that a test directs; it can crash."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal

from prometheus_client import CollectorRegistry

from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.order.domain.algorithms.estimates import Bar
from services.order.domain.algorithms.routing_record import RoutingRecord
from services.order.domain.algorithms.terms import Algorithm
from services.order.domain.instructions import Instructions
from services.order.domain.order import Order
from services.order.domain.quotes import Quote
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, OrderType, TimeInForce
from services.order.domain.venue import VenueReport, VenueReportType
from services.order.pipeline.algorithm_plans import AlgorithmPlans
from services.order.pipeline.algorithm_preparing import AlgorithmPreparing
from services.order.pipeline.algorithms import Algorithms
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Entry
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.placing import Placing
from services.order.pipeline.queries import OrderFilter
from services.order.pipeline.replacing import Replacing
from services.order.pipeline.reports import VenueReports
from services.order.pipeline.route_planning import RoutePlanner
from services.order.pipeline.routing import Router
from services.order.pipeline.work import CancelFilter
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_routes import FakeDepths, FakeRoutes
from tests.fakes.order_store import FakeInstruments, FakeRiskPort, FakeStore
from tests.fakes.orders import CountingIdentifiers, terms

NAME = "AAPL.XNAS"
PRICE = Decimal("10.02")
STEP_NS = 250_000_000
_YIELDS = 10
SECOND_NS = 1_000_000_000


def worked(algorithm: Algorithm, quantity: str = "100", limit_price: str | None = None) -> OrderTerms:
    """Returns a buy order that an algorithm works."""
    return terms(
        type=OrderType.MARKET if limit_price is None else OrderType.LIMIT,
        time_in_force=TimeInForce.DAY,
        quantity=quantity,
        limit_price=limit_price,
        instructions=Instructions(works_through_children=True, algorithm=algorithm),
    )


@dataclass
class FakeVolumes:
    """What the market has traded since anything began."""

    traded: Decimal | None = None
    watched: list[tuple[str, int]] = field(default_factory=list)

    def watch(self, instrument: str, since_ns: int) -> None:
        self.watched.append((instrument, since_ns))

    def unwatch(self, instrument: str, since_ns: int) -> None:
        self.watched.remove((instrument, since_ns))

    def volume(self, instrument: str, since_ns: int) -> Decimal | None:
        assert (instrument, since_ns) in self.watched
        return self.traded


@dataclass
class FakeHistory:
    """The bars that it was given, or an error."""

    known: list[Bar] = field(default_factory=list)
    error: CodedError | None = None

    async def bars(self, instrument: str, begin_ns: int, end_ns: int, step_ns: int) -> Sequence[Bar]:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        return [bar for bar in self.known if begin_ns - step_ns < bar.at_ns < end_ns]


@dataclass
class StoredChildren:
    """The children of an order, out of the store, newest first."""

    store: FakeStore

    async def orders(self, wanted: OrderFilter, before: str | None, limit: int) -> Sequence[Order]:
        await asyncio.sleep(0)
        found = [o for o in self.store.orders.values() if o.terms.parent_order_id == wanted.parent_order_id]
        return found[::-1][:limit]


@dataclass
class Venue:
    """Takes children: fills those that trade at once as far as there is liquidity, and lets others rest.

    Attributes:
        liquidity: Quantity that may be taken.
        rejects: Whether it refuses every order.
        deaf: Whether it answers no cancel.
        offered: Quantity that may be taken of an instrument, at the price asked for, instead.
    """

    liquidity: Decimal = Decimal(10**9)
    rejects: bool = False
    deaf: bool = False
    offered: dict[str, Decimal] = field(default_factory=dict)
    filled: dict[str, Decimal] = field(default_factory=dict)
    open: dict[str, Order] = field(default_factory=dict)
    seen: list[OrderTerms] = field(default_factory=list)
    reports: list[VenueReport] = field(default_factory=list)
    history: list[VenueReport] = field(default_factory=list)
    sequence: int = 0

    def hear(self, entry: Entry) -> None:
        """Carries out what a committed entry commands."""
        order, order_id = entry.order, entry.order.terms.order_id
        if order.placed_sequence == entry.sequence and order.live:
            assert order_id not in self.filled, "sent twice"
            self.filled[order_id] = ZERO
            self.seen.append(order.terms)
            self._take(order)
        elif entry.event.type is ExecutionType.PENDING_CANCEL and order_id in self.open and not self.deaf:
            del self.open[order_id]
            self._report(order_id, VenueReportType.CANCELED)

    def fill(self, order_id: str, quantity: Decimal, price: Decimal) -> None:
        """Fills a part of an order that rests."""
        self.filled[order_id] += quantity
        if self.filled[order_id] == self.open[order_id].terms.quantity:
            del self.open[order_id]
        self._report(order_id, VenueReportType.TRADE, quantity, price)

    def end(self, order_id: str, how: VenueReportType) -> None:
        """Ends an order that rests: on its own, or as a late answer to a cancel."""
        del self.open[order_id]
        self._report(order_id, how)

    def _take(self, order: Order) -> None:
        ordered, order_id = order.terms, order.terms.order_id
        if self.rejects:
            self._report(order_id, VenueReportType.REJECTED, reason="VENUE_REJECTED", text="not today")
            return
        self._report(order_id, VenueReportType.ACCEPTED)
        self.open[order_id] = order
        if ordered.time_in_force is TimeInForce.IOC:
            taken = self._offer(ordered)
            if taken:
                self.fill(order_id, taken, (ordered.instrument in self.offered and ordered.limit_price) or PRICE)
            if self.open.pop(order_id, None) is not None:
                self._report(order_id, VenueReportType.CANCELED, reason="NO_LIQUIDITY")

    def _offer(self, ordered: OrderTerms) -> Decimal:
        """Returns what an order takes."""
        name = ordered.instrument
        taken = min(self.offered.get(name, self.liquidity), ordered.quantity)
        if name in self.offered:
            self.offered[name] -= taken
        else:
            self.liquidity -= taken
        return taken

    def _report(
        self,
        order_id: str,
        type_: VenueReportType,
        quantity: Decimal | None = None,
        price: Decimal | None = None,
        *,
        reason: str = "",
        text: str = "",
    ) -> None:
        self.sequence += 1
        report = VenueReport(
            "simulation",
            self.sequence,
            type_,
            order_id,
            last_quantity=quantity,
            last_price=price,
            cumulative_quantity=self.filled[order_id] if quantity else None,
            reason=reason,
            text=text,
        )
        self.reports.append(report)
        self.history.append(report)

    def tell_after(self, sequence: int) -> None:
        """Tells anew what a process that begins has not consumed."""
        self.reports = [report for report in self.history if report.sequence > sequence]


@dataclass
class AlgorithmWorld:
    """One process, over a store, a market and a venue that outlive it."""

    clock: FakeClock
    store: FakeStore = field(default_factory=FakeStore)
    risk: FakeRiskPort = field(default_factory=FakeRiskPort)
    instruments: FakeInstruments = field(default_factory=FakeInstruments)
    quotes: FakeQuotes = field(default_factory=FakeQuotes)
    volumes: FakeVolumes = field(default_factory=FakeVolumes)
    history: FakeHistory = field(default_factory=FakeHistory)
    depths: FakeDepths = field(default_factory=FakeDepths)
    routes: FakeRoutes = field(default_factory=FakeRoutes)
    record: RoutingRecord = field(default_factory=RoutingRecord)
    venue: Venue = field(default_factory=Venue)
    identifiers: CountingIdentifiers = field(default_factory=CountingIdentifiers)
    told: int = 0
    most_waiting: int = 20_000
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def quote(self, bid: str = "10.00", ask: str = "10.02", *, stale: bool = False) -> None:
        """Sets the market."""
        self.quotes.quotes[NAME] = Quote(NAME, Decimal(bid), Decimal(ask), stale=stale)

    async def start(self) -> None:
        """Begins a process from what the store holds."""
        self.book = Book(epoch="epoch")
        self.book.load_accounts({"demo": 0, "nobody": 0})
        self.store.cursors.setdefault("simulation", ("e", 0))
        self.store.load(self.book)
        self.venue.tell_after(self.store.cursors["simulation"][1])
        self.metrics = Metrics(CollectorRegistry())
        self.writer = Writer(self.book, self.store, self.clock, self.identifiers, self.metrics, retry_seconds=0)
        self.placing = Placing(
            self.book,
            self.writer,
            self.store,
            risk=self.risk,
            instruments=self.instruments,
            quotes=self.quotes,
            clock=self.clock,
            metrics=self.metrics,
            most_waiting=self.most_waiting,
        )
        self.planner = RoutePlanner(
            self.instruments, self.depths, self.routes, self.history, record=self.record, clock=self.clock
        )
        self.router = Router(
            self.planner,
            self.writer,
            record=self.record,
            quotes=self.quotes,
            clock=self.clock,
            identifiers=self.identifiers,
        )
        self.algorithms = Algorithms(
            self.book,
            self.writer,
            self.placing,
            instruments=self.instruments,
            quotes=self.quotes,
            volumes=self.volumes,
            router=self.router,
            clock=self.clock,
            identifiers=self.identifiers,
        )
        self.algorithms.start()
        self.writer.listen(self.algorithms)
        self.orders = Orders(self.book, self.writer, self.store)
        self.replacing = Replacing(
            self.book,
            self.writer,
            self.orders,
            self.store,
            risk=self.risk,
            instruments=self.instruments,
            clock=self.clock,
        )
        self.preparing = AlgorithmPreparing(
            self.algorithms,
            AlgorithmPlans(self.history, self.quotes),
            StoredChildren(self.store),  # type: ignore[arg-type]  # children are all that is asked for
            self.writer,
            instruments=self.instruments,
            clock=self.clock,
        )
        self._tasks = [asyncio.create_task(each.run()) for each in (self.writer, self.placing, self.replacing)]

    async def crash(self) -> None:
        """Ends the process where it is; what it held in memory is lost."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def place(self, order: OrderTerms) -> Order:
        """Places an order for a caller."""
        (outcome,) = await self.placing.place([order])
        assert isinstance(outcome, Order), outcome
        return outcome

    async def through(self) -> None:
        """Waits until what was queued has been committed, and lets the venue answer."""
        await self._queue_is_empty()
        while self.told < len(self.store.entries) or self.venue.reports:
            for entry in self.store.entries[self.told :]:
                self.venue.hear(entry)
            self.told = len(self.store.entries)
            reports, self.venue.reports = self.venue.reports, []
            self.writer.put(
                VenueReports("simulation", "e", reports, self.metrics, on_gap=_no_gap, investigate=lambda strays: None)
            )
            await self._queue_is_empty()

    async def _queue_is_empty(self) -> None:
        """Waits until the writer has come to what is queued last; one that has died tells why."""
        asked, writing = asyncio.ensure_future(self.orders.cancel_all(CancelFilter("nobody"))), self._tasks[0]
        await asyncio.wait({asked, writing}, return_when=asyncio.FIRST_COMPLETED)
        if writing.done():
            asked.cancel()
            writing.result()
        with suppress(CodedError):
            await asked

    async def turn(self) -> None:
        """Lets algorithms, the writer and the venue do what is to be done now."""
        await self.through()
        for _ in range(_YIELDS):
            # A store that is coming back needs its turns.
            await asyncio.sleep(0)
        for run in self.algorithms.waiting.take_waiting(100):
            await self.preparing.prepare(run)
        await self.algorithms.step()
        if rounds := self.router.waiting.take_waiting(100):
            await self.algorithms.plan(rounds)
            await self.algorithms.step()
        await self.through()

    async def advance(self, seconds: float) -> None:
        """Lets time pass, a quarter of a second at a time, and all happen that happens in it."""
        await self.turn()
        for _ in range(int(seconds * SECOND_NS / STEP_NS)):
            self.clock.advance_ns(STEP_NS)
            await self.turn()

    def order(self, parent: Order) -> Order:
        """Returns an order as the store has it."""
        return self.store.orders[parent.terms.order_id]

    def children(self, parent: Order) -> list[Order]:
        """Returns the children of an order, as the store has them."""
        return [o for o in self.store.orders.values() if o.terms.parent_order_id == parent.terms.order_id]

    def check(self) -> None:
        """No order has more done and under way than was ordered, and a parent has what its children have."""
        for parent in self.store.orders.values():
            if parent.terms.instructions is None or parent.terms.instructions.algorithm is None:
                continue
            children = self.children(parent)
            assert parent.cumulative == sum((child.cumulative for child in children), ZERO)
            open_ = sum((child.leaves for child in children), ZERO)
            replace = parent.replacing
            quantity = parent.terms.quantity if replace is None else max(parent.terms.quantity, replace.new_quantity)
            assert parent.cumulative + open_ <= quantity
            assert parent.live or not open_
            limit = parent.terms.limit_price
            if limit is not None and parent.live and replace is None:
                # All that tests work are buy orders.
                prices = [child.terms.limit_price for child in children if child.live]
                assert all(price is not None and price <= limit for price in prices)


def _no_gap(reached: int, found: int) -> None:
    raise AssertionError(f"a gap from {reached} to {found}")


@asynccontextmanager
async def algorithm_world() -> AsyncIterator[AlgorithmWorld]:
    """Runs a world, and checks it at its end."""
    world = AlgorithmWorld(FakeClock())
    world.quote()
    await world.start()
    try:
        yield world
        world.check()
    finally:
        await world.crash()
