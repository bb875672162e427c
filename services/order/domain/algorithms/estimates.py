"""Plans out of the history of an instrument's market: the volume to expect, volatility and impact."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Final

from services.kernel.decimals import ZERO
from services.order.domain.algorithms.schedules import DAY_NS
from services.order.domain.algorithms.terms import SECOND_NS, Plan, Shortfall

MINUTE_NS: Final = 60 * SECOND_NS
_STEPS: Final = ((120 * SECOND_NS, SECOND_NS), (7_200 * SECOND_NS, MINUTE_NS))
_LONGEST_STEP_NS: Final = 900 * SECOND_NS
_TEMPORARY_PART: Final = 0.01
_PERMANENT_PART: Final = 0.1
"""Parts of the daily volume that cost, or move the price by, a spread: Almgren and Chriss 2000, section 3.4."""
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Bar:
    """What traded in some time.

    Attributes:
        at_ns: When it began, nanoseconds since 1970.
        close: Price of the last trade.
        volume: Quantity traded.
    """

    at_ns: int
    close: Decimal
    volume: Decimal


def volume_step(whole_ns: int) -> int:
    """Returns how long the bars are that a volume profile of some time is made of: a second, a minute or a quarter."""
    return next((step_ns for most_ns, step_ns in _STEPS if whole_ns <= most_ns), _LONGEST_STEP_NS)


def volume_plan(days: Sequence[Sequence[Bar]], start_ns: int, end_ns: int, step_ns: int) -> Plan:
    """Returns the volume to expect from start to end, as the mean of the same time on days past.

    Args:
        days: Bars of each day, the day before first, that begin or end in that time.
        start_ns: Begin of the time.
        end_ns: End of it.
        step_ns: Length of a bar.
    """
    count = -(-(end_ns - start_ns) // step_ns)
    traded = [
        volumes
        for back, bars in enumerate(days, 1)
        if any(volumes := _spread(bars, start_ns - back * DAY_NS, step_ns, count))
    ]
    if not traded:
        return Plan(f"no trades in this time on the {len(days)} days before: evenly")
    mean = tuple(_number(sum(each) / len(traded)) for each in zip(*traded, strict=True))
    return Plan(f"the mean volume of {len(traded)} of the {len(days)} days before", mean)


def shortfall_plan(asked: Shortfall, minutes: Sequence[Bar], spread: Decimal) -> Plan:
    """Returns the parameters of the model: as given, else estimated as the contract says.

    Args:
        asked: What was given.
        minutes: Bars of the minutes that had trades in the last day, oldest first.
        spread: Ask - bid, or a tick.
    """
    # A day that has no more history than some hours is taken to go on as it was.
    span_days = (minutes[-1].at_ns + MINUTE_NS - minutes[0].at_ns) / DAY_NS if minutes else 0.0
    daily_volume = sum(float(bar.volume) for bar in minutes) / span_days if minutes else 0.0
    volatility = asked.volatility or volatility_of(minutes)
    temporary = asked.temporary_impact or _impact(spread, daily_volume, _TEMPORARY_PART)
    if volatility is None or temporary is None:
        return Plan("too few trades in the last day to estimate from: evenly")
    # Given beside estimated may not go with each other: what is estimated gives way, so that eta~ stays above 0.
    permanent = asked.permanent_impact
    if permanent is None:
        permanent = min(temporary, _impact(spread, daily_volume, _PERMANENT_PART) or ZERO)
    elif asked.temporary_impact is None:
        temporary = max(temporary, permanent)
    fixed = spread / 2 if asked.fixed_cost is None else asked.fixed_cost
    given = None not in (asked.volatility, asked.temporary_impact, asked.permanent_impact, asked.fixed_cost)
    basis = "as given" if given else f"{len(minutes)} minutes with trades in the last day, and the spread {spread}"
    return Plan(basis, volatility=volatility, temporary_impact=temporary, permanent_impact=permanent, fixed_cost=fixed)


def volatility_of(minutes: Sequence[Bar]) -> Decimal | None:
    """Returns the root of the squared differences of closes over the time that they took; None without two closes."""
    if len(minutes) < 2:  # noqa: PLR2004 - a difference needs two
        return None
    squares = sum(float(after.close - before.close) ** 2 for before, after in pairwise(minutes))
    return _number(math.sqrt(squares / ((minutes[-1].at_ns - minutes[0].at_ns) / DAY_NS)))


def _impact(spread: Decimal, daily_volume: float, part: float) -> Decimal | None:
    return _number(float(spread) / (part * daily_volume)) if daily_volume else None


def _spread(bars: Sequence[Bar], begin_ns: int, step_ns: int, count: int) -> list[float]:
    """Returns the volumes of parts of a time, out of bars that need not begin with them."""
    volumes = [0.0] * count
    for bar in bars:
        index, offset = divmod(bar.at_ns - begin_ns, step_ns)
        for part, share in ((index, 1 - offset / step_ns), (index + 1, offset / step_ns)):
            if 0 <= part < count:
                volumes[part] += float(bar.volume) * share
    return volumes


def _number(value: float) -> Decimal:
    """Returns a statistic as a number of so many digits that can be written down."""
    return Decimal(f"{value:.{_DIGITS}g}")
