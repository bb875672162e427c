"""Books and connections as plain objects that a test sets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from decimal import Decimal

from services.kernel.errors import precondition
from services.order.domain.preview import Depth, Level
from services.order.domain.terms import OrderTerms
from services.order.pipeline.previewing import Route


def levels(*offers: tuple[str, str]) -> tuple[Level, ...]:
    """Returns levels out of pairs of price and quantity."""
    return tuple(Level(Decimal(price), Decimal(quantity)) for price, quantity in offers)


@dataclass
class FakeDepths:
    """Tells the books that it was given."""

    books: dict[str, Depth] = field(default_factory=dict)

    def offer(self, instrument: str, *asks: tuple[str, str], bids: tuple[tuple[str, str], ...] = ()) -> None:
        """Sets a book."""
        self.books[instrument] = Depth(levels(*bids), levels(*asks), 1_000, "USD", Decimal(1))

    async def depth(self, instrument: str) -> Depth:
        await asyncio.sleep(0)
        if instrument not in self.books:
            raise precondition("NO_MARKET_DATA", "there is no book", instrument=instrument)
        return self.books[instrument]


@dataclass
class FakeRoutes:
    """Tells connections: `simulation`, free of fees, unless it was given others."""

    fees: dict[str, Decimal] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    async def route(self, terms: OrderTerms) -> Route:
        await asyncio.sleep(0)
        connection_id = terms.connection_id or "simulation"
        fee_rate = self.fees.get(connection_id, Decimal(0))
        state = 2 if connection_id in self.down else 1
        return Route(connection_id, connection_id, "simulation", state, "", supported=True, fee_rate=fee_rate)
