"""How well orders were executed: published and hand-made figures, and sums that must add up exactly."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.execution_quality import (
    Benchmark,
    Cost,
    basis_points,
    cost_against,
    effective_spread,
    impact,
    price_improvement,
    ratio,
    shortfall,
    spread_cost,
)
from services.order.domain.execution_summary import JudgedFill, QualityTotal
from services.order.domain.executions import Executed, Executions, Fill, Mark
from services.order.domain.quotes import Quote
from services.order.domain.values import Side

ONE = Decimal(1)


def fill(quantity: str | Decimal, price: str | Decimal, *, fee: str = "0", connection: str = "a", at: int = 0) -> Fill:
    """Returns a fill."""
    return Fill("o", connection, Decimal(price), Decimal(quantity), Decimal(fee), at, "AAPL.XNAS")


def executed(*fills: Fill) -> Executed:
    """Returns fills added up."""
    executions = Executions()
    executions.add(fills)
    return executions.total


def quote(bid: str = "", ask: str = "", last: str = "", *, stale: bool = False) -> Quote:
    """Returns a quote; empty for none."""
    numbers = (Decimal(text) if text else None for text in (bid, ask, last))
    return Quote("AAPL.XNAS", *numbers, stale=stale)


def test_the_published_example_of_implementation_shortfall() -> None:
    """87 basis points: of 1,000 wanted at 10.00, 700 bought at 10.07 for a fee of 14, the rest given up at 10.08.

    Maginn, Tuttle, Pinto, McLeavey, Managing Investment Portfolios, 3rd edition (2007), chapter 10.
    """
    benchmark = Benchmark(
        Side.BUY, Decimal(1000), quote("9.99", "10.01"), multiplier=ONE, end=Mark(Decimal("10.08"), 0)
    )
    told = shortfall(executed(fill("700", "10.07", fee="14")), benchmark)
    assert told is not None
    assert (told.execution, told.opportunity, told.fees, told.total) == (49, 24, 14, 87)
    assert told.points == 87


BOOK = quote("99", "101", "100.5")


@pytest.mark.parametrize(
    ("side", "price", "slippage", "points", "improvement"),
    [
        (Side.BUY, "101", 1, 100, 0),
        (Side.BUY, "102.5", Decimal("2.5"), 250, Decimal("-1.5")),
        (Side.BUY, "99", -1, -100, 2),
        (Side.SELL, "99", 1, 100, 0),
        (Side.SELL, "97.5", Decimal("2.5"), 250, Decimal("-1.5")),
        (Side.SELL, "101", -1, -100, 2),
    ],
)
def test_costs_are_positive_for_both_sides(
    side: Side, price: str, slippage: Decimal, points: Decimal, improvement: Decimal
) -> None:
    """Against a mid of 100 and a touch one away: worse is a cost, better a gain; improvement is against the touch."""
    benchmark = Benchmark(side, Decimal(10), BOOK, multiplier=ONE)
    total = executed(fill("4", price), fill("6", price))
    assert cost_against(total, benchmark, benchmark.mid) == Cost(slippage * 10, points)
    assert (spread_cost(total, benchmark), price_improvement(total, benchmark)) == (10, improvement * 10)
    assert effective_spread(total, benchmark) == Cost(2 * Decimal(slippage), 2 * points)


def test_the_multiplier_counts_in_money_alone() -> None:
    """A future of 50 units: money is fifty times that of one; prices and basis points are the same."""
    total = executed(fill("3", "101"))
    one, fifty = (Benchmark(Side.BUY, Decimal(3), BOOK, multiplier=Decimal(m)) for m in (1, 50))
    assert cost_against(total, one, one.mid) == Cost(Decimal(3), Decimal(100))
    assert cost_against(total, fifty, fifty.mid) == Cost(Decimal(150), Decimal(100))
    assert (effective_spread(total, one), effective_spread(total, fifty)) == (Cost(Decimal(2), Decimal(200)),) * 2


def test_impact_is_split_into_what_stayed_and_what_reverted() -> None:
    """Bought at 103 from a mid of 100, and the market is at 101 after: 1 has stayed, 2 was paid for being served."""
    benchmark = Benchmark(Side.BUY, Decimal(10), BOOK, multiplier=ONE, after=Mark(Decimal(101), 9))
    assert impact(executed(fill("10", "103")), benchmark) == (
        Cost(Decimal(10), ONE * 100),
        Cost(Decimal(20), ONE * 200),
    )


@pytest.mark.parametrize(
    "arrival",
    [None, quote(), quote("99", "101", "100", stale=True)],
    ids=["none", "empty", "stale"],
)
def test_without_a_quote_nothing_is_told(arrival: Quote | None) -> None:
    """None, never zero: what is measured against the arrival needs one that is fresh."""
    benchmark = Benchmark(
        Side.BUY, ONE, arrival, multiplier=ONE, end=Mark(Decimal(100), 0), after=Mark(Decimal(100), 0)
    )
    total = executed(fill("1", "100"))
    assert (benchmark.mid, benchmark.decision) == (None, None)
    assert cost_against(total, benchmark, benchmark.mid) is None
    for figure in (spread_cost, price_improvement, effective_spread, shortfall, impact):
        assert figure(total, benchmark) is None


@pytest.mark.parametrize("arrival", [quote(bid="99", last="100"), quote(ask="101", last="100")])
def test_with_one_side_the_last_trade_is_the_decision_price(arrival: Quote) -> None:
    """No mid, so no spread figures, not even against a touch that there is; but a shortfall against the last trade."""
    benchmark = Benchmark(Side.BUY, ONE, arrival, multiplier=ONE)
    total = executed(fill("1", "101", fee="0.5"))
    assert (benchmark.mid, benchmark.decision) == (None, 100)
    assert (spread_cost(total, benchmark), price_improvement(total, benchmark)) == (None, None)
    told = shortfall(total, benchmark)
    assert told is not None
    assert (told.total, told.execution, told.opportunity) == (Decimal("1.5"), 1, 0)


def test_what_did_not_fill_needs_an_end_price() -> None:
    """Without one the whole shortfall is not told; an order that is filled needs none."""
    part, benchmark = executed(fill("1", "101")), Benchmark(Side.BUY, Decimal(2), BOOK, multiplier=ONE)
    assert shortfall(part, benchmark) is None
    assert shortfall(executed(fill("2", "101")), benchmark) is not None


def test_without_the_multiplier_basis_points_are_told() -> None:
    """They are the same for any multiplier; money and shortfall are not told."""
    total, benchmark = executed(fill("1", "101")), Benchmark(Side.BUY, ONE, BOOK)
    assert cost_against(total, benchmark, benchmark.mid) == Cost(None, Decimal(100))
    assert (spread_cost(total, benchmark), price_improvement(total, benchmark), shortfall(total, benchmark)) == (
        None,
        None,
        None,
    )


def test_an_order_that_did_not_trade_costs_what_it_missed() -> None:
    """Nothing is averaged; the whole quantity is missed at the end price."""
    benchmark = Benchmark(Side.SELL, Decimal(5), BOOK, multiplier=Decimal(2), end=Mark(Decimal(97), 0))
    told = shortfall(executed(), benchmark)
    assert told is not None
    assert (told.execution, told.opportunity, told.total, told.points) == (0, 30, 30, 300)
    assert cost_against(executed(), benchmark, benchmark.mid) is None
    assert executed().average is None


def test_more_than_was_ordered_misses_nothing() -> None:
    """A venue that overfills leaves no opportunity cost."""
    benchmark = Benchmark(Side.BUY, Decimal(5), BOOK, multiplier=ONE)
    told = shortfall(executed(fill("6", "101")), benchmark)
    assert told is not None
    assert (told.execution, told.opportunity) == (6, 0)


def test_ratios_are_rounded_half_to_even() -> None:
    """Basis points to 4 digits, ratios to 6; a base that is not positive has none."""
    assert basis_points(Decimal(1), Decimal(3)) == Decimal("3333.3333")
    assert basis_points(Decimal("0.0000000050"), ONE) == Decimal("0.0000")
    assert basis_points(Decimal("0.0000000150"), ONE) == Decimal("0.0002")
    assert ratio(Decimal(2), Decimal(3)) == Decimal("0.666667")
    for nothing in (Decimal(0), Decimal(-1)):
        assert basis_points(ONE, nothing) is None
        assert ratio(ONE, nothing) is None


def test_fills_are_kept_apart_by_connection() -> None:
    """Quantities, values and fees of the connections add up to those of the order; times are the outermost."""
    executions = Executions()
    executions.add([fill("1", "10", fee="0.1", connection="b", at=7), fill("2", "11", connection="a", at=5)])
    executions.add([fill("3", "12", fee="-0.2", connection="b", at=6)])
    total, of_a, of_b = executions.total, *(executions.by_venue[each, "AAPL.XNAS"] for each in "ab")
    assert (total.quantity, total.paid, total.fees, total.count) == (6, 68, Decimal("-0.1"), 3)
    assert (total.first_ns, total.last_ns) == (5, 7)
    assert (of_a.average, of_b.average, of_b.first_ns, of_b.last_ns) == (11, Decimal("11.5"), 6, 7)


_PRICES = st.decimals("0.01", "99999", places=2)
_QUANTITIES = st.decimals("0.001", "9999", places=3)
_FILLS = st.lists(
    st.builds(
        lambda quantity, price, fee, name: fill(quantity, price, fee=str(fee), connection=name),
        _QUANTITIES,
        _PRICES,
        st.decimals("-5", "5", places=4),
        st.sampled_from("abc"),
    ),
    min_size=1,
    max_size=8,
)
_MULTIPLIERS = st.decimals("0.01", "100", places=2)
_SIDES = st.sampled_from(Side)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    """A quote with both sides."""
    bid, ask = sorted((draw(_PRICES), draw(_PRICES)))
    return Quote("AAPL.XNAS", bid, ask)


@given(side=_SIDES, fills=_FILLS, arrival=quotes(), multiplier=_MULTIPLIERS, after=_PRICES)
def test_the_parts_of_slippage_add_up(
    side: Side, fills: list[Fill], arrival: Quote, multiplier: Decimal, after: Decimal
) -> None:
    """Spread less improvement, permanent plus temporary impact, and the connections together: each is the slippage."""
    executions = Executions()
    executions.add(fills)
    total = executions.total
    benchmark = Benchmark(side, total.quantity, arrival, multiplier=multiplier, after=Mark(after, 0))
    slippage = cost_against(total, benchmark, benchmark.mid)
    spread, improvement, parts = (
        spread_cost(total, benchmark),
        price_improvement(total, benchmark),
        impact(total, benchmark),
    )
    assert slippage is not None
    assert spread is not None
    assert improvement is not None
    assert parts is not None
    assert slippage.money == spread - improvement
    assert parts[0].money is not None
    assert parts[1].money is not None
    assert slippage.money == parts[0].money + parts[1].money
    by_venue = [cost_against(venue, benchmark, benchmark.mid) for venue in executions.by_venue.values()]
    assert slippage.money == sum(cost.money or 0 for cost in by_venue if cost is not None)


@given(side=_SIDES, fills=_FILLS, arrival=quotes(), multiplier=_MULTIPLIERS, end=_PRICES, unfilled=_QUANTITIES)
def test_the_shortfall_is_paper_less_reality(
    side: Side, fills: list[Fill], arrival: Quote, multiplier: Decimal, end: Decimal, unfilled: Decimal
) -> None:
    """What the paper portfolio gains, less what the real one does, fees paid; and the sum of its own parts."""
    total = executed(*fills)
    quantity = total.quantity + unfilled
    told = shortfall(total, Benchmark(side, quantity, arrival, multiplier=multiplier, end=Mark(end, 0)))
    assert told is not None
    sign = 1 if side is Side.BUY else -1
    mid = (Fraction(arrival.bid or 0) + Fraction(arrival.ask or 0)) / 2
    paper = sign * (Fraction(end) - mid) * Fraction(quantity) * Fraction(multiplier)
    real = sum(sign * (Fraction(end) - Fraction(f.price)) * Fraction(f.quantity) * Fraction(multiplier) for f in fills)
    assert Fraction(told.total) == paper - real + sum(Fraction(f.fee) for f in fills)
    assert told.total == told.execution + told.opportunity + told.fees


@given(fills=_FILLS, arrival=quotes(), after=_PRICES, end=_PRICES)
def test_buy_and_sell_mirror(fills: list[Fill], arrival: Quote, after: Decimal, end: Decimal) -> None:
    """At the same prices what costs the one is what the other gains."""
    total = executed(*fills)
    buy, sell = (
        Benchmark(side, total.quantity + 1, arrival, multiplier=ONE, after=Mark(after, 0), end=Mark(end, 0))
        for side in (Side.BUY, Side.SELL)
    )
    bought, sold = cost_against(total, buy, buy.mid), cost_against(total, sell, sell.mid)
    assert bought is not None
    assert sold is not None
    assert bought.money == -(sold.money or 0)
    assert bought.points == -(sold.points or 0)
    paid, received = shortfall(total, buy), shortfall(total, sell)
    assert paid is not None
    assert received is not None
    assert (paid.execution, paid.opportunity) == (-received.execution, -received.opportunity)


def judged(side: Side, made: Fill, arrival: Quote | None, *, first: bool = True, arrived: int = 1) -> JudgedFill:
    """Returns a fill with what it is held against."""
    return JudgedFill(made, side, first, arrived, arrival)


def test_a_day_is_summed_up() -> None:
    """Both sides count alike; fills without a fresh mid are counted, not compared; times are weighted by quantity."""
    total = QualityTotal()
    total.add(judged(Side.BUY, fill("10", "101", fee="1", at=101), BOOK))
    total.add(judged(Side.BUY, fill("10", "100", at=201), BOOK, first=False))
    total.add(judged(Side.SELL, fill("20", "98", at=301), BOOK))
    total.add(judged(Side.BUY, fill("40", "500", at=401), None))
    total.add(judged(Side.BUY, fill("20", "500", at=401), quote("1", "2", stale=True), first=False))
    assert (total.orders, total.count, total.quantity, total.fees) == (3, 5, 100, 1)
    assert (total.benchmarked, total.cost, total.cost_points) == (40, 10 + 0 + 40, 125)
    assert (total.effective_spread, total.quoted_spread, total.effective_to_quoted) == (
        Decimal("2.5"),
        2,
        Decimal("1.25"),
    )
    assert (total.improved, total.at_touch, total.outside, total.improvement) == (10, 10, 20, 10 - 20)
    assert total.average_wait_ns == (100 * 10 + 200 * 10 + 300 * 20 + 400 * 60) // 100
    assert total.average == (1010 + 1000 + 1960 + 30_000) / Decimal(100)


def test_a_total_without_comparison_has_no_figures() -> None:
    """None, never zero; an arrival that is not known is no wait."""
    total = QualityTotal()
    total.add(judged(Side.BUY, fill("1", "5", at=9), None, arrived=0))
    assert (total.cost_points, total.effective_spread, total.quoted_spread, total.effective_to_quoted) == (None,) * 4
    assert total.average_wait_ns is None


def test_a_clock_that_is_behind_makes_no_negative_wait() -> None:
    """The venue's clock and ours may differ."""
    total = QualityTotal()
    total.add(judged(Side.BUY, fill("1", "5", at=9), None, arrived=10))
    assert total.average_wait_ns == 0


@given(side=_SIDES, fills=_FILLS, arrival=quotes(), data=st.data())
def test_a_total_is_the_sum_of_its_orders(side: Side, fills: list[Fill], arrival: Quote, data: st.DataObject) -> None:
    """In any order, the same figures as those of one order with these fills."""
    total, benchmark = QualityTotal(), Benchmark(side, ONE, arrival, multiplier=ONE)
    for made in data.draw(st.permutations(fills)):
        total.add(judged(side, made, arrival))
    together = executed(*fills)
    assert Cost(total.cost, total.cost_points) == cost_against(together, benchmark, benchmark.mid)
    assert total.improvement == price_improvement(together, benchmark)
    spread = effective_spread(together, benchmark)
    assert spread is not None
    assert total.effective_spread == spread.money
    assert total.improved + total.at_touch + total.outside == total.benchmarked == total.quantity
