"""How well an order, or a parent with its children, was executed.

Signs: a cost is positive and a gain negative, for buys and sells alike. Sums are exact; averages and ratios are rounded
half to even, to the digits that the contract states. What cannot be told is None. The formulas stand in the contract
(`execution_quality.proto`), with their sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.executions import Executed, Mark, Traded
from services.order.domain.prices import average_price
from services.order.domain.quotes import Quote
from services.order.domain.values import Side

_TWO = Decimal(2)
_TEN_THOUSAND = Decimal(10_000)
_POINT_STEP = Decimal("0.0001")
_RATIO_STEP = Decimal("0.000001")
_ROUNDING = Context(prec=96, rounding=ROUND_HALF_EVEN)


@dataclass(frozen=True, slots=True)
class Benchmark:
    """What execution is held against.

    Attributes:
        side: Side of the order.
        quantity: Quantity ordered.
        arrival: The newest quote when it came in; None when none was known.
        multiplier: value = price x quantity x multiplier; None when it is not known.
        end: Price of what did not fill, at the end; None when it is not known.
        after: Price some time after the last fill; None when it is not known.
        traded: What the public traded meanwhile; None when that is nothing, or not known.
    """

    side: Side
    quantity: Decimal
    arrival: Quote | None = None
    multiplier: Decimal | None = None
    end: Mark | None = None
    after: Mark | None = None
    traded: Traded | None = None

    @property
    def fresh(self) -> Quote | None:
        """The arrival quote, unless it is stale: nothing is measured against one that may be old."""
        return None if self.arrival is None or self.arrival.stale else self.arrival

    @property
    def mid(self) -> Decimal | None:
        """Mid price at arrival."""
        return None if self.fresh is None else self.fresh.mid

    @property
    def decision(self) -> Decimal | None:
        """Price at which the decision was made: the mid at arrival, else the last trade's."""
        if self.fresh is None:
            return None
        return self.fresh.last if self.fresh.mid is None else self.fresh.mid

    def money(self, value: Decimal) -> Decimal | None:
        """Returns price x quantity as money."""
        return None if self.multiplier is None else EXACT.multiply(value, self.multiplier)


@dataclass(frozen=True, slots=True)
class Cost:
    """What something cost: in money, None without a multiplier; in basis points, None when the base is not positive."""

    money: Decimal | None
    points: Decimal | None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Implementation shortfall in money, and its parts: total = execution + opportunity + fees."""

    total: Decimal
    execution: Decimal
    opportunity: Decimal
    fees: Decimal
    points: Decimal | None


def cost_against(executed: Executed, benchmark: Benchmark, price: Decimal | None) -> Cost | None:
    """Returns the cost of fills against a price; None without either."""
    if price is None or not executed.quantity:
        return None
    cost = executed.cost(benchmark.side, price)
    return Cost(benchmark.money(cost), basis_points(cost, EXACT.multiply(price, executed.quantity)))


def spread_cost(executed: Executed, benchmark: Benchmark) -> Decimal | None:
    """Returns what crossing half of the arrival spread costs, in money."""
    quote = benchmark.fresh
    if quote is None or quote.spread is None or not executed.quantity:
        return None
    return benchmark.money(EXACT.divide(EXACT.multiply(quote.spread, executed.quantity), _TWO))


def price_improvement(executed: Executed, benchmark: Benchmark) -> Decimal | None:
    """Returns the gain against the far touch at arrival, in money: spread cost less slippage."""
    quote = benchmark.fresh
    touch = None if quote is None or quote.mid is None else quote.touch(benchmark.side)
    if touch is None or not executed.quantity:
        return None
    return benchmark.money(EXACT.minus(executed.cost(benchmark.side, touch)))


def effective_spread(executed: Executed, benchmark: Benchmark) -> Cost | None:
    """Returns twice the distance of the average price from the arrival mid, in price and in basis points of the mid."""
    mid = benchmark.mid
    if mid is None or not executed.quantity:
        return None
    doubled = EXACT.multiply(_TWO, executed.cost(benchmark.side, mid))
    return Cost(
        average_price(doubled, executed.quantity), basis_points(doubled, EXACT.multiply(mid, executed.quantity))
    )


def shortfall(executed: Executed, benchmark: Benchmark) -> Shortfall | None:
    """Returns the implementation shortfall; None when a part of it cannot be told."""
    decision, multiplier = benchmark.decision, benchmark.multiplier
    unfilled = max(EXACT.subtract(benchmark.quantity, executed.quantity), ZERO)
    if decision is None or multiplier is None or (unfilled and benchmark.end is None):
        return None
    execution = EXACT.multiply(executed.cost(benchmark.side, decision), multiplier)
    missed = Executed(unfilled, EXACT.multiply(unfilled, benchmark.end.price if benchmark.end else ZERO))
    opportunity = EXACT.multiply(missed.cost(benchmark.side, decision), multiplier) if unfilled else ZERO
    total = EXACT.add(EXACT.add(execution, opportunity), executed.fees)
    paper = EXACT.multiply(EXACT.multiply(benchmark.quantity, decision), multiplier)
    return Shortfall(total, execution, opportunity, executed.fees, basis_points(total, paper))


def impact(executed: Executed, benchmark: Benchmark) -> tuple[Cost, Cost] | None:
    """Returns permanent and temporary impact, whose money adds up to the slippage; None when they cannot be told."""
    mid, after = benchmark.mid, benchmark.after
    if mid is None or after is None or not executed.quantity:
        return None
    base = EXACT.multiply(mid, executed.quantity)
    temporary = executed.cost(benchmark.side, after.price)
    permanent = EXACT.subtract(executed.cost(benchmark.side, mid), temporary)
    return (
        Cost(benchmark.money(permanent), basis_points(permanent, base)),
        Cost(benchmark.money(temporary), basis_points(temporary, base)),
    )


def basis_points(value: Decimal, base: Decimal) -> Decimal | None:
    """Returns value / base in basis points, rounded half to even to 4 digits; None when the base is not positive."""
    if base <= ZERO:
        return None
    return _ROUNDING.divide(_ROUNDING.multiply(value, _TEN_THOUSAND), base).quantize(_POINT_STEP, context=_ROUNDING)


def ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    """Returns part / whole, rounded half to even to 6 digits; None when the whole is not positive."""
    if whole <= ZERO:
        return None
    return _ROUNDING.divide(part, whole).quantize(_RATIO_STEP, context=_ROUNDING)
