"""Which listings to take from over which connections: units of all books by expected cost, the least first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.routing_costs import Candidate, Market, statistic, unit_cost
from services.order.domain.algorithms.routing_terms import PlannedRoute
from services.order.domain.preview import Level
from services.order.domain.prices import average_price
from services.order.domain.values import Side


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be routed.

    Attributes:
        side: Side.
        quantity: Quantity.
        limit_price: Worst price; None for any.
        max_venue_quantity: The most for one listing; None: not bounded.
    """

    side: Side
    quantity: Decimal
    limit_price: Decimal | None = None
    max_venue_quantity: Decimal | None = None

    def reaches(self, price: Decimal) -> bool:
        """Tells whether a price is within the limit."""
        if self.limit_price is None:
            return True
        return price <= self.limit_price if self.side is Side.BUY else price >= self.limit_price


class Routing(NamedTuple):
    """Where a quantity goes."""

    routes: tuple[PlannedRoute, ...]
    unrouted: Decimal
    cost: Decimal


def plan_routes(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> Routing:
    """Returns where a quantity goes: as much of it as books offer within the limit, at the least expected cost.

    Lots that differ can make one listing alone better than the cheapest units of all; then it is that one.
    """
    alone = [_within_bounds(wanted, [each], market) for each in candidates]
    together = _within_bounds(wanted, candidates, market)
    return min((together, *alone), key=lambda routing: (routing.unrouted, routing.cost))


def resting_route(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> PlannedRoute | None:
    """Returns where a quantity rests at its limit: where the other side is nearest, then where it is quicker.

    None without a limit, or when no listing takes so little.
    """
    limit = wanted.limit_price
    if limit is None:
        return None
    best: tuple[tuple[bool, Decimal, float], PlannedRoute] | None = None
    for candidate in candidates:
        instrument = candidate.instrument
        quantity = _lots(min(wanted.quantity, instrument.max_quantity), instrument.lot_size)
        if quantity < instrument.min_quantity or quantity <= ZERO:
            continue
        levels = market.levels.get(instrument.name) or ()
        distance = abs(levels[0].price - limit) if levels else ZERO
        rank = (not levels, distance, candidate.latency_seconds)
        if best is None or rank < best[0]:
            price = _own_side(limit, wanted.side, instrument.tick_size)
            best = (rank, _route(candidate, quantity, price, rests=True))
    return None if best is None else best[1]


@dataclass(slots=True)
class _Taken:
    """What a candidate takes."""

    quantity: Decimal = ZERO
    notional: Decimal = ZERO
    cost: Decimal = ZERO
    prices: list[Decimal] = field(default_factory=list)


def _within_bounds(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> Routing:
    """Plans without the candidates that would get less than their instrument takes."""
    while True:
        taken = _greedy(wanted, candidates, market)
        small = {k for k, each in taken.items() if each.quantity < candidates[k].instrument.min_quantity}
        if not small:
            break
        candidates = [each for k, each in enumerate(candidates) if k not in small]
    routes = [_taking(candidates[k], each, wanted.side) for k, each in taken.items()]
    filled = sum((each.quantity for each in taken.values()), ZERO)
    cost = sum((each.cost for each in taken.values()), ZERO)
    return Routing(tuple(routes), EXACT.subtract(wanted.quantity, filled), cost)


def _greedy(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> dict[int, _Taken]:
    """Returns what each candidate takes, by its index, when units are taken by their cost. Books are shared."""
    left, most_each = wanted.quantity, wanted.max_venue_quantity or wanted.quantity
    offered: dict[tuple[str, int], Decimal] = {}
    room: dict[str, Decimal] = {}
    taken: dict[int, _Taken] = {}
    for cost, k, depth, level in _units(wanted, candidates, market):
        instrument = candidates[k].instrument
        name = instrument.name
        mine = taken.get(k) or _Taken()
        most = min(
            left,
            offered.get((name, depth), level.quantity),
            room.get(name, most_each),
            EXACT.subtract(instrument.max_quantity, mine.quantity),
        )
        quantity = _lots(most, instrument.lot_size)
        if quantity <= ZERO:
            continue
        offered[name, depth] = EXACT.subtract(offered.get((name, depth), level.quantity), quantity)
        room[name] = EXACT.subtract(room.get(name, most_each), quantity)
        left = EXACT.subtract(left, quantity)
        mine.quantity += quantity
        mine.notional += EXACT.multiply(level.price, quantity)
        mine.cost += EXACT.multiply(cost, quantity)
        mine.prices.append(level.price)
        taken[k] = mine
    return taken


def _units(wanted: Wanted, candidates: Sequence[Candidate], market: Market) -> list[tuple[Decimal, int, int, Level]]:
    """Returns the levels within the limit, as each candidate meets them, the cheapest first."""
    return sorted(
        (unit_cost(candidate, level.price, wanted.side, market), k, depth, level)
        for k, candidate in enumerate(candidates)
        for depth, level in enumerate(market.levels.get(candidate.instrument.name) or ())
        if wanted.reaches(level.price)
    )


def _taking(candidate: Candidate, taken: _Taken, side: Side) -> PlannedRoute:
    worst = max(taken.prices) if side is Side.BUY else min(taken.prices)
    multiplier = candidate.instrument.multiplier
    return _route(
        candidate,
        taken.quantity,
        worst,
        expected_price=average_price(taken.notional, taken.quantity),
        expected_cost=EXACT.multiply(taken.cost, multiplier),
        expected_fee=EXACT.multiply(EXACT.multiply(taken.notional, candidate.fee_rate), multiplier),
    )


def _route(
    candidate: Candidate,
    quantity: Decimal,
    limit_price: Decimal,
    *,
    rests: bool = False,
    expected_price: Decimal | None = None,
    expected_cost: Decimal | None = None,
    expected_fee: Decimal | None = None,
) -> PlannedRoute:
    return PlannedRoute(
        candidate.instrument.name,
        candidate.connection_id,
        quantity,
        limit_price,
        statistic(candidate.fill_probability),
        statistic(candidate.latency_seconds),
        rests=rests,
        expected_price=expected_price,
        expected_cost=expected_cost,
        expected_fee=expected_fee,
    )


def _own_side(price: Decimal, side: Side, tick: Decimal) -> Decimal:
    rest = EXACT.remainder(price, tick)
    below = EXACT.subtract(price, rest)
    return below if side is Side.BUY or rest == ZERO else EXACT.add(below, tick)


def _lots(quantity: Decimal, lot: Decimal) -> Decimal:
    return EXACT.subtract(quantity, EXACT.remainder(quantity, lot)) if quantity > ZERO else ZERO
