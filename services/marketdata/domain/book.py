"""An order book by price level, and how two views of its best levels differ. Prices in ticks, quantities in lots."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple


class Level(NamedTuple):
    """One price of one side: ticks, lots that rest there, orders that rest there."""

    price: int
    quantity: int
    orders: int


Levels = tuple[Level, ...]
"""Levels of one side, best first."""


class BookSide:
    """The levels of one side, any of them found at once, the best ones in order."""

    __slots__ = ("_keys", "_levels", "_sign")

    def __init__(self, *, bids: bool) -> None:
        # Keys ascend towards the best price, so that changes near the best, which are most, move few entries.
        self._sign = 1 if bids else -1
        self._keys: list[int] = []
        self._levels: dict[int, Level] = {}

    def __len__(self) -> int:
        return len(self._keys)

    def set(self, price: int, quantity: int, orders: int) -> None:
        """Gives a level its new totals; a quantity of 0 removes it, known or not."""
        known = price in self._levels
        if quantity:
            if not known:
                insort(self._keys, price * self._sign)
            self._levels[price] = Level(price, quantity, orders)
        elif known:
            del self._levels[price]
            del self._keys[bisect_left(self._keys, price * self._sign)]

    def load(self, levels: Iterable[Level]) -> None:
        """Replaces all levels."""
        self._levels = {level.price: level for level in levels if level.quantity}
        self._keys = sorted(price * self._sign for price in self._levels)

    @property
    def best(self) -> Level | None:
        """The best level; None when the side is empty."""
        return self._levels[self._keys[-1] * self._sign] if self._keys else None

    def top(self, depth: int) -> Levels:
        """Returns up to `depth` levels, best first."""
        levels, sign = self._levels, self._sign
        return tuple([levels[key * sign] for key in reversed(self._keys[-depth:])]) if depth > 0 else ()


class Book:
    """Both sides of an instrument's book."""

    __slots__ = ("asks", "bids")

    def __init__(self) -> None:
        self.bids = BookSide(bids=True)
        self.asks = BookSide(bids=False)

    def load(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Replaces the whole book."""
        self.bids.load(bids)
        self.asks.load(asks)

    def top(self, depth: int) -> BookView:
        """Returns the best levels of both sides."""
        return BookView(self.bids.top(depth), self.asks.top(depth))


class BookView(NamedTuple):
    """The best levels of a book, or the changes of them."""

    bids: Levels
    asks: Levels


EMPTY_VIEW = BookView((), ())


def view_changes(before: BookView, after: BookView) -> BookView:
    """Returns what makes `after` out of `before`: new or other levels, and those that left, with quantity 0."""
    return BookView(
        _side_changes(before.bids, after.bids, descending=True),
        _side_changes(before.asks, after.asks, descending=False),
    )


def apply_changes(view: BookView, changes: BookView) -> BookView:
    """Returns the view after the changes: what a reader of a book stream does."""
    return BookView(
        _apply_side(view.bids, changes.bids, descending=True),
        _apply_side(view.asks, changes.asks, descending=False),
    )


def _side_changes(before: Levels, after: Levels, *, descending: bool) -> Levels:
    if before == after:
        return ()
    gone = {level.price for level in before}.difference(level.price for level in after)
    known = set(before)
    changed = [level for level in after if level not in known]
    changed += [Level(price, 0, 0) for price in gone]
    return tuple(sorted(changed, reverse=descending))


def _apply_side(levels: Levels, changes: Levels, *, descending: bool) -> Levels:
    by_price = {level.price: level for level in levels}
    by_price.update((change.price, change) for change in changes)
    return tuple(sorted((level for level in by_price.values() if level.quantity), reverse=descending))
