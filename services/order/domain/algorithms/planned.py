"""What an algorithm would do if nothing came in its way: its slices in lots, and what they are expected to cost."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.almgren_chriss import cost_deviation, expected_cost
from services.order.domain.algorithms.schedules import (
    DAY_NS,
    impact_of,
    quantity_due,
    schedule_of,
    shortfall_holdings,
)
from services.order.domain.algorithms.terms import Algorithm, Plan, Shortfall
from services.order.domain.instruments import Instrument
from services.order.domain.terms import OrderTerms

_DIGITS: Final = 12


class PlannedSlice(NamedTuple):
    """A slice: when, how much, and how much with all before it."""

    at_ns: int
    quantity: Decimal
    cumulative: Decimal


@dataclass(frozen=True, slots=True)
class Planned:
    """A schedule before its order is placed.

    Attributes:
        slices: First to last; none for an algorithm that follows the volume.
        plan: What it would go by; None when it needs nothing.
        expected_cost: Expected cost, in the currency of the price; None for others than implementation shortfall.
        cost_deviation: Its standard deviation.
    """

    slices: tuple[PlannedSlice, ...]
    plan: Plan | None = None
    expected_cost: Decimal | None = None
    cost_deviation: Decimal | None = None


def planned(terms: OrderTerms, algorithm: Algorithm, instrument: Instrument, start_ns: int) -> Planned:
    """Returns what an algorithm would do.

    Args:
        terms: The order.
        algorithm: How it is worked, with its plan if it needs one.
        instrument: What it trades.
        start_ns: When it would begin.
    """
    schedule = schedule_of(algorithm, start_ns, terms.order_id)
    slices: list[PlannedSlice] = []
    before = ZERO
    for at_ns, part in zip(schedule.times, schedule.parts, strict=True) if schedule is not None else ():
        due = quantity_due(part, terms.quantity, instrument.lot_size)
        slices.append(PlannedSlice(at_ns, EXACT.subtract(due, before), due))
        before = due
    cost, deviation = _cost(terms, algorithm, len(slices), start_ns)
    return Planned(tuple(slices), algorithm.plan, cost, deviation)


def _cost(terms: OrderTerms, algorithm: Algorithm, count: int, start_ns: int) -> tuple[Decimal | None, Decimal | None]:
    strategy, plan, whole_ns = algorithm.strategy, algorithm.plan, algorithm.end_at_ns - start_ns
    if not isinstance(strategy, Shortfall) or (impact := impact_of(strategy, plan)) is None:
        return None, None
    left, slice_days = shortfall_holdings(strategy, plan, count, whole_ns), whole_ns / DAY_NS / count
    quantity = float(terms.quantity)
    cost, deviation = (f(impact, quantity, left, slice_days) for f in (expected_cost, cost_deviation))
    return Decimal(f"{cost:.{_DIGITS}g}"), Decimal(f"{deviation:.{_DIGITS}g}")
