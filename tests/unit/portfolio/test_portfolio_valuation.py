"""What positions and cash are worth, by currency and in total."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.portfolio.v1 import position_pb2
from ordermesh.type.v1 import trading_pb2
from services.portfolio.domain.account import Balance
from services.portfolio.domain.fill import Fill, InstrumentTerms
from services.portfolio.domain.position import Position, new_position
from services.portfolio.domain.price import Pair, Price, Rates, price_of
from services.portfolio.domain.valuation import value
from services.portfolio.domain.values import Environment, PriceSource, Side

D = Decimal


def price(value: str, *, stale: bool = False) -> Price:
    """Returns a price in the middle."""
    return Price(D(value), PriceSource.MID, stale)


def pair(base: str, quote: str, rate: str, *, stale: bool = False) -> Pair:
    """Returns a quoted pair."""
    return Pair(base, quote, price(rate, stale=stale))


def held(name: str, currency: str, quantity: str, cost: str, fee: str = "0") -> Position:
    """Returns a position that one fill made."""
    signed = D(quantity)
    side = Side.BUY if signed > 0 else Side.SELL
    booked = Fill("t", "a", name, side, D(cost), abs(signed), D(fee), 1, 1)
    return new_position("a", InstrumentTerms(name, currency, D(1))).after(booked)


def test_the_middle_of_bid_and_ask_is_the_price() -> None:
    """With both sides of the book there, the middle counts, exact to half a tick, whatever traded last."""
    assert price_of(D("1.01"), D("1.02"), D("9")) == Price(D("1.015"), PriceSource.MID)


def test_the_last_trade_counts_when_a_side_is_missing() -> None:
    """One side alone is no price."""
    assert price_of(D(1), None, D(3), stale=True, at_ns=7) == Price(D(3), PriceSource.LAST, stale=True, at_ns=7)
    assert price_of(None, D(2), D(3)) == Price(D(3), PriceSource.LAST)


def test_nothing_is_made_up_where_nothing_is_known() -> None:
    """Without two sides and without a trade there is no price."""
    assert price_of(D(1), None, None) is None
    assert price_of(None, None, None) is None


@pytest.mark.parametrize(
    ("currency", "base", "expected"),
    [
        ("USD", "USD", "1"),
        ("EUR", "USD", "1.1"),
        ("USD", "EUR", "0.909090909090909091"),
        ("JPY", "USD", "0.006666666666666667"),
        ("EUR", "JPY", "165.0"),
        ("INR", "USD", None),
        ("USDT", "USD", None),
    ],
)
def test_rates_come_from_quoted_pairs_alone(currency: str, base: str, expected: str | None) -> None:
    """Directly, by the inverse, or through a third currency; without pairs that lead there, not at all."""
    rates = Rates([pair("EUR", "USD", "1.1"), pair("USD", "JPY", "150"), pair("BTC", "USDT", "60000")])
    rate = rates.rate(currency, base)
    assert (None if rate is None else rate.value) == (None if expected is None else D(expected))


def test_the_way_with_the_fewest_pairs_counts() -> None:
    """A direct quote is taken even when a way through others says something else."""
    rates = Rates([pair("A", "B", "2"), pair("B", "C", "2"), pair("A", "C", "5")])
    found = rates.rate("A", "C")
    assert found is not None
    assert found.value == D(5)


def test_a_rate_through_a_lost_feed_is_stale() -> None:
    """One stale pair on the way makes the rate stale."""
    rates = Rates([pair("A", "B", "2", stale=True), pair("B", "C", "3")])
    found = rates.rate("A", "C")
    assert found is not None
    assert (found.value, found.stale) == (D(6), True)


def test_totals_hold_what_can_be_converted_and_name_what_cannot() -> None:
    """USD and EUR are totalled in USD; INR has no rate and stands for itself."""
    valuation = value(
        "USD",
        {"USD": Balance(D(1000), D(2000)), "EUR": Balance(D(10), D(10)), "INR": Balance(D(5), D(5))},
        [held("AAPL.XNAS", "USD", "10", "100", fee="1")],
        {"AAPL.XNAS": price("103")},
        Rates([pair("EUR", "USD", "1.1")]),
    )
    assert [each.currency for each in valuation.currencies] == ["EUR", "INR", "USD"]
    assert valuation.unconverted == ("INR",)
    assert valuation.total.cash == D(1011)
    assert valuation.total.market_value == D(1030)
    assert valuation.total.equity == D(2041)
    assert (valuation.total.unrealised_profit, valuation.total.fees) == (D(30), D(1))
    assert (valuation.unpriced, valuation.stale) == (0, False)


def test_a_position_without_a_price_is_counted_and_in_no_value() -> None:
    """Its market value is not zero but unknown; a closed one needs no price."""
    closed = held("B.XNAS", "USD", "1", "5").after(Fill("t", "a", "B.XNAS", Side.SELL, D(7), D(1), D(0), 2, 2))
    valuation = value("USD", {}, [held("A.XNAS", "USD", "1", "5"), closed], {}, Rates([]))
    assert valuation.unpriced == 1
    assert valuation.total.market_value == D(0)
    assert valuation.total.realised_profit == D(2)


def test_a_stale_price_makes_the_valuation_stale() -> None:
    """Whoever reads the total can see that a part of it may be old."""
    valuation = value("USD", {}, [held("A.XNAS", "USD", "1", "5")], {"A.XNAS": price("6", stale=True)}, Rates([]))
    assert valuation.stale


def test_an_empty_currency_is_not_told_as_unconverted() -> None:
    """A balance of zero is missing in no total."""
    assert value("USD", {"INR": Balance()}, [], {}, Rates([])).unconverted == ()


amounts = st.decimals("-1000000", "1000000", places=4)


@given(cash=amounts, quantity=st.integers(-50, 50).filter(bool), cost=st.integers(1, 500), now=st.integers(1, 500))
def test_equity_is_opening_cash_plus_profit_less_fees(cash: Decimal, quantity: int, cost: int, now: int) -> None:
    """In each currency: equity = opening cash + realised + unrealised - fees."""
    position = held("A.XNAS", "USD", str(quantity), str(cost), fee="0.25")
    balance = Balance(cash - quantity * cost - D("0.25"), cash)
    valuation = value("USD", {"USD": balance}, [position], {"A.XNAS": price(str(now))}, Rates([]))
    usd = valuation.currencies[0].amounts
    assert usd.equity == cash + usd.realised_profit + usd.unrealised_profit - usd.fees


@pytest.mark.parametrize(
    ("ours", "theirs", "prefix"),
    [
        (Side, trading_pb2.Side, "SIDE_"),
        (Environment, trading_pb2.Environment, "ENVIRONMENT_"),
        (PriceSource, position_pb2.PriceSource, "PRICE_SOURCE_"),
    ],
)
def test_enumerations_are_the_contracts(ours: type[IntEnum], theirs: Any, prefix: str) -> None:
    """Each value has the number that the contract gives it, and none is missing."""
    contract = {name.removeprefix(prefix): number for name, number in theirs.items() if number}
    assert {each.name: each.value for each in ours} == contract
