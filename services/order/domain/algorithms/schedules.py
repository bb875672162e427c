"""What should be done by when: time cut into slices of one length, each with the part that is to be done with it."""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate, pairwise
from typing import Final

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.almgren_chriss import Impact, holdings, kappa
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.terms import SECOND_NS, Algorithm, Participation, Plan, Shortfall, Twap

DAY_NS: Final = 86_400 * SECOND_NS
_LONGEST_SLICE_NS: Final = 300 * SECOND_NS
_USUAL_SLICES: Final = 20
_LOT_ERROR: Final = 1e-9
"""Parts of a lot that arithmetic on floats may lack of a whole one."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slices of an algorithm.

    Attributes:
        start_ns: When it begins, nanoseconds since 1970.
        end_ns: When it ends.
        times: When the children of each slice are sent; never falls.
        parts: What should be done with each slice, those before it included, as a part of the whole; 1 with the last.
        expected: Volume that the market is expected to have traded at the end of each of some parts of the time that
            are equally long; empty: evenly.
    """

    start_ns: int
    end_ns: int
    times: tuple[int, ...]
    parts: tuple[float, ...]
    expected: tuple[float, ...] = ()

    def index(self, at_ns: int) -> int:
        """Returns which slice a time is in; -1 before the first."""
        return bisect_right(self.times, at_ns) - 1

    def next_after(self, at_ns: int) -> int:
        """Returns when the next slice begins; the end after the last."""
        following = self.index(at_ns) + 1
        return self.times[following] if following < len(self.times) else self.end_ns

    def is_last(self, at_ns: int) -> bool:
        """Tells whether the last slice has begun."""
        return at_ns >= self.times[-1]

    def due(self, at_ns: int, volume: Decimal | None = None) -> float:
        """Returns what should be done at a time, as a part of the whole.

        Args:
            at_ns: The time.
            volume: What the market has traded since the beginning, by which a schedule with expected volumes is
                adjusted: sooner or later by as much as the market is ahead or behind. None: not known.
        """
        index = self.index(at_ns)
        if index < 0:
            return 0.0
        part = self.parts[index]
        if not self.expected or volume is None or index == len(self.parts) - 1:
            return part
        so_far = self.expected_by(at_ns)
        seen, to_come = float(volume), self.expected[-1] - so_far
        if seen + to_come <= 0:
            return part
        return min(1.0, max(0.0, part + seen / (seen + to_come) - so_far / self.expected[-1]))

    def expected_by(self, at_ns: int) -> float:
        """Returns the volume that the market is expected to have traded at a time since the beginning."""
        return interpolated(self.expected, (at_ns - self.start_ns) / (self.end_ns - self.start_ns))


def schedule_of(algorithm: Algorithm, start_ns: int, order_id: str) -> Schedule | None:
    """Returns the schedule of an algorithm; None for one that follows the volume, or the books, alone.

    Args:
        algorithm: Its terms, with the plan if it needs one.
        start_ns: When it begins.
        order_id: Decides what is random; empty for an order that is only looked at, of which nothing is.
    """
    strategy, plan = algorithm.strategy, algorithm.plan
    if isinstance(strategy, Participation | SmartRouting):
        return None
    count = slice_count(strategy.slice_ns, algorithm.end_at_ns - start_ns)
    times = [start_ns + (algorithm.end_at_ns - start_ns) * k // count for k in range(count)]
    expected: tuple[float, ...] = ()
    if isinstance(strategy, Twap):
        parts = [k / count for k in range(1, count)] + [1.0]
        times = _put_off(times, algorithm.end_at_ns, float(strategy.randomisation), order_id)
    elif isinstance(strategy, Shortfall):
        parts = [1 - left for left in shortfall_holdings(strategy, plan, count, algorithm.end_at_ns - start_ns)]
    else:
        expected = tuple(accumulate(map(float, plan.expected_volumes))) if plan is not None else ()
        parts = [interpolated(expected, k / count) / expected[-1] if expected else k / count for k in range(1, count)]
        parts.append(1.0)
    return Schedule(start_ns, algorithm.end_at_ns, tuple(times), tuple(parts), expected)


def slice_count(asked_ns: int | None, whole_ns: int) -> int:
    """Returns how many slices a time is cut into: as few as are not longer than asked for."""
    usual = min(_LONGEST_SLICE_NS, max(SECOND_NS, whole_ns // _USUAL_SLICES))
    return max(1, -(-whole_ns // (asked_ns or usual)))


def impact_of(strategy: Shortfall, plan: Plan | None) -> Impact | None:
    """Returns the parameters of the model; None when there was nothing to estimate them from."""
    if plan is None or plan.volatility is None or plan.temporary_impact is None:
        return None
    return Impact(
        float(strategy.risk_aversion),
        float(plan.volatility),
        float(plan.temporary_impact),
        float(plan.permanent_impact or ZERO),
        float(plan.fixed_cost or ZERO),
    )


def shortfall_holdings(strategy: Shortfall, plan: Plan | None, count: int, whole_ns: int) -> list[float]:
    """Returns what should be left after each slice; evenly without an estimate."""
    impact, days = impact_of(strategy, plan), whole_ns / DAY_NS
    return holdings(0.0 if impact is None else kappa(impact, days / count), count, days)


def quantity_due(part: float, quantity: Decimal, lot: Decimal) -> Decimal:
    """Returns a part of a quantity in whole lots, cut: what is cut off is due with a later part."""
    if part >= 1:
        return quantity
    lots = float(EXACT.divide(quantity, lot)) * part
    return min(quantity, EXACT.multiply(Decimal(math.floor(lots + _LOT_ERROR)), lot))


def interpolated(cumulative: Sequence[float], part: float) -> float:
    """Returns the value of a curve, which begins with 0 and reaches its points in equal steps, at a part of its way."""
    if not cumulative:
        return 0.0
    position = min(1.0, max(0.0, part)) * len(cumulative)
    index = min(int(position), len(cumulative) - 1)
    before = cumulative[index - 1] if index else 0.0
    return before + (cumulative[index] - before) * (position - index)


def _put_off(times: list[int], end_ns: int, most: float, order_id: str) -> list[int]:
    """Puts off each slice but the first, by less than its length: so none passes the next, nor the end."""
    if not most or not order_id:
        return times
    dice = random.Random(order_id)  # noqa: S311 - hides the moment from others, not a secret; the same for ever
    put_off = [
        begin + int((following - begin - 1) * most * dice.random())
        for begin, following in pairwise((*times[1:], end_ns))
    ]
    return [times[0], *put_off]
