"""A book rebuilt from messages alone, which knows where its knowledge ends.

The messages of a LOBSTER file begin with a book that is already full, and cover the best levels only. So each side is
known from the best price to a boundary: within it the size of every price is known exactly, and a price without a level
is known to be empty; beyond it there may be orders that no message told of.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

from services.market.replay.lobster import Level, Message, MessageType, Side

NOTHING, EVERYTHING = -(10**12), 10**12
"""Boundaries of a side of which no price, and of which every price is known."""


@dataclass(slots=True)
class BookSide:
    """One side: shares by price, and how far they are known.

    Prices are kept as `rank`: the price of an ask, the negated price of a bid, so that the best is the smallest.

    Attributes:
        sizes: Shares by rank, of orders known.
        ranks: The same ranks, sorted: best first.
        boundary: Worst rank that is known.
    """

    sizes: dict[int, int] = field(default_factory=dict)
    ranks: list[int] = field(default_factory=list)
    boundary: int = NOTHING

    def knows(self, rank: int) -> bool:
        """Tells whether all that rests at a rank is known."""
        return rank <= self.boundary

    def learn(self, shown: dict[int, int], boundary: int) -> None:
        """Takes over the levels between the boundary so far and a worse one, which are just these and no others."""
        if boundary <= self.boundary:
            return
        for rank in self.ranks[
            bisect.bisect_right(self.ranks, self.boundary) : bisect.bisect_right(self.ranks, boundary)
        ]:
            if rank not in shown:
                self.remove(rank)
        for rank, size in shown.items():
            if rank > self.boundary:
                self.set(rank, size)
        self.boundary = boundary

    def change(self, rank: int, by: int) -> None:
        """Adds shares to a rank, or takes them off; a level without shares is gone."""
        size = self.sizes.get(rank, 0) + by
        if size > 0:
            self.set(rank, size)
        elif rank in self.sizes:
            self.remove(rank)

    def set(self, rank: int, size: int) -> None:
        """Sets the shares of a rank."""
        if rank not in self.sizes:
            bisect.insort(self.ranks, rank)
        self.sizes[rank] = size

    def remove(self, rank: int) -> None:
        """Removes a level."""
        del self.sizes[rank]
        del self.ranks[bisect.bisect_left(self.ranks, rank)]

    def limit_to(self, depth: int) -> None:
        """Gives up what lies beyond the level of that number: no message tells of it any more."""
        if len(self.ranks) <= depth:
            return
        self.boundary = min(self.boundary, self.ranks[depth - 1])
        for rank in self.ranks[depth:]:
            del self.sizes[rank]
        del self.ranks[depth:]


@dataclass(slots=True)
class RestingOrder:
    """An order that a message told of, and what is left of it."""

    side: Side
    price: int
    size: int


class KnownBook:
    """Applies each message to the order that it names."""

    def __init__(self, message_depth: int) -> None:
        self.message_depth = message_depth
        self.sides = {Side.BUY: BookSide(), Side.SELL: BookSide()}
        self.orders: dict[int, RestingOrder] = {}
        self.before_file = 0
        self.wrong_size = 0

    def levels(self, side: Side, count: int) -> list[Level]:
        """Returns the best levels of a side, known in full or not."""
        book_side = self.sides[side]
        return [Level(rank * -side, book_side.sizes[rank]) for rank in book_side.ranks[:count]]

    def remember(self, message: Message) -> None:
        """Takes in the order of a message whose effect the book shows already."""
        if message.type is MessageType.ADD:
            self.orders[message.order_id] = RestingOrder(message.side, message.price, message.size)

    def apply(self, message: Message) -> None:
        """Applies a message. Hidden executions, crosses and halts do not touch the visible book."""
        self.remember(message)
        if message.type is MessageType.ADD:
            self.sides[message.side].change(rank_of(message.side, message.price), message.size)
        elif message.type in (MessageType.PARTIAL_CANCEL, MessageType.DELETE, MessageType.VISIBLE_EXECUTION):
            self._take(message)
        else:
            return
        self.sides[message.side].limit_to(self.message_depth)

    def _take(self, message: Message) -> None:
        order = self.orders.get(message.order_id)
        if order is None:
            self.before_file += 1
        elif message.size > order.size or (message.type is MessageType.DELETE and message.size != order.size):
            self.wrong_size += 1
        else:
            order.size -= message.size
            if order.size == 0:
                del self.orders[message.order_id]
        self.sides[message.side].change(rank_of(message.side, message.price), -message.size)


def rank_of(side: Side, price: int) -> int:
    """Returns the place of a price on its side: the smaller, the better."""
    return -side * price
