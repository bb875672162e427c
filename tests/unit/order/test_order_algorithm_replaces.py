"""Replaces of orders that are worked, and of their children."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from services.order.domain.algorithms.deciding import Child
from services.order.domain.algorithms.terms import Aggressiveness
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.values import OrderStatus, OrderType, TimeInForce
from services.order.domain.venue import VenueReportType
from tests.fakes.algorithm_orders import TWAP, lasting
from tests.fakes.algorithm_world import AlgorithmWorld, algorithm_world, worked


@pytest.fixture
async def world() -> AsyncIterator[AlgorithmWorld]:
    """A market of 10.00 to 10.02 with all the liquidity there is."""
    async with algorithm_world() as running:
        yield running


async def test_a_replace_takes_effect_once_no_child_is_in_its_way(world: AlgorithmWorld) -> None:
    """A lower limit calls back the children above it first; what they fill until then has the terms that they had."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE), limit_price="10.05"))
    await world.advance(1)
    (child,) = world.children(parent)
    world.venue.deaf = True
    replacing = ReplaceRequest(parent.terms.order_id, "r-1", None, Decimal("9.99"))
    pending = await world.replacing.replace(replacing)
    assert pending.status is OrderStatus.PENDING_REPLACE
    await world.advance(3)
    assert world.order(parent).terms.limit_price == Decimal("10.05")
    world.venue.fill(child.terms.order_id, Decimal(5), Decimal(10))
    world.venue.deaf = False
    world.venue.end(child.terms.order_id, VenueReportType.CANCELED)
    await world.advance(1)
    after = world.order(parent)
    assert (after.status, after.terms.limit_price) == (OrderStatus.PARTIALLY_FILLED, Decimal("9.99"))
    assert {c.terms.limit_price for c in world.children(parent) if c.live} == {Decimal("9.99")}
    again = await world.replacing.replace(replacing)
    assert again.version == after.version


async def test_a_replace_that_nothing_stands_in_the_way_of_is_done_at_once(world: AlgorithmWorld) -> None:
    """More quantity needs no child to go: it is done in the transaction that asks, and scheduled from the new whole."""
    parent = await world.place(worked(lasting(world, TWAP)))
    await world.advance(1)
    await world.replacing.replace(ReplaceRequest(parent.terms.order_id, "r-1", Decimal(200), None))
    after = world.order(parent)
    assert (after.status, after.terms.quantity) == (OrderStatus.PARTIALLY_FILLED, 200)
    await world.advance(1.5)
    assert world.order(parent).cumulative == 100
    await world.advance(5)
    assert world.order(parent).status is OrderStatus.FILLED


async def test_a_replace_below_what_is_under_way_waits_for_the_children(world: AlgorithmWorld) -> None:
    """25 rest and 20 are wanted: the child goes first, and no more than 20 are ever done."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE)))
    await world.advance(0.5)
    await world.replacing.replace(ReplaceRequest(parent.terms.order_id, "r-1", Decimal(20), None))
    await world.advance(2)
    assert world.order(parent).terms.quantity == 20
    assert sum(c.leaves for c in world.children(parent)) == 10


async def test_a_replace_to_no_more_than_it_has_fills_it(world: AlgorithmWorld) -> None:
    """50 are done and 30 are wanted: FILLED with 50."""
    parent = await world.place(worked(lasting(world, TWAP)))
    await world.advance(2.5)
    await world.replacing.replace(ReplaceRequest(parent.terms.order_id, "r-1", Decimal(30), None))
    after = world.order(parent)
    assert (after.status, after.terms.quantity) == (OrderStatus.FILLED, 50)
    assert not len(world.algorithms)


async def test_a_child_is_not_replaced_by_itself(world: AlgorithmWorld) -> None:
    """Its terms are its parent's business; it may be canceled, and what it leaves is sent again."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE)))
    await world.advance(0.5)
    (child,) = world.children(parent)
    with pytest.raises(Exception, match="is a child of") as caught:
        await world.replacing.replace(ReplaceRequest(child.terms.order_id, "r-1", Decimal(99), None))
    assert getattr(caught.value, "reason", "") == "PARENT_ORDER_MISMATCH"
    await world.orders.cancel(child.terms.order_id)
    await world.advance(0.5)
    assert [c.leaves for c in world.children(parent)] == [0, 25]


@pytest.mark.parametrize("change", ["cancel", "replace"])
async def test_a_child_on_its_way_meets_a_parent_that_has_changed(world: AlgorithmWorld, change: str) -> None:
    """A child that was sent before the parent changed is refused in its transaction, and its reservation is let go."""
    parent = await world.place(worked(lasting(world, TWAP)))
    ordered = world.order(parent)
    (run,) = world.algorithms._runs.values()
    sent = run.child_terms(ordered, _child(Decimal(60)), world.identifiers.new_id(), world.clock.now_ns())
    if change == "cancel":
        await world.orders.cancel(parent.terms.order_id)
    else:
        await world.replacing.replace(ReplaceRequest(parent.terms.order_id, "r-1", Decimal(50), None))
    (outcome,) = await world.placing.place([sent])
    assert isinstance(outcome, Order)
    assert (outcome.status, outcome.reason) == (OrderStatus.REJECTED, "PARENT_ORDER_MISMATCH")
    assert sent.order_id not in world.risk.reserved
    await world.through()
    assert sent.order_id not in world.venue.filled


def _child(quantity: Decimal) -> Child:
    return Child(quantity, OrderType.MARKET, TimeInForce.IOC, None)
