"""Orders that are worked: what their children are, through cancels, rejections, crashes and a lost store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace as changed
from decimal import Decimal

import pytest

from services.order.domain import refusals
from services.order.domain.algorithms.terms import Aggressiveness
from services.order.domain.values import OrderStatus, OrderType, TimeInForce
from services.order.domain.venue import VenueReportType
from services.order.pipeline.algorithm_runs import MOST_REJECTIONS
from services.order.pipeline.ports import Decision
from services.order.pipeline.withdrawing import Withdrawal, WithdrawOrders
from tests.fakes.algorithm_orders import TWAP, lasting
from tests.fakes.algorithm_world import SECOND_NS, AlgorithmWorld, algorithm_world, worked
from tests.fakes.order_store import Fault, lost_after, lost_before
from tests.fakes.orders import AAPL


@pytest.fixture
async def world() -> AsyncIterator[AlgorithmWorld]:
    """A market of 10.00 to 10.02 with all the liquidity there is."""
    async with algorithm_world() as running:
        yield running


async def test_a_twap_is_done_slice_by_slice(world: AlgorithmWorld) -> None:
    """100 in four slices of two seconds: 25 each, through children that name their parent, and then it is FILLED."""
    parent = await world.place(worked(lasting(world, TWAP)))
    assert (parent.status, parent.at_venue) == (OrderStatus.NEW, False)
    await world.advance(1.5)
    assert [child.cumulative for child in world.children(parent)] == [25]
    await world.advance(4)
    assert world.order(parent).status is OrderStatus.PARTIALLY_FILLED
    await world.advance(2)
    children = world.children(parent)
    assert [child.terms.client_order_id for child in children] == [f"{parent.terms.order_id}-{n}" for n in (1, 2, 3, 4)]
    assert {(c.terms.type, c.terms.time_in_force, c.cumulative) for c in children} == {
        (OrderType.MARKET, TimeInForce.IOC, Decimal(25))
    }
    assert (world.order(parent).status, world.order(parent).average) == (OrderStatus.FILLED, Decimal("10.02"))
    assert not len(world.algorithms)


async def test_what_a_child_has_not_filled_is_caught_up(world: AlgorithmWorld) -> None:
    """What the first slice lacks is asked for again within it, and what the second lacks likewise."""
    world.venue.liquidity = Decimal(10)
    parent = await world.place(worked(lasting(world, TWAP)))
    await world.advance(0.5)
    assert world.order(parent).cumulative == 10
    world.venue.liquidity = Decimal(30)
    await world.advance(1.75)
    assert world.order(parent).cumulative == 40
    world.venue.liquidity = Decimal(1000)
    await world.advance(1.5)
    assert world.order(parent).cumulative == 50


async def test_at_its_end_time_it_expires_with_what_it_has(world: AlgorithmWorld) -> None:
    """Children that rest are canceled, and the parent is EXPIRED in the transaction with the last one's end."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE)))
    await world.advance(1)
    (child,) = world.children(parent)
    assert (child.terms.limit_price, child.terms.time_in_force) == (Decimal("10.00"), TimeInForce.DAY)
    world.venue.fill(child.terms.order_id, Decimal(5), Decimal(10))
    world.venue.deaf = True
    await world.advance(7)
    ending = world.order(parent)
    assert (ending.status, ending.reason) == (OrderStatus.PENDING_CANCEL, "ALGORITHM_ENDED")
    assert {c.status for c in world.children(parent) if c.live} == {OrderStatus.PENDING_CANCEL}
    await world.crash()
    await world.start()
    world.venue.deaf = False
    for order_id in list(world.venue.open):
        world.venue.end(order_id, VenueReportType.CANCELED)
    await world.advance(1)
    ended = world.order(parent)
    assert (ended.status, ended.reason, ended.cumulative) == (OrderStatus.EXPIRED, "ALGORITHM_ENDED", 5)


async def test_a_cancel_takes_the_children_along(world: AlgorithmWorld) -> None:
    """The caller's cancel cancels what rests, and ends the order once it has ended."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.NEUTRAL)))
    await world.advance(1)
    (child,) = world.children(parent)
    assert child.terms.limit_price == Decimal("10.01")
    await world.orders.cancel(parent.terms.order_id)
    assert world.store.orders[child.terms.order_id].status is OrderStatus.PENDING_CANCEL
    await world.advance(0.25)
    assert world.order(parent).status is OrderStatus.CANCELED
    await world.advance(4)
    assert len(world.children(parent)) == 1


async def test_a_kill_switch_takes_parent_and_children(world: AlgorithmWorld) -> None:
    """Risk names both; the parent ends as CANCELED and says why."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE)))
    await world.advance(1)
    (child,) = world.children(parent)
    ids = [parent.terms.order_id, child.terms.order_id]
    world.writer.put(WithdrawOrders(world.writer, Withdrawal(ids, "TRADING_HALTED", "halted", 1)))
    await world.advance(0.25)
    ended = world.order(parent)
    assert (ended.status, ended.reason, ended.text) == (OrderStatus.CANCELED, "TRADING_HALTED", "halted")
    assert world.store.orders[child.terms.order_id].status is OrderStatus.CANCELED


async def test_children_that_rest_follow_the_market(world: AlgorithmWorld) -> None:
    """A bid that moves calls the child back; its quantity is sent again at the new price, never beyond the limit."""
    parent = await world.place(worked(lasting(world, TWAP, how=Aggressiveness.PASSIVE), limit_price="10.04"))
    await world.advance(0.5)
    world.quote("10.03", "10.05")
    await world.advance(1)
    prices = [(c.terms.limit_price, c.live) for c in world.children(parent)]
    assert prices == [(Decimal("10.00"), False), (Decimal("10.03"), True)]
    world.quote("10.10", "10.12")
    await world.advance(2)
    live = [c.terms for c in world.children(parent) if c.live]
    assert {each.limit_price for each in live} == {Decimal("10.04")}
    assert sum(each.quantity for each in live) == 50


async def test_it_crosses_at_its_end_if_asked(world: AlgorithmWorld) -> None:
    """With the last slice what rests is called back, and all that is left is taken from the other side."""
    asked = lasting(world, TWAP, how=Aggressiveness.PASSIVE, cross_at_end=True)
    parent = await world.place(worked(asked, limit_price="10.05"))
    await world.advance(5.75)
    assert not world.order(parent).cumulative
    await world.advance(2)
    last = world.children(parent)[-1]
    assert (last.terms.time_in_force, last.terms.limit_price) == (TimeInForce.IOC, Decimal("10.05"))
    assert world.order(parent).status is OrderStatus.FILLED


async def test_it_waits_while_the_market_is_beyond_its_limit(world: AlgorithmWorld) -> None:
    """No child is sent for nothing; when the market comes back all that is due is sent."""
    world.quote("10.10", "10.12")
    parent = await world.place(worked(lasting(world, TWAP), limit_price="10.05"))
    await world.advance(2.5)
    assert not world.children(parent)
    world.quote()
    await world.advance(0.5)
    assert world.order(parent).cumulative == 50


@pytest.mark.parametrize("trouble", ["stale", "none", "halted"])
async def test_it_waits_without_a_market(world: AlgorithmWorld, trouble: str) -> None:
    """No quote, an old one, or a halt: nothing is sent and nothing ends; afterwards it catches up."""
    parent = await world.place(worked(lasting(world, TWAP)))
    if trouble == "stale":
        world.quote(stale=True)
    elif trouble == "none":
        world.quotes.quotes.clear()
    else:
        world.instruments.at_once = {AAPL.name: changed(AAPL, trading=False)}
    await world.advance(2.5)
    assert not world.children(parent)
    world.quote()
    world.instruments.at_once = {AAPL.name: AAPL}
    await world.advance(1.25)
    assert world.order(parent).cumulative == 50


async def test_risk_away_is_waited_for(world: AlgorithmWorld) -> None:
    """While risk does not answer no child is stored, and it goes on when it does, however long that took."""
    parent = await world.place(worked(lasting(world, TWAP)))
    world.risk.error = refusals.risk_unavailable()
    await world.advance(5)
    assert not world.children(parent)
    assert world.order(parent).live
    world.risk.error = None
    await world.advance(0.75)
    assert world.order(parent).cumulative == 75


async def test_it_gives_up_when_children_are_rejected_again_and_again(world: AlgorithmWorld) -> None:
    """Ten rejections in a row, with pauses that grow, end the order; the text says why they were."""
    world.venue.rejects = True
    parent = await world.place(worked(lasting(world, TWAP, 600), "30000"))
    await world.advance(4)
    assert 2 <= len(world.children(parent)) <= 4
    await world.advance(400)
    ended = world.order(parent)
    assert (ended.status, ended.reason) == (OrderStatus.CANCELED, "ALGORITHM_GAVE_UP")
    assert "VENUE_REJECTED: not today" in ended.text
    assert len(world.children(parent)) == MOST_REJECTIONS


async def test_children_that_risk_rejects_count_alike(world: AlgorithmWorld) -> None:
    """A child that risk refuses is stored as REJECTED, counts, and one that fills begins the count anew."""
    refusal = Decision("RISK_LIMIT_EXCEEDED", "too much")
    parent = await world.place(worked(lasting(world, TWAP, 600), "30000"))
    world.risk.decide = lambda each: refusal if each.parent_order_id else Decision()
    await world.advance(8)
    rejected = world.children(parent)
    assert rejected
    assert {child.status for child in rejected} == {OrderStatus.REJECTED}
    world.risk.decide = lambda _: Decision()
    await world.advance(30)
    assert world.order(parent).cumulative
    (run,) = world.algorithms._runs.values()
    assert run.rejections == 0


@pytest.mark.parametrize("commits", [0, 1, 2])
@pytest.mark.parametrize("fault", [lost_before, lost_after])
async def test_a_lost_transaction_neither_loses_nor_doubles_a_child(
    world: AlgorithmWorld, fault: Fault, commits: int
) -> None:
    """Whether the transaction with the child was committed or not: 25 are done for the slice, and 100 in the end."""
    parent = await world.place(worked(lasting(world, TWAP)))
    world.store.faults = [*[None] * commits, fault]
    world.store.away = 3
    await world.advance(1.75)
    assert world.order(parent).cumulative == 25
    await world.advance(6)
    assert world.order(parent).status is OrderStatus.FILLED
    assert sum(each.quantity for each in world.venue.seen) == 100


async def test_an_id_that_somebody_has_taken_is_passed_over(world: AlgorithmWorld) -> None:
    """A caller's own order under the next child's id does not stop the algorithm, nor counts for it."""
    parent = await world.place(worked(lasting(world, TWAP)))
    taken = worked(lasting(world, TWAP, 1), "7")
    taken.client_order_id = f"{parent.terms.order_id}-1"
    await world.place(taken)
    await world.advance(1)
    ids = [c.terms.client_order_id for c in world.children(parent)]
    assert ids == [f"{parent.terms.order_id}-2"]
    assert world.order(parent).cumulative == 25


async def test_it_begins_when_it_was_asked_to(world: AlgorithmWorld) -> None:
    """A start in the future is waited for, over a restart."""
    begins = world.clock.now_ns() + 4 * SECOND_NS
    parent = await world.place(worked(lasting(world, TWAP, start_at_ns=begins)))
    await world.advance(3)
    await world.crash()
    await world.start()
    await world.advance(0.75)
    assert not world.children(parent)
    await world.advance(1)
    assert world.order(parent).cumulative == 50
