"""What an order's algorithm was asked to do, and the plan that it goes by."""

from __future__ import annotations

from dataclasses import dataclass, fields
from dataclasses import replace as changed
from decimal import Decimal
from enum import IntEnum
from typing import Final

from services.kernel.decimals import ZERO, format_decimal
from services.order.domain.algorithms.routing_terms import RoutingPlan, SmartRouting

SECOND_NS: Final = 1_000_000_000


class Aggressiveness(IntEnum):
    """How child orders are priced, numbered as in the contract."""

    PASSIVE = 1
    NEUTRAL = 2
    AGGRESSIVE = 3


@dataclass(frozen=True, slots=True)
class Twap:
    """Evenly over time.

    Attributes:
        slice_ns: Length of a slice asked for; None: by the time there is.
        randomisation: How far a slice may be put off, as a part of it.
    """

    slice_ns: int | None = None
    randomisation: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Vwap:
    """As the market's volume is spread over the time.

    Attributes:
        history_days: Days of history that the expected volume is made of.
        slice_ns: Length of a slice asked for; None: by the time there is.
    """

    history_days: int = 5
    slice_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Participation:
    """As a part of what trades.

    Attributes:
        target_rate: The part.
        min_child: Least quantity of a child; None: what the instrument takes.
        max_child: Most quantity of a child; None: not bounded.
    """

    target_rate: Decimal
    min_child: Decimal | None = None
    max_child: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Implementation shortfall by Almgren and Chriss 2000; units are the contract's. None: to be estimated.

    Attributes:
        risk_aversion: Lambda, 1 / currency.
        volatility: Sigma, currency / day^(1/2).
        temporary_impact: Eta, currency / (quantity / day).
        permanent_impact: Gamma, currency / quantity.
        fixed_cost: Epsilon, currency for each unit.
        slice_ns: Length of a slice asked for; None: by the time there is.
    """

    risk_aversion: Decimal
    volatility: Decimal | None = None
    temporary_impact: Decimal | None = None
    permanent_impact: Decimal | None = None
    fixed_cost: Decimal | None = None
    slice_ns: int | None = None


Strategy = Twap | Vwap | Participation | Shortfall | SmartRouting


@dataclass(frozen=True, slots=True)
class Plan:
    """What an algorithm goes by beside its terms: made once it begins, then part of the log.

    Attributes:
        basis: What it was made of, in words.
        expected_volumes: VWAP: volume expected in each part of the time; empty: evenly.
        volatility: Shortfall: as given or estimated; None, with those below: nothing to estimate from.
        temporary_impact: The same.
        permanent_impact: The same.
        fixed_cost: The same.
        routing: Smart routing: the newest round.
    """

    basis: str
    expected_volumes: tuple[Decimal, ...] = ()
    volatility: Decimal | None = None
    temporary_impact: Decimal | None = None
    permanent_impact: Decimal | None = None
    fixed_cost: Decimal | None = None
    routing: RoutingPlan | None = None


@dataclass(frozen=True, slots=True)
class Algorithm:
    """How an order is worked.

    Attributes:
        strategy: By which rule.
        end_at_ns: When it ends, nanoseconds since 1970.
        start_at_ns: When it was asked to begin; None: when the order is placed.
        aggressiveness: How children are priced.
        max_participation: The most that it may be of the market's volume; None: not bounded.
        cross_at_end: Whether the last slice is aggressive.
        plan: What it goes by; None until made.
    """

    strategy: Strategy
    end_at_ns: int
    start_at_ns: int | None = None
    aggressiveness: Aggressiveness = Aggressiveness.NEUTRAL
    max_participation: Decimal | None = None
    cross_at_end: bool = False
    plan: Plan | None = None

    @property
    def needs_plan(self) -> bool:
        """Whether it cannot begin without a plan."""
        return self.plan is None and isinstance(self.strategy, Vwap | Shortfall)

    @property
    def needs_volume(self) -> bool:
        """Whether it looks at what the market trades."""
        return self.max_participation is not None or isinstance(self.strategy, Vwap | Participation)

    @property
    def rounds(self) -> int:
        """Rounds of routing that were planned so far."""
        return 0 if self.plan is None or self.plan.routing is None else self.plan.routing.round

    def awaits(self, plan: Plan) -> bool:
        """Tells whether a plan is one that may come next."""
        return self.needs_plan if plan.routing is None else plan.routing.round >= self.rounds

    def begins_at_ns(self, placed_at_ns: int) -> int:
        """Returns when it begins, for an order that was placed at a time: never before that."""
        return placed_at_ns if self.start_at_ns is None else max(self.start_at_ns, placed_at_ns)

    def planned(self, plan: Plan) -> Algorithm:
        """Returns it with a plan."""
        return changed(self, plan=plan)

    def digest_text(self) -> str:
        """Returns what it adds to the digest of a request. The plan is not the caller's and does not count."""
        name = type(self.strategy).__name__.lower()
        parts = [f"|algorithm={name}"]
        for owner in (self.strategy, self):
            for field in fields(owner):
                if field.name in {"strategy", "plan"}:
                    continue
                value = getattr(owner, field.name)
                if value is not None and value != field.default:
                    parts.append(f"|{field.name}={_text(value)}")
        return "".join(parts)


def _text(value: Decimal | float | tuple[str, ...]) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    return format_decimal(value) if isinstance(value, Decimal) else str(int(value))
