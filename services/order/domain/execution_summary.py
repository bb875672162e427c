"""Execution quality of many fills, added up: each against the quote at the arrival of its own order."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.execution_quality import basis_points, ratio
from services.order.domain.executions import Fill
from services.order.domain.prices import average_price
from services.order.domain.quotes import Quote
from services.order.domain.values import Side

_TWO = Decimal(2)


@dataclass(frozen=True, slots=True)
class JudgedFill:
    """A fill, and what it is held against.

    Attributes:
        fill: The fill.
        side: Side of its order.
        first: Whether it is the first of its order that counts.
        arrived_at_ns: When its order came in, nanoseconds since 1970; 0 when that is not known.
        arrival: The newest quote then; None when none was known.
    """

    fill: Fill
    side: Side
    first: bool
    arrived_at_ns: int
    arrival: Quote | None


class QualityTotal:
    """Fills in one instrument through one broker connection. Prices x quantities are without the multiplier.

    Attributes:
        orders: Orders whose first fill is among them.
        count: Number of fills.
        quantity: Quantity of all.
        paid: Sum of price x quantity of all.
        fees: Fees of all.
        benchmarked: Quantity of those with a mid price at arrival; the rest of the figures are about these.
        cost: Sum of what they cost against it.
        quoted: Sum of spread at arrival x quantity.
        improvement: Sum of what they gained against the far touch at arrival.
        improved: Quantity at better prices than the far touch.
        at_touch: Quantity at the far touch.
        outside: Quantity at worse prices.
    """

    __slots__ = (
        "_arrival_value",
        "_timed",
        "_waited",
        "at_touch",
        "benchmarked",
        "cost",
        "count",
        "fees",
        "improved",
        "improvement",
        "orders",
        "outside",
        "paid",
        "quantity",
        "quoted",
    )

    def __init__(self) -> None:
        self.orders = self.count = 0
        self.quantity = self.paid = self.fees = ZERO
        self.benchmarked = self.cost = self.quoted = self.improvement = ZERO
        self.improved = self.at_touch = self.outside = ZERO
        self._arrival_value = ZERO
        self._waited = self._timed = ZERO

    def add(self, judged: JudgedFill) -> None:
        """Takes in a fill; fills may come in any order."""
        fill = judged.fill
        self.orders += judged.first
        self.count += 1
        self.quantity = EXACT.add(self.quantity, fill.quantity)
        self.paid = EXACT.add(self.paid, EXACT.multiply(fill.price, fill.quantity))
        self.fees = EXACT.add(self.fees, fill.fee)
        if judged.arrived_at_ns:
            waited_ns = Decimal(max(fill.at_ns - judged.arrived_at_ns, 0))
            self._waited = EXACT.add(self._waited, EXACT.multiply(waited_ns, fill.quantity))
            self._timed = EXACT.add(self._timed, fill.quantity)
        quote = judged.arrival
        if quote is not None and not quote.stale:
            self._compare(fill, judged.side, quote)

    def _compare(self, fill: Fill, side: Side, quote: Quote) -> None:
        mid, spread, touch = quote.mid, quote.spread, quote.touch(side)
        if mid is None or spread is None or touch is None:
            return
        quantity = fill.quantity
        gain = EXACT.subtract(touch, fill.price) if side is Side.BUY else EXACT.subtract(fill.price, touch)
        cost = EXACT.subtract(fill.price, mid) if side is Side.BUY else EXACT.subtract(mid, fill.price)
        self.benchmarked = EXACT.add(self.benchmarked, quantity)
        self.cost = EXACT.add(self.cost, EXACT.multiply(cost, quantity))
        self.quoted = EXACT.add(self.quoted, EXACT.multiply(spread, quantity))
        self.improvement = EXACT.add(self.improvement, EXACT.multiply(gain, quantity))
        self._arrival_value = EXACT.add(self._arrival_value, EXACT.multiply(mid, quantity))
        if gain > ZERO:
            self.improved = EXACT.add(self.improved, quantity)
        elif gain:
            self.outside = EXACT.add(self.outside, quantity)
        else:
            self.at_touch = EXACT.add(self.at_touch, quantity)

    @property
    def average(self) -> Decimal | None:
        """Average price of all."""
        return average_price(self.paid, self.quantity)

    @property
    def cost_points(self) -> Decimal | None:
        """Cost in basis points of the value at arrival mids."""
        return basis_points(self.cost, self._arrival_value)

    @property
    def effective_spread(self) -> Decimal | None:
        """Quantity-weighted average effective spread."""
        return average_price(EXACT.multiply(_TWO, self.cost), self.benchmarked)

    @property
    def quoted_spread(self) -> Decimal | None:
        """Quantity-weighted average spread at arrival."""
        return average_price(self.quoted, self.benchmarked)

    @property
    def effective_to_quoted(self) -> Decimal | None:
        """Effective over quoted spread."""
        return ratio(EXACT.multiply(_TWO, self.cost), self.quoted)

    @property
    def average_wait_ns(self) -> int | None:
        """Quantity-weighted average time from arrival to fill; None when no arrival is known."""
        return int(EXACT.divide_int(self._waited, self._timed)) if self._timed else None
