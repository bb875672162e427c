"""What smart order routing was asked to do, and the plan of one round of it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

USUAL_ROUNDS: Final = 10


@dataclass(frozen=True, slots=True)
class SmartRouting:
    """Where it is cheapest, at once.

    Attributes:
        venues: Venues whose listings may be taken from; none: all.
        connection_ids: Connections that may be used; none: that of the order.
        max_venue_quantity: The most that a round sends to one listing; None: not bounded.
        max_rounds: Most rounds that take from books.
    """

    venues: tuple[str, ...] = ()
    connection_ids: tuple[str, ...] = ()
    max_venue_quantity: Decimal | None = None
    max_rounds: int = USUAL_ROUNDS


@dataclass(frozen=True, slots=True)
class PlannedRoute:
    """One child order of a plan.

    Attributes:
        instrument: Listing.
        connection_id: Broker connection.
        quantity: Quantity.
        limit_price: That of the last level taken, or of the order when it rests.
        fill_probability: That what is sent fills.
        latency_seconds: From command to first report.
        rests: Whether it rests in the book; costs are None then.
        expected_price: Average price by the book.
        expected_cost: Expected cost of the quantity.
        expected_fee: Fee in it.
    """

    instrument: str
    connection_id: str
    quantity: Decimal
    limit_price: Decimal
    fill_probability: Decimal
    latency_seconds: Decimal
    rests: bool = False
    expected_price: Decimal | None = None
    expected_cost: Decimal | None = None
    expected_fee: Decimal | None = None


@dataclass(frozen=True, slots=True)
class RoutingPlan:
    """The plan of one round.

    Attributes:
        round: Its number, from 1.
        routes: One child order each, the cheapest first.
        unrouted: Quantity that no child was planned for.
    """

    round: int
    routes: tuple[PlannedRoute, ...]
    unrouted: Decimal

    @property
    def takes(self) -> bool:
        """Whether it takes from any book."""
        return any(not route.rests for route in self.routes)
