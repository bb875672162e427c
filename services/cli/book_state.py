"""A book kept current from the changes that a stream tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from ordermesh.marketdata.v1 import book_pb2


@dataclass(slots=True)
class BookState:
    """The levels of one instrument, by price.

    Attributes:
        instrument: Which.
        bids: Quantity and number of orders by price.
        asks: The same of the other side.
        sequence: What the levels reflect.
        stale: Whether the venue's feed is lost.
    """

    instrument: str
    bids: dict[Decimal, book_pb2.BookLevel] = field(default_factory=dict)
    asks: dict[Decimal, book_pb2.BookLevel] = field(default_factory=dict)
    sequence: int = 0
    stale: bool = False

    def replace(self, book: book_pb2.OrderBook) -> None:
        """Takes over a whole book."""
        self.bids, self.asks = _by_price(book.bids), _by_price(book.asks)
        self.sequence, self.stale = book.sequence, book.stale

    def apply(self, change: book_pb2.OrderBookChange) -> bool:
        """Applies a change; returns False when one before it is missing."""
        if change.whole:
            self.bids, self.asks = {}, {}
        elif change.previous_sequence != self.sequence:
            return False
        _update(self.bids, change.bids)
        _update(self.asks, change.asks)
        self.sequence, self.stale = change.sequence, change.stale
        return True

    def levels(self, depth: int) -> list[tuple[book_pb2.BookLevel | None, book_pb2.BookLevel | None]]:
        """Returns the best bid and ask of each row, best first."""
        bids = [self.bids[price] for price in sorted(self.bids, reverse=True)[:depth]]
        asks = [self.asks[price] for price in sorted(self.asks)[:depth]]
        rows = max(len(bids), len(asks))
        return [(bids[row] if row < len(bids) else None, asks[row] if row < len(asks) else None) for row in range(rows)]


def _by_price(levels: Iterable[book_pb2.BookLevel]) -> dict[Decimal, book_pb2.BookLevel]:
    return {Decimal(level.price): level for level in levels}


def _update(side: dict[Decimal, book_pb2.BookLevel], levels: Iterable[book_pb2.BookLevel]) -> None:
    for level in levels:
        if Decimal(level.quantity):
            side[Decimal(level.price)] = level
        else:
            side.pop(Decimal(level.price), None)
