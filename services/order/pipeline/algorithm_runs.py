"""What is known of one order while it is worked. All of it but the pauses comes from the log, again after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from services.order.domain.algorithms.deciding import Child, Situation
from services.order.domain.algorithms.pricing import Market
from services.order.domain.algorithms.routing_terms import PlannedRoute
from services.order.domain.algorithms.schedules import Schedule, schedule_of
from services.order.domain.algorithms.terms import SECOND_NS, Algorithm
from services.order.domain.instructions import Instructions
from services.order.domain.instruments import Instrument
from services.order.domain.links import Links
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType, TimeInForce
from services.order.pipeline.beginning import NO_ROOM

GAVE_UP: Final = "ALGORITHM_GAVE_UP"
MOST_REJECTIONS: Final = 10
"""So many children rejected one after the other, and the order is given up."""
PACE_NS: Final = SECOND_NS // 4
"""Least time between two children of an order."""
_FIRST_PAUSE_NS: Final = SECOND_NS
_MOST_PAUSE_NS: Final = 30 * SECOND_NS
_ENDED: Final = (ExecutionType.CANCELED, ExecutionType.EXPIRED)


class Run:
    """An order that is being worked.

    Attributes:
        parent_order_id: The order.
        instrument: What it trades.
        algorithm: How it is worked.
        start_ns: When it begins.
        number: Number of its newest child; None until it is looked up.
        not_before_ns: No child is sent before.
        rejections: Children that were rejected one after the other, the newest ones.
        rejected: Why the newest was.
        preparing: Whether what it needs to begin is being fetched.
        waiting: Why nothing is sent though something is due.
        watching: Whether the volume of its market is followed for it.
        routes: Smart routing: children that were planned, in the log, and are to be sent now.
    """

    __slots__ = (
        "_pause_ns",
        "_schedule",
        "algorithm",
        "instrument",
        "not_before_ns",
        "number",
        "parent_order_id",
        "preparing",
        "rejected",
        "rejections",
        "routes",
        "start_ns",
        "waiting",
        "watching",
    )

    def __init__(self, parent: Order, algorithm: Algorithm, *, begins: bool) -> None:
        self.parent_order_id = parent.terms.order_id
        self.instrument = parent.terms.instrument
        self.algorithm = algorithm
        self.start_ns = algorithm.begins_at_ns(parent.created_at_ns)
        # One that begins now has no children; how many others have had is in the store.
        self.number: int | None = 0 if begins else None
        self.not_before_ns = 0
        self.rejections, self.rejected = 0, ""
        self.preparing = self.watching = False
        self.waiting = ""
        self.routes: tuple[PlannedRoute, ...] = ()
        self._pause_ns = 0
        self._schedule: Schedule | None = None

    def ready(self, now_ns: int) -> bool:
        """Tells whether all is there that it needs at a time."""
        return self.number is not None and (now_ns < self.start_ns or not self.algorithm.needs_plan)

    def take(self, algorithm: Algorithm) -> None:
        """Takes the algorithm as the log has it now."""
        if algorithm is not self.algorithm:
            self.algorithm, self._schedule = algorithm, None

    def situation(
        self, parent: Order, members: Mapping[str, Order], instrument: Instrument, market: Market, now_ns: int
    ) -> Situation:
        """Returns what is to be decided by."""
        if self._schedule is None:
            self._schedule = schedule_of(self.algorithm, self.start_ns, self.parent_order_id)
        return Situation(
            parent,
            [order for order in members.values() if order.terms.parent_order_id],
            self.algorithm,
            self._schedule,
            self.start_ns,
            instrument,
            market,
            now_ns,
            self.not_before_ns,
        )

    def heard(self, event: OrderEvent, now_ns: int) -> None:
        """Takes note of what happened to a child: one that came to nothing makes the next one wait."""
        order = event.order
        if event.is_fill:
            self.rejections, self._pause_ns = 0, 0
        elif event.type is ExecutionType.REJECTED and event.reason != NO_ROOM:
            self.refused(": ".join(part for part in (event.reason, event.text) if part), now_ns)
        elif event.type in _ENDED and not order.cumulative and order.terms.time_in_force is TimeInForce.IOC:
            self.pause(now_ns)

    def refused(self, why: str, now_ns: int) -> None:
        """Takes note that a child was rejected."""
        self.rejections, self.rejected = self.rejections + 1, why
        self.pause(now_ns)

    @property
    def gives_up(self) -> str:
        """Why it is given up; empty while it is not."""
        if self.rejections < MOST_REJECTIONS:
            return ""
        return f"{self.rejections} children were rejected, {self.rejected}"

    def pause(self, now_ns: int) -> None:
        """Sends nothing for a while: twice as long each time, until something trades."""
        self._pause_ns = min(max(_FIRST_PAUSE_NS, 2 * self._pause_ns), _MOST_PAUSE_NS)
        self.not_before_ns = now_ns + self._pause_ns

    def child_terms(
        self,
        parent: Order,
        child: Child,
        order_id: str,
        now_ns: int,
        *,
        instrument: str = "",
        connection_id: str = "",
    ) -> OrderTerms:
        """Returns the terms of the next child, under an id that tells its parent and its number.

        Args:
            parent: Its parent.
            child: What is to be sent.
            order_id: Its id.
            now_ns: The time.
            instrument: Where it trades; empty: as its parent.
            connection_id: How it gets there; empty: as its parent.
        """
        terms, links = parent.terms, None if parent.terms.instructions is None else parent.terms.instructions.links
        self.number = (self.number or 0) + 1
        self.not_before_ns = now_ns + PACE_NS
        return OrderTerms(
            order_id=order_id,
            client_order_id=f"{self.parent_order_id}-{self.number}",
            account_id=terms.account_id,
            instrument=instrument or terms.instrument,
            side=terms.side,
            type=child.type,
            time_in_force=child.time_in_force,
            quantity=child.quantity,
            limit_price=child.limit_price,
            connection_id=connection_id or parent.connection_id,
            received_at_ns=now_ns,
            instructions=Instructions(
                links=Links(
                    parent_order_id=self.parent_order_id, strategy_id="" if links is None else links.strategy_id
                )
            ),
        )
