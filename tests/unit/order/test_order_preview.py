"""What an order would cost by a book: every figure exact, by its formula."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.events import place
from services.order.domain.instructions import Instructions
from services.order.domain.preview import BeyondDepthError, Depth, Level, as_met, estimate
from services.order.domain.values import OrderType, Side, TimeInForce
from tests.fakes.orders import terms

MARKET: dict[str, Any] = {"type": OrderType.MARKET, "time_in_force": TimeInForce.IOC, "limit_price": None}


def levels(*pairs: str) -> tuple[Level, ...]:
    """Returns levels of strings such as `100@101.5`."""
    return tuple(
        Level(Decimal(price), Decimal(quantity)) for quantity, price in (pair.split("@", maxsplit=1) for pair in pairs)
    )


def depth(bids: Sequence[Level] = (), asks: Sequence[Level] = (), most: int = 1000, multiplier: str = "1") -> Depth:
    """Returns a book."""
    return Depth(bids, asks, most, currency="USD", multiplier=Decimal(multiplier))


BOOK = depth(levels("50@99", "70@98"), levels("10@101", "20@102", "30@105"))


def test_a_market_order_walks_the_depth() -> None:
    """25 take 10 at 101 and 15 at 102; spread and slippage are held against the middle, 100."""
    cost = estimate(terms(quantity="25", **MARKET), BOOK)
    assert (cost.filled, cost.remaining, cost.rests, cost.worst) == (25, 0, False, 102)
    assert cost.notional == 10 * 101 + 15 * 102
    assert cost.average == Decimal("101.6")
    assert (cost.mid, cost.spread_cost, cost.slippage) == (100, 25, 2540 - 2500)
    rate = Decimal("0.0005")
    assert cost.fee(rate) == Decimal("1.27")
    assert cost.net(Side.BUY, rate) == Decimal("2541.27")
    assert cost.limit_notional is None


def test_a_sale_walks_the_bids() -> None:
    """The fee is taken from what comes in; costs against the middle are positive for a sale too."""
    cost = estimate(terms(quantity="60", side=Side.SELL, **MARKET), BOOK)
    assert (cost.notional, cost.worst) == (50 * 99 + 10 * 98, 98)
    assert (cost.spread_cost, cost.slippage) == (60, 6000 - 5930)
    assert cost.net(Side.SELL, Decimal("0.01")) == Decimal("5870.7")


def test_a_market_order_tells_what_is_left() -> None:
    """All 60 of the asks fill; of 100, 40 are left and are canceled."""
    cost = estimate(terms(quantity="100", **MARKET), BOOK)
    assert (cost.filled, cost.remaining, cost.rests, cost.worst) == (60, 40, False, 105)


@pytest.mark.parametrize(
    ("time_in_force", "filled", "rests"),
    [
        (TimeInForce.GTC, 30, True),
        (TimeInForce.DAY, 30, True),
        (TimeInForce.IOC, 30, False),
        (TimeInForce.FOK, 0, False),
    ],
)
def test_a_limit_order_goes_as_far_as_its_limit(time_in_force: TimeInForce, filled: int, rests: bool) -> None:
    """Only levels at the limit or better; what is left waits, or is canceled; all or nothing means nothing."""
    cost = estimate(terms(quantity="40", limit_price="104.99", time_in_force=time_in_force), BOOK)
    assert (cost.filled, cost.remaining, cost.rests) == (filled, 40 - filled, rests)
    assert cost.limit_notional == Decimal("4199.60")
    assert (cost.worst is None, cost.average is None) == (filled == 0, filled == 0)


def test_the_multiplier_counts_in_all_money() -> None:
    """A future of 50 units: value, spread cost and slippage are fifty times those of one."""
    cost = estimate(terms(quantity="25", **MARKET), depth(BOOK.bids, BOOK.asks, multiplier="50"))
    assert (cost.notional, cost.spread_cost, cost.slippage) == (2540 * 50, 25 * 50, 40 * 50)
    assert cost.average == Decimal("101.6")


@pytest.mark.parametrize("book", [depth(), depth(bids=levels("5@99")), depth(asks=levels("5@101"))])
def test_a_book_with_a_side_missing(book: Depth) -> None:
    """Without a middle there is no cost against it; without the other side nothing fills."""
    cost = estimate(terms(quantity="5", limit_price="200"), book)
    assert (cost.mid, cost.spread_cost, cost.slippage) == (None, None, None)
    assert cost.filled == (5 if book.asks else 0)
    assert cost.notional == (505 if book.asks else 0)


def test_what_lies_beyond_the_levels_told_is_not_guessed() -> None:
    """A side that has as many levels as were asked for may go on: no estimate. Within the limit price it is known."""
    book = depth(BOOK.bids, BOOK.asks, most=3)
    with pytest.raises(BeyondDepthError):
        estimate(terms(quantity="61", **MARKET), book)
    assert estimate(terms(quantity="60", **MARKET), book).filled == 60
    assert estimate(terms(quantity="61", limit_price="104"), book).filled == 30


def test_a_stop_order_waits_whatever_the_book_offers() -> None:
    """Nothing of it fills now, nothing of it is guessed beyond the depth, and it waits with any time in force."""
    waiting = Instructions(stop_price=Decimal(101))
    for time_in_force in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK):
        order = terms(type=OrderType.STOP, limit_price=None, instructions=waiting, time_in_force=time_in_force)
        cost = estimate(order, depth(asks=levels("10@101"), most=1))
        assert (cost.filled, cost.remaining, cost.rests, cost.worst) == (0, 100, True, None)


def test_a_post_only_order_rests_or_is_refused() -> None:
    """Where it would take, nothing fills and nothing rests."""
    passive = Instructions(post_only=True)
    for price, rests in (("100.99", True), ("101", False)):
        cost = estimate(terms(limit_price=price, instructions=passive), BOOK)
        assert (cost.filled, cost.rests) == (0, rests)


def test_own_orders_that_wait_are_in_nobodys_way() -> None:
    """They are in no book."""
    stop = terms(
        type=OrderType.STOP_LIMIT,
        side=Side.SELL,
        limit_price="101",
        instructions=Instructions(stop_price=Decimal(95)),
    )
    own = [place(stop, 1, 1).order]
    assert estimate(terms(quantity="10", limit_price="101"), BOOK, own).own_opposite == 0


def test_own_orders_in_the_way_are_told() -> None:
    """Those of the other side and the instrument that would be reached, by what is left of them."""
    own = [
        place(terms(side=Side.SELL, quantity="7", limit_price="102"), 1, 1).order,
        place(terms(side=Side.SELL, quantity="100", limit_price="103"), 2, 1).order,
        place(terms(side=Side.BUY, quantity="100", limit_price="90"), 3, 1).order,
        place(terms(side=Side.SELL, quantity="100", limit_price="102", instrument="MSFT.XNAS"), 4, 1).order,
    ]
    assert estimate(terms(quantity="25", **MARKET), BOOK, own).own_opposite == 7
    assert estimate(terms(quantity="1", limit_price="50"), BOOK, own).own_opposite == 0


_PRICES = st.lists(st.decimals("0.01", "99999", places=2), min_size=1, max_size=12, unique=True)
_QUANTITIES = st.decimals("0.001", "99999", places=3)


@given(prices=_PRICES, quantity=_QUANTITIES, limit=st.none() | st.decimals("0.01", "99999", places=2), data=st.data())
def test_every_unit_is_counted_one_by_one(
    prices: list[Decimal], quantity: Decimal, limit: Decimal | None, data: st.DataObject
) -> None:
    """The same figures as a plain sum in thousandths of a unit: nothing is rounded, the limit is kept."""
    asks = tuple(Level(price, data.draw(_QUANTITIES)) for price in sorted(prices))
    order = terms(quantity=str(quantity), limit_price=None if limit is None else str(limit))
    cost = estimate(order, depth((Level(Decimal("0.005"), Decimal(1)),), asks))
    left, paid = int(quantity * 1000), 0
    for price, offered in asks:
        taken = min(left, int(offered * 1000)) if limit is None or price <= limit else 0
        left -= taken
        paid += taken * int(price * 100)
    assert (int(cost.remaining * 1000), cost.paid * 100_000) == (left, paid)
    assert cost.filled + cost.remaining == quantity
    assert cost.slippage is not None
    assert cost.spread_cost is not None
    assert cost.slippage >= cost.spread_cost >= 0


@pytest.mark.parametrize(
    ("type_", "stop_price", "last", "filled", "rests"),
    [
        (OrderType.STOP, "100", "100", 40, False),
        (OrderType.STOP, "100", "99.99", 0, True),
        (OrderType.STOP, "100", None, 0, True),
        (OrderType.STOP_LIMIT, "100", "101", 30, True),
        (OrderType.MARKET_IF_TOUCHED, "100", "99", 40, False),
        (OrderType.MARKET_IF_TOUCHED, "100", "101", 0, True),
        (OrderType.LIMIT_IF_TOUCHED, "100", "100", 30, True),
        (OrderType.TRAILING_STOP, "100", "101", 40, False),
    ],
)
def test_an_order_whose_price_is_reached_is_what_it_becomes(
    type_: OrderType, stop_price: str, last: str | None, filled: int, rests: bool
) -> None:
    """It is released at once: it meets the book as a market or limit order. Others wait."""
    limit = "102" if type_ in (OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED) else None
    waiting = terms(type=type_, quantity="40", limit_price=limit, instructions=Instructions(Decimal(stop_price)))
    cost = estimate(as_met(waiting, None if last is None else Decimal(last)), BOOK)
    assert (cost.filled, cost.remaining, cost.rests) == (filled, 40 - filled, rests)
