"""What to do now about an order that is worked: which children to call back, and which one to send."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.pricing import Market, Price, price_of
from services.order.domain.algorithms.schedules import Schedule, quantity_due
from services.order.domain.algorithms.terms import SECOND_NS, Aggressiveness, Algorithm, Participation
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus, OrderType, TimeInForce

LOOK_AGAIN_NS: Final = SECOND_NS
"""How often the market is looked at while that may change what is to be done; a child keeps its price as long."""
MOST_RESTING: Final = 5
"""More children that rest at a time are called back, and become one."""
_WORKING: Final = (OrderStatus.NEW, OrderStatus.PARTIALLY_FILLED)


@dataclass(frozen=True, slots=True)
class Child:
    """A child order to be sent."""

    quantity: Decimal
    type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done now.

    Attributes:
        cancel: Children that are to be called back.
        send: Child to be sent; None: none now.
        next_at_ns: When to decide again, unless something happens before.
        ends: Whether the time is over.
        waiting: Why nothing is sent though something is due; empty when nothing is in the way.
    """

    next_at_ns: int
    cancel: tuple[str, ...] = ()
    send: Child | None = None
    ends: bool = False
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Situation:
    """All that is decided by.

    Attributes:
        parent: The order.
        children: Its live children.
        algorithm: How it is worked.
        schedule: Its slices; None for an algorithm that follows the volume.
        start_ns: When it begins.
        instrument: What it trades.
        market: The market now.
        now_ns: The time.
        not_before_ns: No child is sent before.
    """

    parent: Order
    children: Sequence[Order]
    algorithm: Algorithm
    schedule: Schedule | None
    start_ns: int
    instrument: Instrument
    market: Market
    now_ns: int
    not_before_ns: int = 0

    @property
    def aggressiveness(self) -> Aggressiveness:
        """How children are priced now."""
        crosses = self.algorithm.cross_at_end and self.schedule is not None and self.schedule.is_last(self.now_ns)
        return Aggressiveness.AGGRESSIVE if crosses else self.algorithm.aggressiveness

    @property
    def in_flight(self) -> Decimal:
        """Quantity that its children may still fill."""
        return sum((child.leaves for child in self.children), ZERO)

    @property
    def due(self) -> Decimal | None:
        """Quantity that should be done or under way now; None while the volume that decides it is not known."""
        total, lot, volume = self.parent.terms.quantity, self.instrument.lot_size, self.market.volume
        strategy = self.algorithm.strategy
        if isinstance(strategy, Participation):
            if volume is None:
                return None
            due = _lots(EXACT.multiply(strategy.target_rate, volume), lot)
        else:
            part = 0.0 if self.schedule is None else self.schedule.due(self.now_ns, volume)
            due = quantity_due(part, total, lot)
        if (most := self.algorithm.max_participation) is not None:
            if volume is None:
                return None
            due = min(due, _lots(EXACT.multiply(most, volume), lot))
        return min(due, total)


def decide(now: Situation) -> Decision:
    """Says what is to be done now.

    What is done already and what is under way count alike, so that no more than the order is ever under way, whatever
    was decided before and however often it is asked.
    """
    if now.now_ns >= now.algorithm.end_at_ns:
        return Decision(now.now_ns + LOOK_AGAIN_NS, ends=True)
    if now.now_ns < now.start_ns:
        return Decision(now.start_ns)
    if now.parent.status not in _WORKING:
        return Decision(now.algorithm.end_at_ns)
    price = price_of(now.parent.terms, now.aggressiveness, now.market, now.instrument.tick_size)
    return _work(now, price, _outdated(now, price))


def _work(now: Situation, price: Price | str, cancel: tuple[str, ...]) -> Decision:
    """Says what is to be sent while the time has begun and is not over."""
    if (due := now.due) is None:
        return _later(now, cancel, "the volume of the market is not known")
    room = EXACT.subtract(now.parent.leaves, now.in_flight)
    wanted = min(room, EXACT.subtract(due, EXACT.add(now.parent.cumulative, now.in_flight)))
    quantity = _child_quantity(now, wanted, room)
    if quantity <= ZERO:
        return _later(now, cancel)
    if isinstance(price, str):
        return _later(now, cancel, price)
    if now.now_ns < now.not_before_ns:
        return Decision(min(_next(now), now.not_before_ns), cancel)
    return Decision(_next(now), cancel, Child(quantity, price.type, price.time_in_force, price.limit_price))


def _outdated(now: Situation, price: Price | str) -> tuple[str, ...]:
    """Returns the resting children whose price is not today's any more, or that have become too many."""
    if isinstance(price, str):
        return ()
    resting = [child for child in now.children if child.status in _WORKING and not _trades_at_once(child)]
    crowded = len(resting) > MOST_RESTING
    return tuple(child.terms.order_id for child in resting if crowded or _is_outdated(now, child, price))


def _is_outdated(now: Situation, child: Order, price: Price) -> bool:
    if price.time_in_force is TimeInForce.IOC:
        return True
    old_enough = now.now_ns - child.created_at_ns >= LOOK_AGAIN_NS
    return old_enough and child.terms.limit_price != price.limit_price


def _trades_at_once(child: Order) -> bool:
    return child.terms.time_in_force is TimeInForce.IOC


def _child_quantity(now: Situation, wanted: Decimal, room: Decimal) -> Decimal:
    """Returns the quantity of a child: in lots, not too small, not too large, and leaving nothing that is too small."""
    instrument, strategy = now.instrument, now.algorithm.strategy
    least, most = instrument.min_quantity, instrument.max_quantity
    if isinstance(strategy, Participation):
        least = max(least, strategy.min_child or ZERO)
        most = min(most, strategy.max_child or most)
    quantity = _lots(min(wanted, most), instrument.lot_size)
    if quantity < min(least, room) or quantity < instrument.min_quantity:
        return ZERO
    if ZERO < EXACT.subtract(room, quantity) < instrument.min_quantity:
        quantity = room if room <= most else _lots(EXACT.subtract(room, instrument.min_quantity), instrument.lot_size)
    return quantity if quantity >= instrument.min_quantity else ZERO


def _lots(quantity: Decimal, lot: Decimal) -> Decimal:
    return EXACT.subtract(quantity, EXACT.remainder(quantity, lot))


def _later(now: Situation, cancel: tuple[str, ...], waiting: str = "") -> Decision:
    next_ns = min(_next(now), now.now_ns + LOOK_AGAIN_NS) if waiting else _next(now)
    return Decision(next_ns, cancel, waiting=waiting)


def _next(now: Situation) -> int:
    """Returns when there may be something else to do, if nothing happens before."""
    follows = now.algorithm.end_at_ns if now.schedule is None else now.schedule.next_after(now.now_ns)
    if now.children or now.algorithm.needs_volume:
        follows = min(follows, now.now_ns + LOOK_AGAIN_NS)
    return follows
