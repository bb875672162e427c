"""Fills of an order, or of a parent's children, added up; and prices of the market that they are held against."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.prices import average_price
from services.order.domain.values import Side


@dataclass(frozen=True, slots=True)
class Fill:
    """A fill of an order, or of a child of it.

    Attributes:
        order_id: The order that traded.
        connection_id: Broker connection that executed it.
        price: Its price.
        quantity: Its quantity.
        fee: Its fee, in the instrument's currency.
        at_ns: When the venue made it, nanoseconds since 1970.
        instrument: `SYMBOL.VENUE`: of a child that was routed, its listing.
    """

    order_id: str
    connection_id: str
    price: Decimal
    quantity: Decimal
    fee: Decimal
    at_ns: int
    instrument: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A price of the market, and when the venue made it."""

    price: Decimal
    at_ns: int


@dataclass(frozen=True, slots=True)
class Traded:
    """What the public traded in some time.

    Attributes:
        paid: Sum of price x quantity.
        volume: Quantity; greater than zero.
        count: Number of trades.
        begin_ns: Begin of the time that is covered.
        end_ns: End of it.
    """

    paid: Decimal
    volume: Decimal
    count: int
    begin_ns: int
    end_ns: int

    @property
    def average(self) -> Decimal | None:
        """Volume-weighted average price."""
        return average_price(self.paid, self.volume)

    def and_also(self, other: Traded) -> Traded:
        """Returns what the public traded in both of two places."""
        return Traded(
            EXACT.add(self.paid, other.paid),
            EXACT.add(self.volume, other.volume),
            self.count + other.count,
            min(self.begin_ns, other.begin_ns),
            max(self.end_ns, other.end_ns),
        )


@dataclass(slots=True)
class Executed:
    """Fills added up, exactly; they may come in any order.

    Attributes:
        quantity: Quantity traded.
        paid: Sum of price x quantity.
        fees: Sum of fees.
        count: Number of fills.
        first_ns: When the first was made; 0 without a fill.
        last_ns: When the last was made; 0 without a fill.
    """

    quantity: Decimal = ZERO
    paid: Decimal = ZERO
    fees: Decimal = ZERO
    count: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, fill: Fill) -> None:
        """Takes in a fill."""
        self.quantity = EXACT.add(self.quantity, fill.quantity)
        self.paid = EXACT.add(self.paid, EXACT.multiply(fill.price, fill.quantity))
        self.fees = EXACT.add(self.fees, fill.fee)
        self.first_ns = min(self.first_ns, fill.at_ns) if self.count else fill.at_ns
        self.last_ns = max(self.last_ns, fill.at_ns)
        self.count += 1

    @property
    def average(self) -> Decimal | None:
        """Average price; None without a fill."""
        return average_price(self.paid, self.quantity)

    def cost(self, side: Side, price: Decimal) -> Decimal:
        """Returns what was paid beyond a price, without the multiplier; less than zero is a gain."""
        beyond = EXACT.subtract(self.paid, EXACT.multiply(price, self.quantity))
        return beyond if side is Side.BUY else EXACT.minus(beyond)


@dataclass(slots=True)
class Executions:
    """The fills of an order or of all children of a parent, together and by broker connection and instrument."""

    total: Executed = field(default_factory=Executed)
    by_venue: dict[tuple[str, str], Executed] = field(default_factory=dict)

    def add(self, fills: Iterable[Fill]) -> None:
        """Takes in fills, in any order; one that was canceled has no quantity and counts for nothing."""
        for fill in fills:
            if not fill.quantity:
                continue
            self.total.add(fill)
            key = (fill.connection_id, fill.instrument)
            venue = self.by_venue.get(key)
            if venue is None:
                venue = self.by_venue[key] = Executed()
            venue.add(fill)

    @property
    def instruments(self) -> Sequence[str]:
        """The instruments that were traded in, by name."""
        return sorted({instrument for _, instrument in self.by_venue})
