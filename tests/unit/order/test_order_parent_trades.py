"""What becomes of a parent when its venue changes what its children have traded: while it ends, and after its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import pytest

from services.order.domain.algorithms.terms import Aggressiveness, Algorithm, Twap
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus
from services.order.domain.venue import VenueAdjustment, VenueReportType
from services.order.pipeline.withdrawing import Withdrawal, WithdrawOrders
from tests.fakes.algorithm_world import SECOND_NS, AlgorithmWorld, algorithm_world, worked
from tests.fakes.orders import report

TRADE, BUST = VenueReportType.TRADE, VenueReportType.TRADE_CANCELED


@pytest.fixture
async def world() -> AsyncIterator[AlgorithmWorld]:
    """A world that sees to it, at its end, that parents have what their children have."""
    async with algorithm_world() as running:
        yield running


async def place(world: AlgorithmWorld) -> tuple[Order, Order]:
    """Returns a parent of 100, and its first child, of 25, which rests."""
    end_ns = world.clock.now_ns() + 8 * SECOND_NS
    passive = Algorithm(Twap(2 * SECOND_NS), end_ns, aggressiveness=Aggressiveness.PASSIVE)
    parent = await world.place(worked(passive))
    await world.advance(1)
    (child,) = world.children(parent)
    return parent, child


async def tell(world: AlgorithmWorld, child: Order, type_: VenueReportType, quantity: str = "", of: str = "") -> str:
    """Lets the venue report a trade, or take the one named back; returns its id of that."""
    world.venue.sequence += 1
    told = report(
        child,
        type_,
        sequence=world.venue.sequence,
        quantity=quantity or None,
        price="10" if quantity else None,
        adjustment=VenueAdjustment(of) if of else None,
    )
    world.venue.reports.append(told)
    world.venue.history.append(told)
    await world.through()
    return told.venue_execution_id


async def test_why_a_parent_ends_outlasts_the_bust_of_a_childs_trade(world: AlgorithmWorld) -> None:
    """A kill switch ends it, a trade is taken back before the child has ended: it ends for that reason all the same."""
    parent, child = await place(world)
    execution = await tell(world, child, TRADE, "5")
    world.venue.deaf = True
    world.writer.put(WithdrawOrders(world.writer, Withdrawal([parent.terms.order_id], "TRADING_HALTED", "halted", 1)))
    await world.through()
    await tell(world, child, BUST, of=execution)
    ending = world.order(parent)
    assert (ending.status, ending.reason, ending.cumulative) == (OrderStatus.PENDING_CANCEL, "TRADING_HALTED", 0)
    await world.crash()
    await world.start()
    world.venue.end(child.terms.order_id, VenueReportType.CANCELED)
    await world.through()
    ended = world.order(parent)
    assert (ended.status, ended.reason, ended.text) == (OrderStatus.CANCELED, "TRADING_HALTED", "halted")


@pytest.mark.parametrize("restart", [False, True])
async def test_an_ended_parent_has_the_trade_that_its_venue_makes_anew(world: AlgorithmWorld, restart: bool) -> None:
    """Both have ended when the trade is taken back and made again: the parent has it again, and stays ended."""
    parent, child = await place(world)
    del world.venue.open[child.terms.order_id]
    execution = await tell(world, child, TRADE, "25")
    await world.orders.cancel(parent.terms.order_id)
    if restart:
        await world.crash()
        await world.start()
    await tell(world, child, BUST, of=execution)
    assert world.order(parent).cumulative == 0
    await tell(world, child, TRADE, "25")
    after = world.order(parent)
    assert (after.status, after.cumulative, after.average) == (OrderStatus.CANCELED, 25, Decimal(10))
