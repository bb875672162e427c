"""Orders that follow the market behind its best trade, kept so that a trade costs the same however many there are."""

from __future__ import annotations

import heapq
from bisect import bisect_left, insort
from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from services.kernel.decimals import ZERO
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import Side

_SLACK: Final = 16


class _Group:
    """Orders that follow the same trade. The nearest to the market are the first of their lists, then the oldest."""

    __slots__ = ("fixed", "height", "moved", "parts", "serial")

    def __init__(self, height: Decimal) -> None:
        self.height = height
        self.fixed: list[tuple[Decimal, str]] = []
        self.parts: list[tuple[Decimal, str]] = []
        self.moved = False
        self.serial = 0

    def __len__(self) -> int:
        return len(self.fixed) + len(self.parts)

    def order_ids(self) -> Iterator[str]:
        yield from (order_id for _, order_id in self.fixed)
        yield from (order_id for _, order_id in self.parts)


class _Entry:
    __slots__ = ("group", "key", "trailing")

    def __init__(self, trailing: TrailingStop, key: tuple[Decimal, str], group: _Group) -> None:
        self.trailing, self.key, self.group = trailing, key, group


class Trails:
    """The trailing stop orders of one side of an instrument.

    Those that follow the same trade move together: a better trade merges the groups that it overtakes into one, and
    only the nearest stop of each group is looked at. An order is moved into a larger group at most as often as the
    logarithm of their number, whatever the market does.

    Prices are counted upwards in the direction that the side follows: a buy order's are negative in here.
    """

    def __init__(self, side: Side, tick_size: Decimal) -> None:
        self._side, self._tick_size = side, tick_size
        self._entries: dict[str, _Entry] = {}
        self._groups: list[_Group] = []
        self._nearest: list[tuple[Decimal, int, _Group]] = []
        self._serial = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, order_id: str, trailing: TrailingStop, reference_price: Decimal) -> None:
        """Lets an order follow the market from a trade on."""
        group = self._group(self._signed(reference_price))
        distance = trailing.fixed_distance(self._tick_size)
        key = (distance if distance is not None else trailing.percent or ZERO, order_id)
        self._entries[order_id] = _Entry(trailing, key, group)
        insort(group.parts if distance is None else group.fixed, key)
        group.moved = True
        self._note(group)

    def discard(self, order_id: str) -> None:
        """Lets an order follow no more, if it does."""
        entry = self._entries.pop(order_id, None)
        if entry is None:
            return
        group = entry.group
        keys = group.parts if entry.trailing.percent is not None else group.fixed
        del keys[bisect_left(keys, entry.key)]
        if group:
            self._note(group)
        else:
            group.serial = 0
            self._groups.remove(group)

    def reference_price(self, order_id: str) -> Decimal | None:
        """Returns the trade that an order follows; None when it follows none."""
        entry = self._entries.get(order_id)
        return None if entry is None else self._signed(entry.group.height)

    def reached(self, price: Decimal) -> Iterator[str]:
        """Yields the orders whose stop price a trade has reached; each must be discarded before the next is taken."""
        height = self._signed(price)
        while self._nearest:
            negative, serial, group = self._nearest[0]
            if group.serial != serial:
                heapq.heappop(self._nearest)
            elif -negative < height:
                return
            else:
                yield self._first(group)

    def follow(self, price: Decimal) -> None:
        """Lets all follow a trade that they would rather follow than theirs."""
        height = self._signed(price)
        if not self._groups or self._groups[-1].height >= height:
            return
        merged = self._groups.pop()
        while self._groups and self._groups[-1].height <= height:
            merged = self._merge(merged, self._groups.pop())
        merged.height, merged.moved = height, True
        self._groups.append(merged)
        self._note(merged)

    def take_moved(self) -> list[str]:
        """Returns the orders whose trade is another one than when they were last asked for."""
        moved: list[str] = []
        for group in self._groups:
            if group.moved:
                group.moved = False
                moved += group.order_ids()
        return moved

    def _signed(self, price: Decimal) -> Decimal:
        return price if self._side is Side.SELL else -price

    def _group(self, height: Decimal) -> _Group:
        """Returns the group of those that follow a trade; the groups stand in order, the best trade first."""
        index = bisect_left(self._groups, -height, key=lambda group: -group.height)
        if index == len(self._groups) or self._groups[index].height != height:
            self._groups.insert(index, _Group(height))
        return self._groups[index]

    def _merge(self, one: _Group, other: _Group) -> _Group:
        small, large = (one, other) if len(one) < len(other) else (other, one)
        small.serial = 0
        for keys, more in ((large.fixed, small.fixed), (large.parts, small.parts)):
            for key in more:
                insort(keys, key)
                self._entries[key[1]].group = large
        return large

    def _first(self, group: _Group) -> str:
        """Returns the order of a group whose stop price is reached first."""
        nearest = [keys[0][1] for keys in (group.fixed, group.parts) if keys]
        return max(nearest, key=lambda order_id: self._stop(order_id, group))

    def _stop(self, order_id: str, group: _Group) -> Decimal:
        stop = self._entries[order_id].trailing.stop_price(self._side, self._signed(group.height), self._tick_size)
        return Decimal("-Infinity") if stop is None else self._signed(stop)

    def _note(self, group: _Group) -> None:
        """Notes where the first stop of a group is; what was noted of it before counts no more."""
        self._serial += 1
        group.serial = self._serial
        heapq.heappush(self._nearest, (-self._stop(self._first(group), group), self._serial, group))
        if len(self._nearest) > 2 * len(self._groups) + _SLACK:
            self._nearest = [noted for noted in self._nearest if noted[2].serial == noted[1]]
            heapq.heapify(self._nearest)
