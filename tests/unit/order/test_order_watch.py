"""Orders that wait for a price: what releases them, how a stop price follows the market, what was missed."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.order.domain.conditions import expires_at_ns, followed, reached
from services.order.domain.events import place
from services.order.domain.held import venue_terms
from services.order.domain.instructions import Instructions
from services.order.domain.market_trade import MarketTrade
from services.order.domain.order import Order
from services.order.domain.replacing import released, with_terms
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import OrderStatus, OrderType, Side, TimeInForce
from services.order.domain.watch import Watch
from tests.fakes.orders import terms

TICK = Decimal("0.05")
TYPES = (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.MARKET_IF_TOUCHED, OrderType.LIMIT_IF_TOUCHED)
LIMITED = (OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED)


def waiting(
    type_: OrderType,
    side: Side = Side.SELL,
    stop: str | Decimal | None = None,
    trailing: TrailingStop | None = None,
    **changes: Any,
) -> OrderTerms:
    """Returns the terms of an order that waits here."""
    return terms(
        type=type_,
        side=side,
        limit_price="100" if type_ in LIMITED else None,
        instructions=Instructions(None if stop is None else Decimal(stop), trailing=trailing, held_here=True),
        **changes,
    )


def held(each: OrderTerms, at_ns: int = 0) -> Order:
    """Returns an order that was placed and is held."""
    order = place(each, 1, at_ns).order
    assert order.status is OrderStatus.SUSPENDED
    return order


def trade(number: int, price: str | Decimal, at_ns: int | None = None, epoch: str = "e") -> MarketTrade:
    """Returns a trade."""
    return MarketTrade(epoch, number, Decimal(price), number if at_ns is None else at_ns)


def in_step(*trades: MarketTrade) -> Watch:
    """Returns a watch that has seen trades and misses none."""
    watch = Watch()
    assert not list(watch.catch_up(trades, TICK))
    return watch


def ids(found: Iterable[tuple[str, object]]) -> list[str]:
    """Returns the orders that were reached."""
    return [order_id for order_id, _ in found]


@pytest.mark.parametrize(
    ("type_", "side", "prices", "reaching"),
    [
        (OrderType.STOP, Side.SELL, ("100.05", "101"), ("100", "99")),
        (OrderType.STOP_LIMIT, Side.BUY, ("99.95", "90"), ("100", "100.05")),
        (OrderType.MARKET_IF_TOUCHED, Side.SELL, ("99.95", "90"), ("100", "101")),
        (OrderType.LIMIT_IF_TOUCHED, Side.BUY, ("100.05", "101"), ("100", "99.95")),
    ],
)
def test_what_reaches_an_order(
    type_: OrderType, side: Side, prices: tuple[str, ...], reaching: tuple[str, ...]
) -> None:
    """A stop waits for the market to go past it, an order to be touched for the market to come to it: its mirror."""
    order = held(waiting(type_, side, "100"))
    for price in reaching:
        watch = in_step()
        assert watch.put(order, 0) is None
        for number, other in enumerate(prices, 1):
            assert not ids(watch.trade(trade(number, other)))
        assert ids(watch.trade(trade(9, price))) == [order.terms.order_id]
        assert not len(watch)
        assert reached(order.terms, Decimal(price))


@pytest.mark.parametrize(
    ("side", "trailing", "price", "stop"),
    [
        (Side.SELL, TrailingStop(amount=Decimal("2.01")), "100", "97.95"),
        (Side.BUY, TrailingStop(amount=Decimal("2.01")), "100", "102.05"),
        (Side.SELL, TrailingStop(percent=Decimal("1.5")), "101.05", "99.5"),
        (Side.BUY, TrailingStop(percent=Decimal("1.5")), "101.05", "102.6"),
        (Side.SELL, TrailingStop(ticks=3), "100", "99.85"),
        (Side.BUY, TrailingStop(ticks=3), "100", "100.15"),
        (Side.SELL, TrailingStop(amount=Decimal(100)), "100", None),
        (Side.SELL, TrailingStop(amount=Decimal("99.96")), "100", None),
    ],
)
def test_the_stop_price_behind_a_trade(side: Side, trailing: TrailingStop, price: str, stop: str | None) -> None:
    """What is between two ticks is rounded away from the market; a distance that reaches down to zero makes none."""
    assert trailing.stop_price(side, Decimal(price), TICK) == (None if stop is None else Decimal(stop))


def test_a_trailing_stop_follows_and_never_goes_back() -> None:
    """It begins with the last trade known; the one it was given to begin with holds until the market has passed it."""
    watch = in_step(trade(1, "100"))
    order = held(waiting(OrderType.TRAILING_STOP, stop="99", trailing=TrailingStop(amount=Decimal(2))))
    assert watch.put(order, 0) is None
    order_id = order.terms.order_id
    for number, (price, stop) in enumerate((("99.5", "99"), ("102", "100"), ("100.5", "100"), ("103", "101")), 2):
        assert not ids(watch.trade(trade(number, price)))
        seen = watch.seen(order_id)
        assert seen is not None
        now = seen.applied(order.terms).instructions
        assert now is not None
        assert now.stop_price == Decimal(stop)
    [(found, seen)] = watch.trade(trade(9, "101"))
    assert (found, seen.reference_price, seen.price) == (order_id, Decimal(103), Decimal(101))


def test_a_buy_order_follows_the_market_down() -> None:
    """Its stop price is above the lowest trade."""
    watch = in_step()
    order = held(waiting(OrderType.TRAILING_STOP, Side.BUY, trailing=TrailingStop(ticks=20)))
    assert watch.put(order, 0) is None
    for number, price in enumerate(("100", "98", "98.95"), 1):
        assert not ids(watch.trade(trade(number, price)))
    assert ids(watch.trade(trade(4, "99"))) == [order.terms.order_id]


def test_what_the_last_trade_has_reached_is_released_at_once() -> None:
    """Also by a new stop price; while no trade is known an order waits."""
    order = held(waiting(OrderType.STOP, stop="100"))
    assert in_step().put(order, 0) is None
    seen = in_step(trade(1, "99.5")).put(order, 0)
    assert seen is not None
    assert (seen.price, seen.at_ns) == (Decimal("99.5"), 1)


def test_orders_at_one_price_go_in_the_order_of_their_age() -> None:
    """Among those of one trade the nearest goes first, then the oldest."""
    watch = in_step()
    orders = [held(waiting(OrderType.STOP, stop=stop)) for stop in ("99", "100", "100", "101")]
    for order in reversed(orders):
        watch.put(order, 0)
    first = [orders[3], orders[1], orders[2], orders[0]]
    assert ids(watch.trade(trade(1, "99"))) == [order.terms.order_id for order in first]


def test_trades_that_were_missed_are_taken_in_their_order() -> None:
    """Each order meets the trades since it began to wait, and the last one before; what came twice counts once."""
    watch = Watch()
    early, late, touched = (
        held(waiting(OrderType.STOP, stop="98")),
        held(waiting(OrderType.STOP, stop="97")),
        held(waiting(OrderType.LIMIT_IF_TOUCHED, stop="101")),
    )
    for order, begins_ns in ((early, 10), (late, 30), (touched, 25)):
        assert watch.put(order, begins_ns) is None
    assert watch.begins_ns == 10
    missed = [trade(1, "99", 5), trade(2, "96", 20), trade(3, "101", 24), trade(4, "97.5", 28), trade(5, "99", 31)]
    found = list(watch.catch_up(missed, TICK))
    assert [(order_id, seen.price) for order_id, seen in found] == [
        (early.terms.order_id, Decimal(96)),
        (touched.terms.order_id, Decimal(101)),
    ]
    assert not ids(watch.trade(trade(5, "90", 31)))
    assert ids(watch.trade(trade(6, "97", 32))) == [late.terms.order_id]


def test_a_restarted_order_follows_from_where_it_was() -> None:
    """What was logged is where it goes on; the trades since raise it, and reach it."""
    trailing = TrailingStop(percent=Decimal(1), reference_price=Decimal(200), as_of_ns=10)
    order = held(waiting(OrderType.TRAILING_STOP, stop="198", trailing=trailing))
    watch = Watch()
    watch.put(order, 11)
    [(_, seen)] = watch.catch_up([trade(1, "199"), trade(11, "300"), trade(12, "299"), trade(13, "297")], TICK)
    assert (seen.reference_price, seen.price, seen.at_ns) == (Decimal(300), Decimal(297), 13)


def test_an_order_goes_on_under_other_terms_while_trades_are_missing() -> None:
    """One that waits for the same still meets all that was missed; one that waits for another price what came since."""
    watch = in_step(trade(1, "100"))
    kept, changed = held(waiting(OrderType.STOP, stop="95")), held(waiting(OrderType.STOP, stop="90"))
    watch.put(kept, 0)
    watch.put(changed, 0)
    watch.lose()
    watch.put(kept, 5)
    watch.put(held(with_terms(changed.terms, Decimal(1), None, Decimal(96))), 5)
    assert ids(watch.catch_up([trade(2, "94", 3), trade(3, "97", 4)], TICK)) == [kept.terms.order_id]
    assert ids(watch.trade(trade(4, "96", 7))) == [changed.terms.order_id]


def test_a_new_epoch_of_the_venue_changes_nothing_for_what_waits() -> None:
    """Its trades follow those before; the trade that is followed stays the best."""
    watch = in_step(trade(1_000, "100", 1))
    order = held(waiting(OrderType.TRAILING_STOP, trailing=TrailingStop(amount=Decimal(5))))
    watch.put(order, 0)
    assert not ids(watch.trade(trade(1, "96", 2, epoch="f")))
    assert ids(watch.trade(trade(2, "95", 3, epoch="f"))) == [order.terms.order_id]


@pytest.mark.parametrize(
    ("time_in_force", "until"),
    [(TimeInForce.DAY, 86_400 * 10**9), (TimeInForce.GTC, None), (TimeInForce.IOC, None), (TimeInForce.FOK, None)],
)
def test_when_what_waits_here_expires(time_in_force: TimeInForce, until: int | None) -> None:
    """DAY at the end of the UTC day in which it was placed; GTC, IOC and FOK let it wait until canceled."""
    order = held(waiting(OrderType.STOP, stop="1", time_in_force=time_in_force), 5_000)
    assert expires_at_ns(order) == until


@pytest.mark.parametrize("type_", [*TYPES, OrderType.TRAILING_STOP])
def test_what_a_venue_is_told_of_a_released_order(type_: OrderType) -> None:
    """A market order for now or a limit order, without what it has waited for."""
    trailing = TrailingStop(ticks=1) if type_ is OrderType.TRAILING_STOP else None
    told = venue_terms(released(waiting(type_, stop="100", trailing=trailing)))
    limited = type_ in LIMITED
    assert told.type is (OrderType.LIMIT if limited else OrderType.MARKET)
    assert told.time_in_force is (TimeInForce.GTC if limited else TimeInForce.IOC)
    assert told.instructions is not None
    assert (told.instructions.stop_price, told.instructions.trailing) == (None, None)


PRICES = st.integers(min_value=1, max_value=60).map(lambda ticks: ticks * TICK)
TRAILINGS = st.one_of(
    st.integers(1, 40).map(lambda ticks: TrailingStop(ticks=ticks)),
    st.integers(1, 200).map(lambda cents: TrailingStop(amount=Decimal(cents) / 100)),
    st.integers(1, 9_999).map(lambda part: TrailingStop(percent=Decimal(part) / 100)),
)


def test_until_a_trade_is_known_all_since_the_first_order_are_needed() -> None:
    """A new instrument's first trades may be missed: one that touched the order is found behind one that does not."""
    watch = in_step()
    order = held(waiting(OrderType.MARKET_IF_TOUCHED, Side.SELL, "52"))
    assert watch.put(order, 10) is None
    watch.lose()
    assert watch.begins_ns == 10
    assert ids(watch.catch_up([trade(11, "51"), trade(12, "52"), trade(13, "50")], TICK)) == [order.terms.order_id]
    watch.lose()
    assert watch.begins_ns is None


class WatchAgainstEach(RuleBasedStateMachine):
    """A watch of many orders against each order followed for itself."""

    def __init__(self) -> None:
        super().__init__()
        self.watch = in_step()
        self.naive: dict[str, OrderTerms] = {}
        self.last: Decimal | None = None
        self.number = 0

    @rule(type_=st.sampled_from(TYPES), side=st.sampled_from(Side), stop=PRICES)
    def wait(self, type_: OrderType, side: Side, stop: Decimal) -> None:
        self._put(waiting(type_, side, stop))

    @rule(side=st.sampled_from(Side), stop=st.none() | PRICES, trailing=TRAILINGS)
    def trail(self, side: Side, stop: Decimal | None, trailing: TrailingStop) -> None:
        self._put(waiting(OrderType.TRAILING_STOP, side, stop, trailing))

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.naive:
            order_id = data.draw(st.sampled_from(sorted(self.naive)))
            del self.naive[order_id]
            self.watch.drop(order_id)

    @rule(price=PRICES)
    def trade(self, price: Decimal) -> None:
        self.number += 1
        self.last = price
        found = ids(self.watch.trade(trade(self.number, price)))
        assert len(set(found)) == len(found)
        assert set(found) == self._reached(price)
        self._follow(price)

    @invariant()
    def each_is_where_it_would_be_alone(self) -> None:
        assert len(self.watch) == len(self.naive)
        for order_id, each in self.naive.items():
            if (seen := self.watch.seen(order_id)) is not None:
                alone = each.instructions
                together = seen.applied(each).instructions
                assert alone is not None
                assert together is not None
                assert together.stop_price == alone.stop_price

    def _put(self, each: OrderTerms) -> None:
        seen = self.watch.put(held(each), 0)
        if self.last is not None:
            each = followed(each, self.last, 0, TICK)
        at_once = self.last is not None and reached(each, self.last)
        assert (seen is not None) == at_once
        if not at_once:
            self.naive[each.order_id] = each

    def _reached(self, price: Decimal) -> set[str]:
        found = {order_id for order_id, each in self.naive.items() if reached(each, price)}
        for order_id in found:
            del self.naive[order_id]
        return found

    def _follow(self, price: Decimal) -> None:
        for order_id, each in self.naive.items():
            self.naive[order_id] = followed(each, price, 0, TICK)


WatchAgainstEach.TestCase.settings = settings(max_examples=60, stateful_step_count=60)
TestWatchAgainstEach = WatchAgainstEach.TestCase


@given(prices=st.lists(PRICES, min_size=1, max_size=40), cut=st.integers(0, 40), trailing=TRAILINGS)
def test_a_restart_anywhere_reaches_by_the_same_trade(prices: list[Decimal], cut: int, trailing: TrailingStop) -> None:
    """A trailing stop that is written down somewhere, and goes on from there, is reached when it would have been."""
    trades = [trade(number, price) for number, price in enumerate(prices, 1)]
    order = held(waiting(OrderType.TRAILING_STOP, trailing=trailing))
    whole = in_step()
    whole.put(order, 0)
    expected = [seen for each in trades for _, seen in whole.trade(each)]
    before = in_step()
    before.put(order, 0)
    early = [seen for each in trades[:cut] for _, seen in before.trade(each)]
    if early:
        assert early == expected[:1]
        return
    seen = before.seen(order.terms.order_id)
    logged = order if seen is None else held(seen.applied(order.terms))
    instructions = logged.terms.instructions
    assert instructions is not None
    assert instructions.trailing is not None
    as_of_ns = instructions.trailing.as_of_ns
    after = Watch()
    after.put(logged, 0 if as_of_ns is None else as_of_ns + 1)
    assert [each.price for _, each in after.catch_up(trades, TICK)] == [each.price for each in expected]
