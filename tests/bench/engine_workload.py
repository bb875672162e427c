"""Writes the neutral matching workload: a seeded mix of limit orders and cancels for one instrument, with its results.

Run as `python tests/bench/engine_workload.py SEED OPERATIONS FILE`; writes FILE and FILE.expected.json, the results
that any price-time-priority book must reach on it.

Lines of FILE: `A id side price quantity` (a good-till-canceled limit order, which may cross; the rest of it rests) and
`C id` (a cancel, which may name an order that is already gone). Each operation is drawn: 45 % cancel (nine in ten of a
random live order, one of the last 10,000 ids), 40 % a passive order 1 to 50 ticks from the best opposite price
(geometric), 15 % a marketable order at the best opposite price plus 0 to 2 ticks. With fewer than 5,000 live orders the
operation is always a passive order. Prices lie in 9950..10050, quantities in 1..100.

The trade hash, over every trade in order: h = 1469598103934665603; for x in (maker id, taker id, price, quantity):
h = ((h xor x) * 1099511628211) mod 2**64.

Seed 42 with 1,000,000 operations: 241,989 trades, hash 3641f6754d86791e; two public engines agree.
"""

from __future__ import annotations

import json
import random
import sys
from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path

LOWEST, HIGHEST, MIDDLE = 9950, 10050, 10000
LIVE_FLOOR = 5000
OPPOSITE = {"B": "S", "S": "B"}
MASK = 0xFFFFFFFFFFFFFFFF

Operation = tuple[str, int] | tuple[str, int, str, int, int]


class LiveOrders:
    """The ids of live orders, drawn from in constant time."""

    def __init__(self) -> None:
        self.ids: list[int] = []
        self._position: dict[int, int] = {}

    def add(self, order_id: int) -> None:
        """Adds an id."""
        self._position[order_id] = len(self.ids)
        self.ids.append(order_id)

    def remove(self, order_id: int) -> None:
        """Removes an id; the last one takes its place."""
        position, last = self._position.pop(order_id), self.ids.pop()
        if last != order_id:
            self.ids[position] = last
            self._position[last] = position


class Book:
    """A plain price-time-priority book: a level is an ordered mapping of order id to quantity."""

    def __init__(self) -> None:
        self.levels: dict[str, dict[int, OrderedDict[int, int]]] = {"B": {}, "S": {}}
        self.best: dict[str, int | None] = {"B": None, "S": None}
        self.where: dict[int, tuple[str, int]] = {}
        self.live = LiveOrders()
        self.trades = self.quantity = self.notional = 0
        self.hash = 1469598103934665603

    def add(self, order_id: int, side: str, price: int, quantity: int) -> None:
        """Matches an order and rests what is left."""
        opposite = OPPOSITE[side]
        while quantity and self._crosses(side, price):
            best = self.best[opposite]
            assert best is not None
            quantity = self._match_level(order_id, opposite, best, quantity)
        if quantity:
            if price not in self.levels[side]:
                self.levels[side][price] = OrderedDict()
                self._find_best(side)
            self.levels[side][price][order_id] = quantity
            self.where[order_id] = (side, price)
            self.live.add(order_id)

    def cancel(self, order_id: int) -> bool:
        """Cancels an order; False when it is gone."""
        if order_id not in self.where:
            return False
        side, price = self.where[order_id]
        level = self.levels[side][price]
        del level[order_id]
        if not level:
            self._drop(side, price)
        self._forget(order_id)
        return True

    def _match_level(self, taker: int, side: str, price: int, quantity: int) -> int:
        level = self.levels[side][price]
        while quantity and level:
            maker, available = next(iter(level.items()))
            traded = min(quantity, available)
            quantity -= traded
            self._trade(maker, taker, price, traded)
            if traded == available:
                level.popitem(last=False)
                self._forget(maker)
            else:
                level[maker] = available - traded
        if not level:
            self._drop(side, price)
        return quantity

    def _trade(self, maker: int, taker: int, price: int, quantity: int) -> None:
        self.trades += 1
        self.quantity += quantity
        self.notional += quantity * price
        for x in (maker, taker, price, quantity):
            self.hash = ((self.hash ^ x) * 1099511628211) & MASK

    def _crosses(self, side: str, price: int) -> bool:
        best = self.best[OPPOSITE[side]]
        return best is not None and (price >= best if side == "B" else price <= best)

    def _find_best(self, side: str) -> None:
        levels = self.levels[side]
        self.best[side] = (max(levels) if side == "B" else min(levels)) if levels else None

    def _drop(self, side: str, price: int) -> None:
        del self.levels[side][price]
        self._find_best(side)

    def _forget(self, order_id: int) -> None:
        del self.where[order_id]
        self.live.remove(order_id)


def operations(seed: int, count: int, book: Book) -> Iterator[Operation]:
    """Draws the operations one by one against `book`, which the caller keeps up to date."""
    draw = random.Random(seed)
    recent: deque[int] = deque(maxlen=10000)
    next_id = 0
    for _ in range(count):
        kind = draw.random()
        if len(book.where) < LIVE_FLOOR:
            kind = 0.5
        if kind < 0.45:
            ids = book.live.ids if draw.random() < 0.9 else recent
            yield ("C", ids[draw.randrange(len(ids))])
            continue
        next_id += 1
        side = "B" if draw.random() < 0.5 else "S"
        price = min(HIGHEST, max(LOWEST, _draw_price(draw, kind, side, book.best[OPPOSITE[side]])))
        quantity = draw.randrange(1, 101)
        recent.append(next_id)
        yield ("A", next_id, side, price, quantity)


def _draw_price(draw: random.Random, kind: float, side: str, best: int | None) -> int:
    towards = 1 if side == "B" else -1
    if kind >= 0.85 and best is not None:
        return best + draw.randrange(3) * towards
    distance = 1
    while distance < 50 and draw.random() > 0.12:
        distance += 1
    return (MIDDLE + towards if best is None else best) - distance * towards


def write_workload(seed: int, count: int, path: Path) -> dict[str, int | str | None]:
    """Writes a workload and its expected results, and returns these."""
    book = Book()
    cancelled = rejected = 0
    with path.open("w", encoding="ascii") as file:
        for operation in operations(seed, count, book):
            file.write(" ".join(map(str, operation)) + "\n")
            match operation:
                case ("A", order_id, side, price, quantity):
                    book.add(order_id, side, price, quantity)
                case (_, order_id):
                    done = book.cancel(order_id)
                    cancelled, rejected = cancelled + done, rejected + (not done)
    expected = {
        "seed": seed,
        "operations": count,
        "trades": book.trades,
        "traded_quantity": book.quantity,
        "notional": book.notional,
        "cancelled": cancelled,
        "cancels_rejected": rejected,
        "live": len(book.where),
        "best_bid": book.best["B"],
        "best_ask": book.best["S"],
        "trade_hash": f"{book.hash:016x}",
    }
    path.with_name(path.name + ".expected.json").write_text(json.dumps(expected, indent=1), encoding="ascii")
    return expected


if __name__ == "__main__":
    print(write_workload(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
