"""The optimal schedule under linear impact: Almgren and Chriss 2000, "Optimal execution of portfolio transactions".

Floats: these are statistics, not money; quantities are made of them in whole lots elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Impact:
    """The parameters of the model. Times are in days.

    Attributes:
        risk_aversion: Lambda, 1 / currency.
        volatility: Sigma, currency / day^(1/2).
        temporary: Eta, currency / (quantity / day).
        permanent: Gamma, currency / quantity.
        fixed: Epsilon, currency for each unit.
    """

    risk_aversion: float
    volatility: float
    temporary: float
    permanent: float = 0.0
    fixed: float = 0.0

    def adjusted(self, slice_days: float) -> float:
        """Returns eta~ = eta - gamma tau / 2, which must be above 0."""
        return self.temporary - self.permanent * slice_days / 2


def kappa(impact: Impact, slice_days: float) -> float:
    """Returns the urgency of trading, 1 / day: cosh(kappa tau) = 1 + kappa~^2 tau^2 / 2.

    Raises:
        ValueError: gamma tau is not less than 2 eta.
    """
    adjusted = impact.adjusted(slice_days)
    if adjusted <= 0:
        raise ValueError("the permanent impact of a slice must be less than twice the temporary impact")
    squared = impact.risk_aversion * impact.volatility**2 / adjusted
    # arccosh(1 + 2 s^2) = 2 arcsinh(s), which keeps its digits for a small s.
    return 2 * math.asinh(math.sqrt(squared) * slice_days / 2) / slice_days


def holdings(urgency: float, slices: int, days: float) -> list[float]:
    """Returns what should be left at the end of each slice, as parts of the whole; 0 with the last.

    Args:
        urgency: Kappa, 1 / day; 0 for the even schedule.
        slices: Number of slices, of the same length.
        days: The whole time.
    """
    if urgency * days < _EVEN:
        return [1 - k / slices for k in range(1, slices)] + [0.0]
    # sinh(kappa (T - t)) / sinh(kappa T), written so that it does not overflow for a large kappa T.
    whole = -math.expm1(-2 * urgency * days)
    times = (days * k / slices for k in range(1, slices))
    left = [math.exp(-urgency * t) * -math.expm1(-2 * urgency * (days - t)) / whole for t in times]
    return [*left, 0.0]


def expected_cost(impact: Impact, quantity: float, left: Sequence[float], slice_days: float) -> float:
    """Returns the expected cost against the price at the beginning."""
    traded = [quantity * (before - after) for before, after in zip((1.0, *left), left, strict=False)]
    temporary = impact.adjusted(slice_days) / slice_days * sum(each * each for each in traded)
    return impact.permanent * quantity**2 / 2 + impact.fixed * quantity + temporary


def cost_deviation(impact: Impact, quantity: float, left: Sequence[float], slice_days: float) -> float:
    """Returns the standard deviation of the cost."""
    return impact.volatility * quantity * math.sqrt(slice_days * sum(each * each for each in left))


_EVEN = 1e-9
"""So small a kappa T cannot be told from 0."""
