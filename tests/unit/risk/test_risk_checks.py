"""Every limit at its edge."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.risk.domain.breach import Rule
from services.risk.domain.checks import check, daily_loss
from services.risk.domain.exposure import Account, Exposure
from services.risk.domain.limits import Limits, Parameters, effective
from services.risk.domain.market import Market
from services.risk.domain.reserved import Reserved
from services.risk.domain.values import Proposal, Settled, Side

DAY = 738_000
FIRM = Parameters("")


def limits(**values: Any) -> Limits:
    decimals: dict[str, Any] = {
        name: Decimal(value) if isinstance(value, str) else value for name, value in values.items()
    }
    return effective(Parameters("demo", **decimals), FIRM)


def account_with(position: str = "0", price: str = "100", *, multiplier: str = "1") -> tuple[Account, Exposure]:
    market = Market("AAPL.XNAS", "USD", Decimal(multiplier))
    market.quote("99", "101", "100")
    account = Account("demo", 0, DAY)
    exposure = account.exposure(market)
    if quantity := Decimal(position):
        account.fill(settled(str(quantity), price), market)
    return account, exposure


def settled(signed: str, price: str, *, fee: str = "0", day: int = DAY) -> Settled:
    quantity = Decimal(signed)
    side = Side.BUY if quantity > 0 else Side.SELL
    zero = Decimal(0)
    return Settled(1, "o", "demo", "AAPL.XNAS", side, day, abs(quantity), Decimal(price), Decimal(fee), zero)


def order(quantity: str, price: str | None = "100", side: Side = Side.BUY) -> Proposal:
    return Proposal("p", "demo", "AAPL.XNAS", side, Decimal(quantity), None if price is None else Decimal(price))


def rule_of(account: Account, exposure: Exposure, proposal: Proposal, **values: Any) -> Rule | None:
    breach = check(proposal, account, exposure, limits(**values), fresh=True)
    return None if breach is None else breach.rule


def hold(account: Account, exposure: Exposure, quantity: str, side: Side) -> Reserved:
    reserved = Reserved(account, exposure, side, Decimal(quantity), 0)
    reserved.hold()
    return reserved


@pytest.mark.parametrize(
    ("name", "limit", "fits", "breaks", "rule"),
    [
        ("max_order_size", "10", order("10"), order("10.5"), Rule.MAX_ORDER_SIZE),
        ("max_order_value", "1000", order("10"), order("10", "100.01"), Rule.MAX_ORDER_VALUE),
        ("max_order_value", "1010", order("10", None), order("10.1", None), Rule.MAX_ORDER_VALUE),
        ("max_order_value", "990", order("10", None, Side.SELL), order("11", None, Side.SELL), Rule.MAX_ORDER_VALUE),
        ("max_position_size", "10", order("10"), order("11"), Rule.MAX_POSITION_SIZE),
        ("max_position_size", "10", order("10", side=Side.SELL), order("11", side=Side.SELL), Rule.MAX_POSITION_SIZE),
        ("max_position_value", "1000", order("10"), order("10", "100.01"), Rule.MAX_POSITION_VALUE),
        ("max_position_value", "1000", order("10", "90"), order("11", "90"), Rule.MAX_POSITION_VALUE),
        ("price_band_percent", "5", order("1", "105"), order("1", "105.01"), Rule.PRICE_BAND),
        ("price_band_percent", "5", order("1", "95"), order("1", "94.99"), Rule.PRICE_BAND),
        ("max_daily_trades", 1, order("1"), None, None),
        ("max_daily_volume", "10", order("10"), order("10.5"), Rule.MAX_DAILY_VOLUME),
    ],
)
def test_limit_holds_at_its_edge(name: str, limit: Any, fits: Proposal, breaks: Proposal | None, rule: Rule) -> None:
    """What reaches a limit may go on; what is above it is refused by that rule."""
    account, exposure = account_with()
    assert rule_of(account, exposure, fits, **{name: limit}) is None
    if breaks is not None:
        assert rule_of(account, exposure, breaks, **{name: limit}) == rule


def test_value_counts_the_multiplier() -> None:
    """The value of an order in a future is price times quantity times multiplier."""
    account, exposure = account_with(multiplier="50")
    assert rule_of(account, exposure, order("2"), max_order_value="10000") is None
    assert rule_of(account, exposure, order("3"), max_order_value="10000") == Rule.MAX_ORDER_VALUE


def test_zero_and_absent_are_no_limit() -> None:
    """A limit that is zero or absent refuses nothing, and zero of an account overrides the firm's."""
    assert limits(max_order_size="0").order_size is None
    own, firm = Parameters("demo", max_order_size=Decimal(0)), Parameters("", max_order_size=Decimal(5))
    assert effective(own, firm).order_size is None
    assert effective(Parameters("demo"), firm).order_size == 5
    assert effective(None, firm).order_size == 5


def test_order_that_reduces_is_not_refused_for_its_size() -> None:
    """Selling out of a long position that is above its limit is accepted; buying more is not."""
    account, exposure = account_with("100")
    values = {"max_position_size": "10", "max_position_value": "1000"}
    assert rule_of(account, exposure, order("100", side=Side.SELL), **values) is None
    assert rule_of(account, exposure, order("1"), **values) == Rule.MAX_POSITION_SIZE
    assert rule_of(account, exposure, order("111", side=Side.SELL), **values) == Rule.MAX_POSITION_SIZE


def test_open_orders_count_on_their_side() -> None:
    """Open orders count as if all of their side were filled and none of the other."""
    account, exposure = account_with("5")
    hold(account, exposure, "3", Side.BUY)
    hold(account, exposure, "50", Side.SELL)
    assert rule_of(account, exposure, order("2"), max_position_size="10") is None
    assert rule_of(account, exposure, order("3"), max_position_size="10") == Rule.MAX_POSITION_SIZE
    assert rule_of(account, exposure, order("1", side=Side.SELL), max_position_size="10") == Rule.MAX_POSITION_SIZE


def test_open_orders_count_in_the_day() -> None:
    """The day's fills and volume count open orders: one fill each, and all they may still trade."""
    account, exposure = account_with("5")
    hold(account, exposure, "3", Side.BUY)
    assert rule_of(account, exposure, order("1"), max_daily_trades=3) is None
    assert rule_of(account, exposure, order("1"), max_daily_trades=2) == Rule.MAX_DAILY_TRADES
    assert rule_of(account, exposure, order("2"), max_daily_volume="10") is None
    assert rule_of(account, exposure, order("3"), max_daily_volume="10") == Rule.MAX_DAILY_VOLUME


def test_band_needs_a_price() -> None:
    """Before any price is known there is no band, and a market order is refused."""
    account = Account("demo", 0, DAY)
    exposure = account.exposure(Market("NEW.XNAS", "USD", Decimal(1)))
    assert rule_of(account, exposure, order("1", "1000000"), price_band_percent="1") is None
    assert rule_of(account, exposure, order("1", None)) == Rule.REFERENCE_PRICE


def test_stale_prices_still_make_the_band() -> None:
    """With stale prices a limit order is checked against the last ones known; a market order is refused."""
    account, exposure = account_with()
    band = limits(price_band_percent="5")
    far = check(order("1", "200"), account, exposure, band, fresh=False)
    assert far is not None
    assert far.rule == Rule.PRICE_BAND
    assert (far.limit, far.observed, far.unit) == ("5", "100", "percent")
    assert check(order("1", "100"), account, exposure, band, fresh=False) is None
    unpriced = check(order("1", None), account, exposure, band, fresh=False)
    assert unpriced is not None
    assert unpriced.rule == Rule.REFERENCE_PRICE


@pytest.mark.parametrize(
    ("quote", "reference", "buying", "selling"),
    [
        (("", "", ""), None, None, None),
        (("99", "", ""), "99", None, "99"),
        (("", "101", ""), "101", "101", None),
        (("99", "102", ""), "100.5", "102", "99"),
        (("", "", "100"), "100", "100", "100"),
        (("99", "101", "100"), "100", "101", "99"),
        (("99", "101", "90"), "99", "101", "99"),
        (("99", "101", "110"), "101", "101", "99"),
        (("99", "", "90"), "99", "90", "99"),
    ],
)
def test_reference_and_taking_price(
    quote: tuple[str, str, str], reference: str | None, buying: str | None, selling: str | None
) -> None:
    """The reference is the last trade's price within bid and ask; a market order takes the other side's."""
    market = Market("AAPL.XNAS", "USD", Decimal(1))
    market.quote(*quote)
    told = (market.reference(), market.taking(Side.BUY), market.taking(Side.SELL))
    assert told == tuple(None if price is None else Decimal(price) for price in (reference, buying, selling))


def test_daily_loss_counts_realised_unrealised_and_fees() -> None:
    """The day's loss is money of fills, fees and the position's move together."""
    account, exposure = account_with("10", "100")
    account.fill(settled("-4", "95", fee="1"), exposure.market)
    exposure.market.quote("", "", "90")
    assert account.day_profits() == {"USD": Decimal(-20 - 1 - 60)}
    assert daily_loss(account, limits(max_daily_loss="81.01")) is None
    breach = daily_loss(account, limits(max_daily_loss="81"))
    assert breach is not None
    assert (breach.rule, breach.observed, breach.unit) == (Rule.MAX_DAILY_LOSS, "81", "USD")


def test_new_day_begins_at_the_price_of_its_beginning() -> None:
    """What a position lost before today does not count today."""
    account, exposure = account_with("10", "100")
    exposure.market.quote("", "", "90")
    assert account.day_profits() == {"USD": Decimal(-100)}
    account.begin_day(DAY + 1)
    assert account.day_profits() == {"USD": Decimal(0)}
    exposure.market.quote("", "", "88")
    account.fill(settled("-10", "87", day=DAY + 1), exposure.market)
    assert account.day_profits() == {"USD": Decimal(-30)}
    assert (account.day_trades, account.day_volume) == (1, 10)


def test_late_fill_counts_in_the_present_day() -> None:
    """A fill of a day that is over counts in the present one: a day never comes back."""
    account, exposure = account_with()
    account.begin_day(DAY + 1)
    account.fill(settled("1", "100", day=DAY), exposure.market)
    assert (account.day, account.day_trades) == (DAY + 1, 1)


def test_loss_counts_in_each_currency_by_itself() -> None:
    """A profit in one currency does not make up for a loss in another."""
    account, exposure = account_with("10", "100")
    exposure.market.quote("", "", "90")
    other = Market("BTC-USDT.BINANCE", "USDT", Decimal(1))
    account.fill(settled("1", "100"), other)
    other.quote("", "", "1000")
    assert daily_loss(account, limits(max_daily_loss="100")) is not None


def stop_order(stop: str, limit: str | None = None, side: Side = Side.BUY, quantity: str = "1") -> Proposal:
    return order(quantity, limit, side)._replace(stop_price=Decimal(stop))


@pytest.mark.parametrize(
    ("proposal", "value", "refused"),
    [
        (stop_order("120"), "120", False),
        (stop_order("120"), "119.99", True),
        (stop_order("90"), "101", False),
        (stop_order("90"), "100.99", True),
        (stop_order("90", side=Side.SELL), "99", False),
        (stop_order("90", side=Side.SELL), "98.99", True),
        (stop_order("120", "125"), "125", False),
        (stop_order("120", "125"), "124.99", True),
    ],
)
def test_a_stop_order_is_valued_where_it_comes_to_the_market(proposal: Proposal, value: str, refused: bool) -> None:
    """At its stop price, or what it would trade at now if that is dearer; a stop-limit order at its limit."""
    account, exposure = account_with()
    found = rule_of(account, exposure, proposal, max_order_value=value, price_band_percent="0")
    assert found == (Rule.MAX_ORDER_VALUE if refused else None)


def test_a_stop_order_needs_no_fresh_price() -> None:
    """A market order does."""
    account, exposure = account_with()
    assert check(stop_order("120"), account, exposure, limits(), fresh=False) is None
    assert check(order("1", None), account, exposure, limits(), fresh=False) is not None


@pytest.mark.parametrize(
    ("proposal", "refused"),
    [
        (stop_order("110"), False),
        (stop_order("110.01"), True),
        (stop_order("89.99", side=Side.SELL), True),
        (stop_order("110", "121"), False),
        (stop_order("110", "121.01"), True),
        (stop_order("110", "98.99"), True),
        (stop_order("110.01", "110"), True),
    ],
)
def test_the_band_of_a_stop_order(proposal: Proposal, refused: bool) -> None:
    """Its stop price is held against the reference price, its limit against the stop price."""
    account, exposure = account_with()
    found = rule_of(account, exposure, proposal, price_band_percent="10")
    assert found == (Rule.PRICE_BAND if refused else None)
