"""Fills summed up, exactly."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from services.kernel.decimals import ZERO
from services.order.domain.prices import average_price
from services.order.domain.values import Side


@dataclass(slots=True)
class SideTotal:
    """What was traded on one side.

    Attributes:
        quantity: Quantity traded.
        notional: Sum of price x quantity.
    """

    quantity: Decimal = ZERO
    notional: Decimal = ZERO

    @property
    def average(self) -> Decimal | None:
        """Average price; None when nothing was traded."""
        return average_price(self.notional, self.quantity)


@dataclass(slots=True)
class TradeSummary:
    """What was traded in one instrument.

    Attributes:
        count: Number of fills.
        fees: Fees of all fills, in the instrument's currency.
        first_ns: When the first was matched, in nanoseconds since 1970.
        last_ns: When the last was.
    """

    count: int = 0
    bought: SideTotal = field(default_factory=SideTotal)
    sold: SideTotal = field(default_factory=SideTotal)
    fees: Decimal = ZERO
    first_ns: int = 0
    last_ns: int = 0

    def add(self, side: Side, price: Decimal, quantity: Decimal, fee: Decimal, at_ns: int) -> None:
        """Takes in a fill; fills may come in any order."""
        total = self.bought if side is Side.BUY else self.sold
        total.quantity += quantity
        total.notional += price * quantity
        self.fees += fee
        self.first_ns = min(self.first_ns, at_ns) if self.count else at_ns
        self.last_ns = max(self.last_ns, at_ns)
        self.count += 1
