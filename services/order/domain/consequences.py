"""What one change of an order means for the others that it belongs with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from services.order.domain.order import Order
from services.order.domain.values import OrderStatus


@dataclass(frozen=True, slots=True)
class Release:
    """A held order is sent to its venue."""

    order_id: str


@dataclass(frozen=True, slots=True)
class Resize:
    """An order gets another quantity as a whole, what has traded included."""

    order_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Cancel:
    """An order is canceled: asked for at its venue, or done at once when it is held here."""

    order_id: str
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class End:
    """An order that is at no venue ends."""

    order_id: str
    status: OrderStatus
    reason: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class CompleteReplace:
    """The replace of an order that is at no venue takes effect."""

    order_id: str


Consequence = Release | Resize | Cancel | End | CompleteReplace

Rule = Callable[[Mapping[str, Order]], Sequence[Consequence]]
"""Says what follows from how the orders of a group stand; nothing when all is as it should be.

It is asked again after what it said was done, and after every change of the group: so it must look at the state alone,
and say nothing twice."""
