"""Components of the mesh and what their states add up to."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

ORDER_PATH = frozenset({"postgres", "engine", "order", "risk", "broker", "marketdata"})
"""What an order needs. Redis is not among them: it only carries what is already committed."""
_FURTHER_SHARD = "order-"


def needed_by_orders(name: str) -> bool:
    """Tells whether an order needs a component; some order needs each shard of OrderService."""
    return name in ORDER_PATH or name.startswith(_FURTHER_SHARD)


class State(enum.Enum):
    """Whether a component does its work."""

    SERVING = "serving"
    NOT_SERVING = "not serving"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Component:
    """One part of the mesh, as it was found.

    Attributes:
        name: Such as `order` or `postgres`.
        state: Whether it does its work.
        text: What is wrong; empty while serving.
        latency_seconds: How long it took to answer; None when it did not.
    """

    name: str
    state: State
    text: str = ""
    latency_seconds: float | None = None


def complaint(components: Iterable[Component]) -> str:
    """Returns one sentence that names what is down; empty when all are serving."""
    down = [component for component in components if component.state is not State.SERVING]
    return ", ".join(f"{component.name} is {component.state.value}" for component in down)
