"""What to do now about an order that is routed: wait, call back what rests, plan a round, or end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.deciding import LOOK_AGAIN_NS
from services.order.domain.algorithms.routing_terms import SmartRouting
from services.order.domain.algorithms.terms import Algorithm
from services.order.domain.family import OUT_OF_TIME
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus, TimeInForce

ROUNDS_USED_UP: Final = "ROUTING_ENDED"
"""Why a routed market order ends with a part of it not done."""
_WORKING: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """What is to be done now.

    Attributes:
        next_at_ns: When to decide again, unless something happens before.
        cancel: Children that are to be called back.
        plan: Quantity that a round is to be planned for; 0: none now.
        takes: Whether that round may take from books, rather than rest only.
        ends: Why the order ends, as reason and text; None: it goes on.
    """

    next_at_ns: int
    cancel: tuple[str, ...] = ()
    plan: Decimal = ZERO
    takes: bool = True
    ends: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RoutingSituation:
    """All that is decided by.

    Attributes:
        parent: The order.
        children: Its live children.
        algorithm: How it is worked.
        start_ns: When it begins.
        offered: Whether any listing offers something within its limit.
        now_ns: The time.
        not_before_ns: No round is planned before.
    """

    parent: Order
    children: Sequence[Order]
    algorithm: Algorithm
    start_ns: int
    offered: bool
    now_ns: int
    not_before_ns: int = 0


def decide_routing(strategy: SmartRouting, now: RoutingSituation) -> RoutingDecision:
    """Says what is to be done now, from how parent and children stand."""
    return _outside(now) or _work(strategy, now)


def _outside(now: RoutingSituation) -> RoutingDecision | None:
    """Says what is to be done while the order is not to be worked; None while it is."""
    if now.now_ns >= now.algorithm.end_at_ns:
        return RoutingDecision(now.now_ns + LOOK_AGAIN_NS, ends=(OUT_OF_TIME, "its end time has come"))
    if now.now_ns < now.start_ns:
        return RoutingDecision(now.start_ns)
    if now.parent.status not in _WORKING:
        return RoutingDecision(now.algorithm.end_at_ns)
    return None


def _work(strategy: SmartRouting, now: RoutingSituation) -> RoutingDecision:
    look_again_ns = min(now.now_ns + LOOK_AGAIN_NS, now.algorithm.end_at_ns)
    resting = [child for child in now.children if _rests(child)]
    takes = now.algorithm.rounds < strategy.max_rounds
    if resting and takes and now.offered and len(resting) == len(now.children):
        return RoutingDecision(look_again_ns, tuple(child.terms.order_id for child in resting if _may_go(now, child)))
    room = EXACT.subtract(now.parent.leaves, sum((child.leaves for child in resting), ZERO))
    if room <= ZERO or len(resting) < len(now.children):
        return RoutingDecision(look_again_ns)
    if now.now_ns < now.not_before_ns:
        return RoutingDecision(min(now.not_before_ns, now.algorithm.end_at_ns))
    if not takes and now.parent.terms.limit_price is None:
        return RoutingDecision(look_again_ns, ends=(ROUNDS_USED_UP, f"its {strategy.max_rounds} rounds are used up"))
    return RoutingDecision(look_again_ns, plan=room, takes=takes)


def _rests(child: Order) -> bool:
    return child.status in _WORKING and child.terms.time_in_force is not TimeInForce.IOC


def _may_go(now: RoutingSituation, child: Order) -> bool:
    """Tells whether a child has rested long enough, so that a market that flickers does not drive it to and fro."""
    return now.now_ns - child.created_at_ns >= LOOK_AGAIN_NS
