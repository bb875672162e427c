"""Bookkeeping by average cost: published numbers, and a naive reference that only sums trades."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.position import Position, cash_flow, new_position
from services.portfolio.domain.values import Side

D = Decimal


def fill(signed: str | Decimal, price: str | Decimal, fee: str | Decimal = "0", sequence: int = 1) -> Fill:
    """Returns a fill; a negative quantity sells."""
    quantity = D(signed)
    return Fill(
        trade_id=f"t{sequence}",
        account_id="a",
        instrument="AAPL.XNAS",
        side=Side.BUY if quantity > 0 else Side.SELL,
        price=D(price),
        quantity=abs(quantity),
        fee=D(fee),
        sequence=sequence,
        executed_at_ns=sequence,
    )


def after(fills: Sequence[Fill], multiplier: str | Decimal = "1") -> Position:
    """Returns the position that fills make."""
    position = new_position("a", InstrumentTerms("AAPL.XNAS", "USD", D(multiplier)))
    for each in fills:
        position = position.after(each)
    return position


def test_the_tax_offices_example_of_a_pooled_holding_comes_out() -> None:
    """HMRC helpsheet HS284, example 3: a pool of 1,500 shares for 6,280 pays gains of 329 and 300, rounded to pounds.

    The purchase costs of 150 and 80 are in the prices here, as the pool includes them; the costs of selling are fees.
    """
    pool = after([fill("1000", "4.15"), fill("500", "4.26")])
    assert pool.cost == D("6280")
    first = pool.after(fill("-700", "4.80", fee="100"))
    assert round(first.realised_profit - first.fees) == 329
    second = first.after(fill("-400", "5.20", fee="105"))
    assert round(second.realised_profit - second.fees - (first.realised_profit - first.fees)) == 300
    assert round(second.cost) == 1675


def test_buying_more_moves_the_average_and_realises_nothing() -> None:
    """10 at 100 and 30 at 120 are 40 at 115."""
    position = after([fill("10", "100"), fill("30", "120")])
    assert (position.quantity, position.average_cost, position.realised_profit) == (D(40), D(115), D(0))


def test_selling_some_leaves_the_average_and_realises_the_difference() -> None:
    """Of 40 at 115, selling 10 at 125 realises 100."""
    position = after([fill("40", "115"), fill("-10", "125")])
    assert (position.quantity, position.average_cost, position.realised_profit) == (D(30), D(115), D(100))
    assert position.unrealised_profit(D(116)) == D(30)


def test_a_short_position_earns_when_the_price_falls() -> None:
    """Sold 10 at 50, and 5 bought back at 40: 50 realised, and the rest gains while the price is below 50."""
    position = after([fill("-10", "50"), fill("5", "40")])
    assert (position.quantity, position.average_cost, position.realised_profit) == (D(-5), D(50), D(50))
    assert position.market_value(D(45)) == D(-225)
    assert position.unrealised_profit(D(45)) == D(25)
    assert position.cost == D(-250)


def test_passing_through_zero_closes_at_the_average_and_opens_the_rest_at_its_own_price() -> None:
    """Long 10 at 100, then 25 sold at 110: 100 realised, short 15 at 110."""
    position = after([fill("10", "100"), fill("-25", "110")])
    assert (position.quantity, position.average_cost, position.realised_profit) == (D(-15), D(110), D(100))


def test_a_closed_position_keeps_what_it_realised_and_has_no_average() -> None:
    """What was earned stays when nothing is held any more, and the next opening starts from its own price."""
    position = after([fill("3", "10"), fill("-3", "11")])
    assert (position.quantity, position.average_cost, position.cost) == (D(0), None, D(0))
    assert position.realised_profit == D(3)
    reopened = position.after(fill("1", "20"))
    assert (reopened.average_cost, reopened.realised_profit) == (D(20), D(3))


def test_the_contract_multiplier_is_in_every_amount_of_money_and_not_in_the_average() -> None:
    """One E-mini at 5,000 bought and sold at 5,001 earns 50."""
    position = after([fill("2", "5000"), fill("-1", "5001")], multiplier="50")
    assert position.average_cost == D(5000)
    assert position.cost == D(250_000)
    assert position.realised_profit == D(50)
    assert position.unrealised_profit(D(4999)) == D(-50)


def test_an_average_that_does_not_end_is_rounded_for_show_alone() -> None:
    """3 shares for 10 average 3.333333333333; selling all three for 10 realises exactly nothing."""
    position = after([fill("1", "4"), fill("2", "3")])
    assert position.average_cost == D("3.333333333333")
    assert after([fill("1", "4"), fill("2", "3"), fill("-1", "4"), fill("-2", "3")]).realised_profit == D(0)


def test_fees_are_kept_apart_and_paid_from_cash() -> None:
    """A fee lowers cash and stands beside the profit, not within it; a rebate does the reverse."""
    position = after([fill("1", "10", fee="0.5"), fill("-1", "12", fee="-0.1")])
    assert (position.realised_profit, position.fees) == (D(2), D("0.4"))
    assert cash_flow(fill("1", "10", fee="0.5"), D(3)) == D("-30.5")
    assert cash_flow(fill("-1", "12", fee="-0.1"), D(1)) == D("12.1")


quantities = st.decimals("0.00001", "9000", places=5)
prices = st.decimals("0.00001", "99999", places=5)
fees = st.decimals("-5", "5", places=4)
multipliers = st.sampled_from([D(1), D(50), D("0.1")])


@st.composite
def fill_lists(draw: st.DrawFn) -> list[Fill]:
    """Makes fills of one instrument."""
    signs = draw(st.lists(st.sampled_from([1, -1]), min_size=1, max_size=30))
    # Small whole quantities among them, so that positions close exactly and flip.
    amounts = st.one_of(quantities, st.integers(1, 5).map(Decimal))
    return [fill(sign * draw(amounts), draw(prices), draw(fees), sequence) for sequence, sign in enumerate(signs, 1)]


@dataclass
class Naive:
    """The average-cost method as a textbook does it, in fractions, without any rounding."""

    quantity: Fraction = Fraction(0)
    average: Fraction = Fraction(0)
    realised: Fraction = Fraction(0)

    def book(self, each: Fill) -> None:
        signed, price = Fraction(each.signed_quantity), Fraction(each.price)
        closing = min(abs(signed), abs(self.quantity)) if self.quantity * signed < 0 else Fraction(0)
        sign = 1 if self.quantity > 0 else -1
        self.realised += closing * (price - self.average) * sign
        opening = abs(signed) - closing
        left = abs(self.quantity) - closing
        if opening:
            self.average = (left * self.average + opening * price) / (left + opening)
        self.quantity += signed


@given(fill_lists(), multipliers)
def test_bookkeeping_agrees_with_the_textbook(fills: list[Fill], multiplier: Decimal) -> None:
    """Quantity is equal; average and profit differ from exact fractions by less than rounding may explain."""
    position, naive = after(fills, multiplier), Naive()
    for each in fills:
        naive.book(each)
    assert Fraction(position.quantity) == naive.quantity
    tolerance = Fraction(len(fills), 10**11)
    assert abs(Fraction(position.realised_profit) - naive.realised * Fraction(multiplier)) < tolerance
    if position.average_cost is not None:
        assert abs(Fraction(position.average_cost) - naive.average) < tolerance


@given(fill_lists(), multipliers, prices)
def test_cash_and_market_value_always_equal_profit_less_fees(
    fills: list[Fill], multiplier: Decimal, price: Decimal
) -> None:
    """Cash paid plus market value = realised + unrealised - fees, to the last digit, whatever was rounded."""
    position = after(fills, multiplier)
    cash = sum((cash_flow(each, multiplier) for each in fills), D(0))
    profit = position.realised_profit + position.unrealised_profit(price) - position.fees
    assert cash + position.market_value(price) == profit


@given(fill_lists(), st.data())
def test_splitting_a_fill_changes_nothing(fills: list[Fill], data: st.DataObject) -> None:
    """Any fill in two of its price leaves the same position, but for the number of fills."""
    split: list[Fill] = []
    for each in fills:
        ticks = int(each.quantity.scaleb(5))
        cut = data.draw(st.integers(0, ticks))
        for part in (cut, ticks - cut):
            if part:
                signed = Decimal(part).scaleb(-5) * each.side.sign
                split.append(fill(signed, each.price, sequence=each.sequence))
    whole, parts = after(fills), after(split)
    assert (parts.quantity, parts.held_cost, parts.average_cost) == (
        whole.quantity,
        whole.held_cost,
        whole.average_cost,
    )
    assert (parts.realised_profit, parts.bought, parts.sold) == (whole.realised_profit, whole.bought, whole.sold)


@given(fill_lists())
def test_only_a_reduction_realises(fills: list[Fill]) -> None:
    """A fill that adds to a position leaves the realised profit as it was, to the last digit."""
    position = after([])
    for each in fills:
        adds = position.quantity * each.signed_quantity >= 0
        before, position = position.realised_profit, position.after(each)
        if adds:
            assert position.realised_profit == before


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_sides_have_a_sign(side: Side, sign: int) -> None:
    """Buying adds, selling takes."""
    assert side.sign == sign
