"""Held orders whose time is over, while the process runs and while it is down."""

from __future__ import annotations

from decimal import Decimal

from services.order.domain.instructions import Instructions
from services.order.domain.values import OrderStatus, OrderType, TimeInForce
from tests.fakes.clock import FakeClock
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import terms
from tests.fakes.trigger_desk import desk, stop

SUSPENDED, PENDING_NEW, EXPIRED = OrderStatus.SUSPENDED, OrderStatus.PENDING_NEW, OrderStatus.EXPIRED


async def test_time_ends_what_waits() -> None:
    """GTD at its time, DAY at midnight UTC, each with its reason; the others go on."""
    clock = FakeClock()
    minute = 60 * 10**9
    dated = terms(
        type=OrderType.MARKET_IF_TOUCHED,
        limit_price=None,
        time_in_force=TimeInForce.GTD,
        instructions=Instructions(Decimal(90), expire_at_ns=clock.now_ns() + minute),
    )
    daily, ever = stop(time_in_force=TimeInForce.DAY), stop()
    async with desk(clock=clock) as world:
        await world.place(dated, daily, ever)
        clock.advance_ns(minute - 1)
        world.expiries.expire()
        await world.through()
        assert world.status(dated.order_id) is SUSPENDED
        clock.advance_ns(1)
        world.expiries.expire()
        await world.through()
        assert (world.status(dated.order_id), world.status(daily.order_id)) == (EXPIRED, SUSPENDED)
        clock.advance_ns(24 * 60 * minute)
        world.expiries.expire()
        await world.through()
        assert [world.status(each.order_id) for each in (daily, ever)] == [EXPIRED, SUSPENDED]
        reasons = [world.store.orders[each.order_id].reason for each in (dated, daily)]
        assert reasons == ["EXPIRE_AT_REACHED", "TRADING_DAY_ENDED"]
        assert len(world.expiries) == 0


async def test_what_expired_while_the_process_was_down_does_not_trade() -> None:
    """Its end comes before the trades that were missed; what did not expire meets them."""
    store, clock = FakeStore(), FakeClock()
    dated, ever, late = stop(time_in_force=TimeInForce.DAY), stop(), stop("90")
    async with desk(store, clock) as world:
        await world.place(dated, ever, late)
    clock.advance_ns(24 * 3_600 * 10**9)
    async with desk(store, clock) as world:
        assert world.triggers.held == 3
        await world.begin("96", "94", "97")
        assert [world.status(each.order_id) for each in (dated, ever, late)] == [EXPIRED, PENDING_NEW, SUSPENDED]
