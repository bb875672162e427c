"""More orders that are worked than may send their children at once."""

from __future__ import annotations

from services.order.domain.algorithms.terms import Aggressiveness, Algorithm, Twap
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus
from tests.fakes.algorithm_world import SECOND_NS, algorithm_world, worked


async def test_orders_that_are_all_due_at_one_moment_are_all_worked() -> None:
    """400 at a bound of 250 orders on their way in: some go before the others, and none waits for ever."""
    async with algorithm_world() as world:
        world.most_waiting = 250
        await world.crash()
        await world.start()
        end_ns = world.clock.now_ns() + 4 * SECOND_NS
        now = Algorithm(
            Twap(4 * SECOND_NS),
            end_ns,
            start_at_ns=world.clock.now_ns() + SECOND_NS,
            aggressiveness=Aggressiveness.AGGRESSIVE,
        )
        placed = [await world.placing.place([worked(now, "10") for _ in range(200)]) for _ in range(2)]
        parents = [each for part in placed for each in part if isinstance(each, Order)]
        await world.advance(3)
        assert [world.order(parent).status for parent in parents] == [OrderStatus.FILLED] * 400
