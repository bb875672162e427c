"""The orders of one instrument that wait for a price, against its trades."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator, Sequence
from decimal import Decimal

from services.order.domain.conditions import reached, rises_to
from services.order.domain.market_trade import MarketTrade, Seen
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop, better
from services.order.domain.trails import Trails
from services.order.domain.values import Side


class _Prices:
    """Orders by the price that they wait for; the one reached first is the first, then the oldest."""

    __slots__ = ("_keys", "_of", "_rising")

    def __init__(self, *, rising: bool) -> None:
        self._rising = rising
        self._keys: list[tuple[Decimal, str]] = []
        self._of: dict[str, Decimal] = {}

    def add(self, order_id: str, price: Decimal) -> None:
        way = price if self._rising else -price
        self._of[order_id] = way
        insort(self._keys, (way, order_id))

    def discard(self, order_id: str) -> None:
        way = self._of.pop(order_id, None)
        if way is not None:
            del self._keys[bisect_left(self._keys, (way, order_id))]

    def reached(self, price: Decimal) -> Iterator[str]:
        way = price if self._rising else -price
        if not self._keys or self._keys[0][0] > way:
            return
        count = bisect_right(self._keys, way, key=_first)
        found, self._keys = self._keys[:count], self._keys[count:]
        for _, order_id in found:
            del self._of[order_id]
            yield order_id


class Watch:
    """What waits in one instrument. An order is told once when its price is reached, and is not watched from then on.

    An order begins to wait at a time, and meets the last trade before it at once. While trades may be missing orders
    are put aside: they begin in their turn once the missing ones are there.

    Attributes:
        last: The last trade; None before the first.
        in_step: Whether no trade is missing.
    """

    def __init__(self) -> None:
        self.last: MarketTrade | None = None
        self.in_step = False
        self._tick_size = Decimal(1)
        self._orders: dict[str, Order] = {}
        self._aside: dict[str, tuple[int, Order]] = {}
        self._first_ns: int | None = None
        self._unstarted: dict[str, Order] = {}
        self._prices = {rising: _Prices(rising=rising) for rising in (True, False)}
        self._trails: dict[Side, Trails] = {}

    def __len__(self) -> int:
        return len(self._orders) + len(self._aside)

    @property
    def begins_ns(self) -> int | None:
        """Time from which on trades are needed: for orders put aside, and while none is known, for all of them.

        None when nobody needs any but the last.
        """
        times = [begins_ns for begins_ns, _ in self._aside.values()]
        if self.last is None and self._first_ns is not None:
            times.append(self._first_ns)
        return min(times, default=None)

    def put(self, order: Order, begins_ns: int) -> Seen | None:
        """Begins to watch an order, or goes on under its new terms.

        Returns:
            What has reached its price already; None while nothing has.
        """
        order_id = order.terms.order_id
        before, reference_price = self._orders.get(order_id), self._reference_price(order_id)
        self.drop(order_id)
        self._first_ns = begins_ns if self._first_ns is None else min(self._first_ns, begins_ns)
        if self.in_step:
            return self._begin(order, reference_price)
        if before is not None and _condition(before.terms) == _condition(order.terms):
            self._keep(order, reference_price)
        else:
            self._aside[order_id] = (begins_ns, order)
        return None

    def drop(self, order_id: str) -> None:
        """Watches an order no more, if it did."""
        self._aside.pop(order_id, None)
        order = self._orders.pop(order_id, None)
        if order is None:
            return
        self._unstarted.pop(order_id, None)
        self._prices[rises_to(order.terms)].discard(order_id)
        if _trailing(order.terms) is not None and (trails := self._trails.get(order.terms.side)) is not None:
            trails.discard(order_id)

    def lose(self) -> None:
        """From now on trades may be missing."""
        self.in_step = False

    def catch_up(self, trades: Sequence[MarketTrade], tick_size: Decimal) -> Iterator[tuple[str, Seen]]:
        """Takes in what was missing; yields the orders whose price was reached, each with the trade that did it.

        Args:
            trades: Oldest first: those since the last one here; without one, those since the first order that was put
                aside began to wait, with the one before.
            tick_size: Tick of the instrument.
        """
        self._tick_size = tick_size
        aside = sorted(self._aside.items(), key=lambda item: item[1][0], reverse=True)
        for trade in trades:
            while aside and aside[-1][1][0] <= trade.at_ns:
                yield from self._begin_aside(aside.pop())
            yield from self.trade(trade)
        while aside:
            yield from self._begin_aside(aside.pop())
        self.in_step = True

    def trade(self, trade: MarketTrade) -> Iterator[tuple[str, Seen]]:
        """Takes in a trade; yields the orders whose price it has reached. One that is not newer changes nothing."""
        if not trade.follows(self.last):
            return
        self.last, price = trade, trade.price
        places: tuple[_Prices | Trails, ...] = (*self._prices.values(), *self._trails.values())
        for found in places:
            for order_id in found.reached(price):
                reference_price = self._reference_price(order_id)
                self.drop(order_id)
                yield order_id, self._seen(trade, reference_price)
        for trails in self._trails.values():
            trails.follow(price)
        for order in list(self._unstarted.values()):
            self.drop(order.terms.order_id)
            self._keep(order, price)

    def seen(self, order_id: str) -> Seen | None:
        """Returns what an order that follows the market has seen; None for one that does not."""
        reference_price = self._reference_price(order_id)
        return None if reference_price is None or self.last is None else self._seen(self.last, reference_price)

    def take_moved(self) -> list[str]:
        """Returns the orders that have another stop price, perhaps, than when they were last asked for."""
        return [order_id for trails in self._trails.values() for order_id in trails.take_moved()]

    def _begin_aside(self, item: tuple[str, tuple[int, Order]]) -> Iterator[tuple[str, Seen]]:
        order_id, (_, order) = item
        # It may have ended while the trades were taken in.
        if self._aside.pop(order_id, None) is not None and (seen := self._begin(order, None)) is not None:
            yield order_id, seen

    def _begin(self, order: Order, reference_price: Decimal | None) -> Seen | None:
        terms, last = order.terms, self.last
        trailing = _trailing(terms)
        if last is not None:
            if trailing is not None:
                reference_price = better(terms.side, trailing.reference_price, reference_price)
                reference_price = better(terms.side, reference_price, last.price)
            seen = self._seen(last, reference_price)
            if reached(seen.applied(terms), last.price):
                return seen
        self._keep(order, reference_price)
        return None

    def _keep(self, order: Order, reference_price: Decimal | None) -> None:
        terms, order_id = order.terms, order.terms.order_id
        self._orders[order_id] = order
        instructions = terms.instructions
        if instructions is not None and instructions.stop_price is not None:
            self._prices[rises_to(terms)].add(order_id, instructions.stop_price)
        if (trailing := _trailing(terms)) is None:
            return
        reference_price = better(terms.side, reference_price, trailing.reference_price)
        if reference_price is None:
            self._unstarted[order_id] = order
            return
        trails = self._trails.get(terms.side)
        if trails is None:
            trails = self._trails[terms.side] = Trails(terms.side, self._tick_size)
        trails.add(order_id, trailing, reference_price)

    def _reference_price(self, order_id: str) -> Decimal | None:
        order = self._orders.get(order_id)
        trails = None if order is None else self._trails.get(order.terms.side)
        return None if trails is None else trails.reference_price(order_id)

    def _seen(self, trade: MarketTrade, reference_price: Decimal | None) -> Seen:
        reference = trade.price if reference_price is None else reference_price
        return Seen(trade.price, trade.at_ns, self._tick_size, reference)


def _first(key: tuple[Decimal, str]) -> Decimal:
    return key[0]


def _trailing(terms: OrderTerms) -> TrailingStop | None:
    return None if terms.instructions is None else terms.instructions.trailing


def _condition(terms: OrderTerms) -> tuple[object, ...]:
    """Returns what an order waits for: orders with the same are released by the same trades."""
    trailing, instructions = _trailing(terms), terms.instructions
    if trailing is not None:
        return terms.side, trailing.distance
    return terms.side, terms.type, None if instructions is None else instructions.stop_price
