"""Plans of smart order routing: by hand for small books, and bounds that always hold."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.order.domain.algorithms.routing import Routing, Wanted, plan_routes, resting_route
from services.order.domain.algorithms.routing_costs import Candidate, Market, price_volatility, unit_cost
from services.order.domain.instruments import Instrument
from services.order.domain.preview import Level
from services.order.domain.values import Side
from tests.fakes.order_routes import levels

CENT, ZERO = Decimal("0.01"), Decimal(0)


def candidate(
    name: str,
    *,
    fee_rate: str = "0",
    latency: float = 0.0,
    fills: float = 1.0,
    lot: str = "1",
    least: str = "1",
    connection_id: str = "simulation",
) -> Candidate:
    """Returns a listing over a connection."""
    instrument = Instrument(f"AAPL.{name}", CENT, Decimal(lot), Decimal(least), Decimal(1_000_000))
    return Candidate(instrument, connection_id, Decimal(fee_rate), latency, fills)


def market(**books: tuple[tuple[str, str], ...]) -> Market:
    """Returns a calm market with a spread of a cent."""
    return Market({f"AAPL.{name}": levels(*offers) for name, offers in books.items()}, CENT, 0.0)


def buy(quantity: str, limit: str | None = None, most: str | None = None) -> Wanted:
    """Returns what a buy order wants."""
    limit_price, most_each = (None if text is None else Decimal(text) for text in (limit, most))
    return Wanted(Side.BUY, Decimal(quantity), limit_price, most_each)


def told(routing: Routing) -> list[tuple[str, str, Decimal, Decimal]]:
    """Returns the routes in short."""
    return [(each.instrument[5:], each.connection_id, each.quantity, each.limit_price) for each in routing.routes]


TWO_BOOKS = market(A=(("10.02", "30"), ("10.05", "100")), B=(("10.00", "20"), ("10.03", "40")))


def test_the_cheapest_units_of_all_books_are_taken() -> None:
    """Levels of both books are taken in the order of their price; each child is limited by its last level."""
    routing = plan_routes(buy("70"), [candidate("A"), candidate("B")], TWO_BOOKS)
    assert told(routing) == [
        ("B", "simulation", Decimal(40), Decimal("10.03")),
        ("A", "simulation", Decimal(30), Decimal("10.02")),
    ]
    assert routing.routes[0].expected_price == Decimal("10.015")
    assert not routing.unrouted
    # 20 at the best price, 30 two cents and 20 three cents above it.
    assert routing.cost == Decimal("1.20")


def test_nothing_beyond_the_limit_is_taken() -> None:
    """What is dearer than the limit stays unrouted."""
    routing = plan_routes(buy("100", "10.02"), [candidate("A"), candidate("B")], TWO_BOOKS)
    assert [(name, quantity) for name, _, quantity, _ in told(routing)] == [("B", 20), ("A", 30)]
    assert routing.unrouted == 50


def test_a_fee_turns_the_order_around() -> None:
    """A better price over a connection with a fee is dearer than a worse one without."""
    free, dear = candidate("A"), candidate("B", fee_rate="0.01")
    routing = plan_routes(buy("20"), [free, dear], TWO_BOOKS)
    assert told(routing) == [("A", "simulation", Decimal(20), Decimal("10.02"))]


def test_of_two_connections_to_one_book_the_cheaper_is_taken_and_its_depth_counts_once() -> None:
    """Two ways to one book offer no more than the book."""
    ways = [candidate("B", fee_rate="0.001", connection_id="dear"), candidate("B", connection_id="cheap")]
    routing = plan_routes(buy("100"), ways, TWO_BOOKS)
    assert told(routing) == [("B", "cheap", Decimal(60), Decimal("10.03"))]
    assert routing.unrouted == 40


def test_a_listing_gets_no_more_than_the_most_for_one() -> None:
    """max_venue_quantity bounds a listing over all connections."""
    routing = plan_routes(buy("70", most="25"), [candidate("A"), candidate("B")], TWO_BOOKS)
    assert {name: quantity for name, _, quantity, _ in told(routing)} == {"A": 25, "B": 25}
    assert routing.unrouted == 20


def test_lots_and_least_quantities_of_each_listing_are_kept() -> None:
    """What a listing cannot take for its lot goes to another one."""
    routing = plan_routes(buy("35"), [candidate("A", lot="10"), candidate("B", least="30")], TWO_BOOKS)
    assert told(routing) == [("B", "simulation", Decimal(35), Decimal("10.03"))]


def test_one_listing_alone_is_taken_when_its_lots_make_it_better() -> None:
    """Cheap units of one book must not keep another, of large lots, from filling all of the order."""
    books = market(A=(("10.02", "100"),), B=(("10.00", "50"),))
    routing = plan_routes(buy("100"), [candidate("A", lot="100", least="100"), candidate("B")], books)
    assert told(routing) == [("A", "simulation", Decimal(100), Decimal("10.02"))]
    assert not routing.unrouted


def test_the_cost_of_a_unit_is_that_of_the_contract() -> None:
    """Slippage, fee, what the market moves meanwhile, and what it costs when it does not fill."""
    moving = Market({"AAPL.A": levels(("10", "1"))}, Decimal("0.02"), 0.1)
    slow = candidate("A", fee_rate="0.001", latency=0.5, fills=0.9)
    moved = 0.1 * math.sqrt(0.5 / (2 * math.pi))
    later = 0.1 * (0.02 + 0.1 * math.sqrt(1 / (2 * math.pi)))
    cost = unit_cost(slow, Decimal("10.5"), Side.BUY, moving)
    assert float(cost) == pytest.approx(0.5 + 0.0105 + moved + later, abs=1e-11)


def test_an_unknown_volatility_is_thirty_percent_a_year() -> None:
    """A price of 100 moves 30 in a year, by the root of time."""
    assert price_volatility(None, Decimal(100)) * math.sqrt(365 * 86_400) == pytest.approx(30)
    assert price_volatility(Decimal(3), Decimal(100)) * math.sqrt(86_400) == pytest.approx(3)


def test_what_is_left_rests_where_the_other_side_is_nearest() -> None:
    """The limit is cut to the tick of the listing, on the own side; a market order does not rest."""
    ways = [candidate("A"), candidate("B")]
    route = resting_route(buy("5", "9.995"), ways, TWO_BOOKS)
    assert route is not None
    assert (route.instrument, route.quantity, route.limit_price) == ("AAPL.B", 5, Decimal("9.99"))
    assert route.rests
    assert resting_route(buy("5"), ways, TWO_BOOKS) is None


prices = st.integers(990, 1_010).map(lambda ticks: ticks * CENT)
offered = st.lists(st.tuples(prices, st.integers(1, 60)), max_size=5, unique_by=lambda level: level[0])
connections = st.tuples(
    st.sampled_from("ABC"), st.sampled_from(["0", "0.0005", "0.003"]), st.floats(0, 0.5), st.floats(0.1, 1)
)


@given(
    st.fixed_dictionaries(dict.fromkeys("ABC", offered)),
    st.lists(connections, min_size=1, max_size=5),
    st.builds(
        Wanted,
        st.sampled_from(list(Side)),
        st.integers(1, 150).map(Decimal),
        st.one_of(st.none(), prices),
        st.one_of(st.none(), st.integers(1, 60).map(Decimal)),
    ),
)
def test_a_plan_adds_up_keeps_the_limit_and_is_dearer_than_no_listing_alone(
    offers: dict[str, list[tuple[Decimal, int]]], ways: list[tuple[str, str, float, float]], wanted: Wanted
) -> None:
    """Whatever the books: no unit is made up or taken twice, and one listing alone fills no more and no cheaper."""
    sell = wanted.side is Side.SELL
    books = {
        f"AAPL.{name}": sorted((Level(price, Decimal(quantity)) for price, quantity in book), reverse=sell)
        for name, book in offers.items()
    }
    moving = Market(books, CENT, 0.01)
    candidates = [
        candidate(name, fee_rate=fee, latency=latency, fills=fills, connection_id=str(number))
        for number, (name, fee, latency, fills) in enumerate(ways)
    ]
    routing = plan_routes(wanted, candidates, moving)
    assert sum((each.quantity for each in routing.routes), ZERO) + routing.unrouted == wanted.quantity
    assert routing.unrouted >= 0
    for name, book in books.items():
        mine = [each for each in routing.routes if each.instrument == name]
        reachable = sum((level.quantity for level in book if wanted.reaches(level.price)), ZERO)
        assert sum((each.quantity for each in mine), ZERO) <= min(reachable, wanted.max_venue_quantity or reachable)
        assert all(wanted.reaches(each.limit_price) and each.quantity > 0 for each in mine)
    for alone in candidates:
        single = plan_routes(wanted, [alone], moving)
        assert (routing.unrouted, routing.cost) <= (single.unrouted, single.cost)
