"""How tests have the orders of an algorithm world worked."""

from __future__ import annotations

from services.order.domain.algorithms.terms import Aggressiveness, Algorithm, Strategy, Twap
from tests.fakes.algorithm_world import SECOND_NS, AlgorithmWorld

AT_ONCE = Aggressiveness.AGGRESSIVE
TWAP = Twap(2 * SECOND_NS)


def lasting(
    world: AlgorithmWorld, strategy: Strategy, seconds: float = 8, how: Aggressiveness = AT_ONCE, **more: object
) -> Algorithm:
    """Returns an algorithm that ends after some seconds."""
    end_ns = world.clock.now_ns() + int(seconds * SECOND_NS)
    return Algorithm(strategy, end_ns, aggressiveness=how, **more)  # type: ignore[arg-type]  # as each test says
