"""Orders worked by volume, by history and by the cost of waiting: when their children go."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from services.kernel.errors import unavailable
from services.order.domain.algorithms.estimates import Bar
from services.order.domain.algorithms.schedules import DAY_NS
from services.order.domain.algorithms.terms import Participation, Shortfall, Vwap
from services.order.domain.values import ExecutionType, OrderStatus
from tests.fakes.algorithm_orders import TWAP, lasting
from tests.fakes.algorithm_world import SECOND_NS, AlgorithmWorld, algorithm_world, worked


@pytest.fixture
async def world() -> AsyncIterator[AlgorithmWorld]:
    """A market of 10.00 to 10.02 with all the liquidity there is."""
    async with algorithm_world() as running:
        yield running


async def test_participation_follows_the_volume(world: AlgorithmWorld) -> None:
    """A tenth of what trades, its own part of it; at the end the rest is left undone."""
    asked = lasting(world, Participation(Decimal("0.1"), min_child=Decimal(5), max_child=Decimal(8)), 30)
    parent = await world.place(worked(asked))
    await world.advance(2)
    assert not world.children(parent)
    world.volumes.traded = Decimal(40)
    await world.advance(2)
    assert not world.children(parent)
    world.volumes.traded = Decimal(200)
    await world.advance(3)
    assert [child.terms.quantity for child in world.children(parent)] == [8, 8]
    world.volumes.traded = Decimal(210)
    await world.advance(24)
    ended = world.order(parent)
    assert (ended.status, ended.cumulative) == (OrderStatus.EXPIRED, 21)
    assert not world.volumes.watched


async def test_no_algorithm_is_more_of_the_market_than_it_may(world: AlgorithmWorld) -> None:
    """A TWAP that may be a fifth of the volume waits for the volume."""
    parent = await world.place(worked(lasting(world, TWAP, max_participation=Decimal("0.2"))))
    await world.advance(1)
    assert not world.children(parent)
    world.volumes.traded = Decimal(50)
    await world.advance(1)
    assert world.order(parent).cumulative == 10


async def test_a_plan_is_made_once_and_stands_in_the_log(world: AlgorithmWorld) -> None:
    """A VWAP waits for its history, goes by it, and after a restart by the log, whatever the history says then."""
    start_ns = world.clock.now_ns()
    world.history.error = unavailable("SERVICE_UNAVAILABLE", "away")
    parent = await world.place(worked(lasting(world, Vwap(2, 2 * SECOND_NS))))
    await world.advance(1)
    assert not world.children(parent)
    world.history.error = None
    world.history.known = [
        Bar(start_ns - DAY_NS + k * SECOND_NS, Decimal(10), Decimal(40 if k < 2 else 10)) for k in range(8)
    ]
    await world.advance(2.75)
    planned = world.order(parent).terms.instructions
    assert planned is not None
    assert planned.algorithm is not None
    assert planned.algorithm.plan is not None
    assert sum(planned.algorithm.plan.expected_volumes) == 140
    restated = [e for e in world.store.entries if e.event.type is ExecutionType.RESTATED]
    assert len(restated) == 1
    assert world.order(parent).cumulative == 71
    await world.crash()
    world.history.known = []
    await world.start()
    await world.advance(4)
    assert world.order(parent).status is OrderStatus.FILLED
    assert len([e for e in world.store.entries if e.event.type is ExecutionType.RESTATED]) == 1


async def test_implementation_shortfall_begins_fast(world: AlgorithmWorld) -> None:
    """A trader who minds risk much does most at once; one who minds none does it evenly."""
    done = []
    for risk_aversion in ("1000000", "0"):
        strategy = Shortfall(
            Decimal(risk_aversion), Decimal(1), Decimal("0.001"), Decimal(0), Decimal(0), 2 * SECOND_NS
        )
        parent = await world.place(worked(lasting(world, strategy)))
        await world.advance(1)
        done.append(world.order(parent).cumulative)
        await world.advance(7)
        assert world.order(parent).status is OrderStatus.FILLED
    assert done[0] > 40
    assert done[1] == 25
