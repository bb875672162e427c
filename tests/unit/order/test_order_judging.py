"""Orders are judged by the log and the public market; what cannot be told says why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from prometheus_client import CollectorRegistry

from ordermesh.order.v1 import execution_quality_pb2
from services.kernel.clock import to_ns
from services.kernel.errors import CodedError, unavailable
from services.order.domain.applying import apply
from services.order.domain.events import place
from services.order.domain.execution_summary import JudgedFill
from services.order.domain.executions import Fill
from services.order.domain.order import Order
from services.order.domain.quotes import Quote
from services.order.domain.values import Side
from services.order.domain.venue import VenueReportType
from services.order.pipeline.book import Book
from services.order.pipeline.judging import FILLS_PER_TURN, Beginning, Judgement, Judging
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.orders import Orders
from services.order.pipeline.quality_summaries import QualitySummaries
from services.order.pipeline.queries import FillFilter
from services.order.pipeline.writer import Writer
from services.order.servicer.quality_messages import quality_message, summary_message
from tests.fakes.clock import FakeClock
from tests.fakes.executions import FakeExecutions, FakeMarketRecord
from tests.fakes.order_quotes import FakeQuotes
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import CountingIdentifiers, event, report, terms

SECOND = 1_000_000_000
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
BEGAN = to_ns(NOON)
BOOK = Quote("AAPL.XNAS", Decimal(99), Decimal(101), Decimal(100))


@dataclass
class World:
    """An order that came in at noon, ten seconds ago."""

    store: FakeStore = field(default_factory=FakeStore)
    executions: FakeExecutions = field(default_factory=lambda: FakeExecutions(Beginning(BEGAN, BOOK)))
    market: FakeMarketRecord = field(default_factory=FakeMarketRecord)
    quotes: FakeQuotes = field(default_factory=lambda: FakeQuotes({"AAPL.XNAS": BOOK}))
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOON + timedelta(seconds=10)))

    def has(self, order: Order, *fills: tuple[str, str, int]) -> None:
        """Stores an order and its fills: quantity, price, seconds after noon."""
        self.store.orders[order.terms.order_id] = order
        for number, (quantity, price, seconds) in enumerate(fills, 1):
            made = Fill(
                order.terms.order_id,
                "simulation",
                Decimal(price),
                Decimal(quantity),
                Decimal("0.5"),
                BEGAN + seconds * SECOND,
                "AAPL.XNAS",
            )
            self.executions.logged.append((number, made))

    def traded(self, *trades: tuple[int, str]) -> None:
        """Sets public trades of one: seconds after noon and price."""
        self.market.trades += [(BEGAN + seconds * SECOND, Decimal(price), Decimal(1)) for seconds, price in trades]

    async def judge(self, order: Order, impact_seconds: int = 5) -> Judgement:
        book = Book(epoch="e")
        writer = Writer(book, self.store, self.clock, CountingIdentifiers(), Metrics(CollectorRegistry()))
        orders = Orders(book, writer, self.store)
        judging = Judging(orders, self.executions, self.market, self.quotes, self.clock)
        return await judging.judge(order.terms.order_id, impact_seconds * SECOND)

    async def message(self, order: Order, impact_seconds: int = 5) -> execution_quality_pb2.ExecutionQuality:
        return quality_message(await self.judge(order, impact_seconds))


def filled(side: Side = Side.BUY, quantity: str = "10", last: str = "10") -> Order:
    """Returns an order after a fill at 102, far along in the log."""
    first = place(terms(side=side, quantity=quantity), 1, BEGAN).order
    told = report(first, VenueReportType.TRADE, quantity=last, price="102")
    return event(apply(first, told, 50, BEGAN)).order


def canceled(quantity: str = "10") -> Order:
    """Returns an order that was canceled."""
    first = place(terms(quantity=quantity), 1, BEGAN).order
    return event(apply(first, report(first, VenueReportType.CANCELED), 50, BEGAN)).order


def why(message: execution_quality_pb2.ExecutionQuality) -> dict[str, str]:
    """Returns what is not told."""
    return {each.figure: each.text for each in message.untold}


async def test_an_order_that_is_filled() -> None:
    """All figures: against the arrival, over its life until the last fill, and after it."""
    world, order = World(), filled()
    world.has(order, ("4", "101", 1), ("6", "102", 3))
    world.traded((1, "101"), (3, "102"), (4, "103"), (7, "101.5"), (9, "90"))
    told = await world.message(order)
    assert why(told) == {}
    assert (told.fill_ratio, told.fill_count, told.average_price, told.notional) == ("1", 2, "101.6", "1016")
    assert (told.arrival_mid_price, told.decision_price, told.decision_price_source) == (
        "100",
        "100",
        execution_quality_pb2.DECISION_PRICE_SOURCE_ARRIVAL_MID,
    )
    assert (told.slippage, told.slippage_basis_points) == ("16", "160")
    assert (told.spread_cost, told.price_improvement) == ("10", "-6")
    assert (told.effective_spread, told.effective_spread_basis_points) == ("3.2", "320")
    assert (told.time_to_first_fill.ToNanoseconds(), told.time_to_completion.ToNanoseconds()) == (SECOND, 3 * SECOND)
    assert told.ended_at.ToNanoseconds() == BEGAN + 3 * SECOND
    shortfall = told.implementation_shortfall
    assert (shortfall.total, shortfall.execution_cost, shortfall.opportunity_cost, shortfall.fees) == (
        "17",
        "16",
        "0",
        "1",
    )
    assert (shortfall.basis_points, shortfall.end_price, shortfall.HasField("end_price_at")) == ("170", "", False)
    impact = told.market_impact
    assert (impact.price_after, impact.permanent, impact.temporary) == ("101.5", "15", "1")
    assert (impact.permanent_basis_points, impact.temporary_basis_points) == ("150", "10")
    assert (told.market.vwap, told.market.volume, told.market.trade_count) == ("101.5", "2", 2)
    assert (told.market.slippage, told.market.participation) == ("1", "5")
    (venue,) = told.venues
    assert (venue.connection_id, venue.quantity, venue.share, venue.fees, venue.slippage) == (
        "simulation",
        "10",
        "1",
        "1",
        "16",
    )


async def test_a_live_order_misses_the_price_of_now() -> None:
    """What has not filled is held against the mid price now; there is no end, and no time of completion."""
    world, order = World(), filled(quantity="30")
    world.has(order, ("10", "102", 1))
    world.quotes.quotes["AAPL.XNAS"] = Quote("AAPL.XNAS", Decimal(103), Decimal(104), quoted_at_ns=7)
    told = await world.message(order)
    assert (told.fill_ratio, told.HasField("ended_at"), told.HasField("time_to_completion")) == (
        "0.333333",
        False,
        False,
    )
    shortfall = told.implementation_shortfall
    assert (shortfall.end_price, shortfall.end_price_at.ToNanoseconds()) == ("103.5", 7)
    assert (shortfall.execution_cost, shortfall.opportunity_cost) == ("20", "70")


@pytest.mark.parametrize(
    "now", [None, Quote("AAPL.XNAS", Decimal(1), None), Quote("AAPL.XNAS", Decimal(1), Decimal(2), stale=True)]
)
async def test_a_live_order_without_a_fresh_quote(now: Quote | None) -> None:
    """Its shortfall is not told; what has filled is."""
    world, order = World(), filled(quantity="30")
    world.has(order, ("10", "102", 1))
    world.quotes.quotes = {} if now is None else {"AAPL.XNAS": now}
    told = await world.message(order)
    assert not told.HasField("implementation_shortfall")
    assert why(told)["implementation_shortfall"] == "there is no fresh quote with both sides now"
    assert told.slippage == "20"


async def test_an_order_that_never_traded() -> None:
    """It missed the last trade before its end; averages and impact are absent, never zero."""
    world, order = World(), canceled()
    world.has(order)
    world.executions.ended_ns = BEGAN + 4 * SECOND
    world.traded((3, "105"), (5, "200"))
    told = await world.message(order)
    assert (told.ended_at.ToNanoseconds(), told.fill_ratio, told.fees) == (BEGAN + 4 * SECOND, "0", "0")
    shortfall = told.implementation_shortfall
    assert (shortfall.execution_cost, shortfall.opportunity_cost, shortfall.end_price) == ("0", "50", "105")
    assert (told.average_price, told.slippage, told.spread_cost, told.price_improvement) == ("", "", "", "")
    assert (told.HasField("market"), told.HasField("market_impact")) == (False, False)
    assert not told.HasField("time_to_first_fill")
    assert why(told) == dict.fromkeys(("average_price", "market_impact", "market"), "nothing of the order has traded")


async def test_nothing_is_known_of_the_end() -> None:
    """Without a public trade between arrival and end, the end has no price."""
    world, order = World(), canceled()
    world.has(order)
    world.executions.ended_ns = BEGAN + SECOND
    world.traded((2, "105"))
    told = await world.message(order)
    assert why(told)["implementation_shortfall"] == "there was no public trade between the order's arrival and its end"


async def test_impact_is_known_once_its_time_is_over() -> None:
    """Not before, though trades have come; and not at all when none comes."""
    world, order = World(), filled()
    world.has(order, ("10", "102", 3))
    world.traded((3, "102"), (4, "103"))
    assert why(await world.message(order, 8)) == {"market_impact": "it is known 8 s after the last fill"}
    assert (await world.message(order, 7)).market_impact.price_after == "103"
    world.market.trades.pop()
    assert why(await world.message(order, 7)) == {
        "market_impact": "there was no public trade up to 7 s after the last fill"
    }


@pytest.mark.parametrize(
    ("arrival", "figures"),
    [
        (None, {"arrival", "arrival_mid_price", "decision_price", "market_impact", "implementation_shortfall"}),
        (
            Quote("AAPL.XNAS", Decimal(1), Decimal(2), stale=True),
            {"arrival_mid_price", "decision_price", "market_impact", "implementation_shortfall"},
        ),
        (Quote("AAPL.XNAS", Decimal(1), None, Decimal(2)), {"arrival_mid_price", "market_impact"}),
    ],
    ids=["none", "stale", "one side"],
)
async def test_without_a_mid_at_arrival(arrival: Quote | None, figures: set[str]) -> None:
    """What is held against it is not told; prices, market and venues are."""
    world, order = World(), filled()
    world.executions.began = Beginning(BEGAN, arrival)
    world.has(order, ("10", "102", 1))
    world.traded((1, "102"), (2, "102"))
    told = await world.message(order)
    assert why(told).keys() == figures
    assert (told.average_price, told.market.vwap, told.venues[0].quantity) == ("102", "102", "10")
    assert (told.slippage, told.effective_spread, told.venues[0].slippage) == ("", "", "")


async def test_while_market_data_is_away() -> None:
    """The log's part is told: basis points, prices, times; money and market are not."""
    world, order = World(), filled()
    world.has(order, ("10", "102", 1))
    world.market.error = unavailable("SERVICE_UNAVAILABLE", "market data is away")
    told = await world.message(order)
    assert why(told) == dict.fromkeys(
        ("contract_multiplier", "market_impact", "market", "implementation_shortfall"), "market data is away"
    )
    assert (told.slippage_basis_points, told.slippage, told.notional, told.currency) == ("200", "", "", "")
    assert (told.effective_spread, told.average_price) == ("4", "102")


async def test_fills_are_read_page_by_page() -> None:
    """An order of many fills does not keep others waiting; those after what is answered for are left out."""
    world, order = World(), filled()
    order.sequence = 2 * FILLS_PER_TURN + 1
    world.has(order, *[("1", "102", 1)] * (order.sequence + 5))
    assert (await world.judge(order)).executions.total.count == order.sequence
    assert world.executions.pages == [FILLS_PER_TURN, FILLS_PER_TURN, 1, 0]


async def test_a_parent_is_judged_by_the_fills_of_its_children() -> None:
    """Against its own arrival and quantity, wherever they were sent."""
    world, parent = World(), filled(quantity="30")
    world.has(parent)
    world.executions.child_ids = ["a", "b"]
    for number, (child, connection, quantity) in enumerate((("a", "x", 10), ("b", "y", 5), ("b", "y", 5)), 1):
        made = Fill(
            child, connection, Decimal(102), Decimal(quantity), Decimal(0), BEGAN + number * SECOND, "AAPL.XNAS"
        )
        world.executions.logged.append((number, made))
    world.executions.logged.append((4, Fill("of another", "x", Decimal(1), Decimal(1), Decimal(0), BEGAN, "AAPL.XNAS")))
    told = await world.message(parent)
    assert (told.order_id, told.cumulative_quantity, told.fill_ratio) == (parent.terms.order_id, "20", "0.666667")
    assert [(venue.connection_id, venue.quantity, venue.share) for venue in told.venues] == [
        ("x", "10", "0.5"),
        ("y", "10", "0.5"),
    ]
    assert (told.slippage, told.time_to_first_fill.ToNanoseconds()) == ("40", SECOND)


async def test_a_routed_order_is_judged_by_all_listings_that_it_has_traded_in() -> None:
    """Its fills apart for each; market, participation and the price after are those of all of them together."""
    world, parent = World(), filled(quantity="30", last="30")
    world.has(parent)
    world.executions.child_ids = ["a", "b"]
    for number, (child, listing, quantity) in enumerate((("a", "AAPL.XNAS", 10), ("b", "AAPL.XIEX", 20)), 1):
        made = Fill(child, "x", Decimal(100 + number), Decimal(quantity), Decimal(0), BEGAN + number * SECOND, listing)
        world.executions.logged.append((number, made))
    world.market.trades = [(BEGAN + SECOND, Decimal(101), Decimal(10)), (BEGAN + 4 * SECOND, Decimal(103), Decimal(1))]
    world.market.elsewhere["AAPL.XIEX"] = [
        (BEGAN + 2 * SECOND, Decimal(102), Decimal(50)),
        (BEGAN + 6 * SECOND, Decimal(104), Decimal(1)),
    ]
    world.market.elsewhere["AAPL.XOTH"] = [(BEGAN + 2 * SECOND, Decimal(1), Decimal(1000))]
    told = await world.message(parent)
    assert [(v.connection_id, v.instrument, v.quantity, v.average_price) for v in told.venues] == [
        ("x", "AAPL.XIEX", "20", "102"),
        ("x", "AAPL.XNAS", "10", "101"),
    ]
    assert (told.market.volume, told.market.trade_count, told.market.participation) == ("60", 2, "0.5")
    assert told.market.vwap == "101.833333333333"
    assert told.market_impact.price_after == "104"


async def test_an_order_that_nobody_knows() -> None:
    """UNKNOWN_ORDER."""
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await World().judge(filled())


async def test_a_day_is_summed_by_instrument_and_connection() -> None:
    """Page by page, each fill once, money by the instrument's multiplier."""
    executions, market = FakeExecutions(), FakeMarketRecord(multiplier=Decimal(50))
    count = FILLS_PER_TURN + 3
    for number in range(count, 0, -1):
        made = Fill("o", "a" if number % 2 else "b", Decimal(102), Decimal(1), Decimal(0), BEGAN, "AAPL.XNAS")
        judged = JudgedFill(made, Side.BUY, number == 1, BEGAN - SECOND, BOOK)
        executions.of_day.append(((NOON, number, 0), judged))
    summaries = QualitySummaries(executions, market)
    totals = await summaries.summarize(FillFilter())
    assert executions.pages == [FILLS_PER_TURN, 3, 0]
    assert {group: total.count for group, total in totals.items()} == {
        ("AAPL.XNAS", "a"): (count + 1) // 2,
        ("AAPL.XNAS", "b"): count // 2,
    }
    contracts = await summaries.contracts(["AAPL.XNAS"])
    group = ("AAPL.XNAS", "b")
    told = summary_message(group, totals[group], contracts["AAPL.XNAS"])
    assert (told.currency, told.order_count, told.quantity) == ("USD", 0, str(count // 2))
    assert (told.slippage, told.price_improvement) == (str(100 * (count // 2)), str(-50 * (count // 2)))
    assert (told.slippage_basis_points, told.effective_to_quoted_ratio, told.outside_quantity) == (
        "200",
        "2",
        str(count // 2),
    )
    assert told.average_time_to_fill.ToNanoseconds() == SECOND
    market.error = unavailable("SERVICE_UNAVAILABLE", "away")
    assert await summaries.contracts(["AAPL.XNAS"]) == {}
    without = summary_message(group, totals[group], None)
    assert (without.currency, without.notional, without.slippage, without.slippage_basis_points) == ("", "", "", "200")
