"""Cancels of one order and of all that filters say."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.kernel.errors import CodedError
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus, Side
from services.order.domain.venue import VenueReportType
from services.order.pipeline import withdrawing, work
from services.order.pipeline.withdrawing import Withdrawal, Withdrawing
from services.order.pipeline.work import CancelFilter
from tests.fakes.order_pipeline import World, running
from tests.fakes.orders import AAPL, report, terms


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A pipeline over an empty store, checked at the end of the test."""
    async with running() as running_world:
        yield running_world
        running_world.check()


async def test_a_cancel_is_answered_when_it_is_committed(world: World) -> None:
    """The answer is PENDING_CANCEL; asked again, the order as it stands, without another event."""
    order = await world.place_one(terms())
    pending = await world.orders.cancel(order.terms.order_id)
    assert (pending.status, pending.cancel_sequence) == (OrderStatus.PENDING_CANCEL, 2)
    assert await world.orders.cancel(order.terms.order_id) is pending
    assert len(world.store.entries) == 2


async def test_an_order_that_ended_or_never_was_cannot_be_canceled(world: World) -> None:
    """The first fails with ORDER_NOT_LIVE, the second with UNKNOWN_ORDER."""
    order = await world.place_one(terms())
    await world.adopt()
    await world.tell(report(order, VenueReportType.CANCELED))
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await world.orders.cancel(order.terms.order_id)
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await world.orders.cancel("nothing")


async def test_a_cancel_that_meets_the_end_of_its_order(world: World) -> None:
    """The fill that was committed first wins."""
    order = await world.place_one(terms())
    await world.adopt()
    world.store.gate = asyncio.Event()
    telling = asyncio.create_task(world.tell(report(order, VenueReportType.TRADE, quantity="100", price="1")))
    await asyncio.sleep(0)
    canceling = asyncio.create_task(world.orders.cancel(order.terms.order_id))
    await asyncio.sleep(0)
    world.store.gate.set()
    await telling
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await canceling


async def test_cancel_all_takes_what_its_filters_say(world: World) -> None:
    """By account, instrument and side; what is pending already counts, what is of others stays."""
    world.instruments.at_once["MSFT.XNAS"] = AAPL
    mine, sell, other, foreign = [
        order
        for order in await world.place(
            terms(), terms(side=Side.SELL), terms(instrument="MSFT.XNAS"), terms(account_id="else")
        )
        if isinstance(order, Order)
    ]
    assert await world.orders.cancel_all(CancelFilter("demo", "AAPL.XNAS", Side.SELL)) == [sell.terms.order_id]
    assert set(await world.orders.cancel_all(CancelFilter("demo", "AAPL.XNAS"))) == ids(mine, sell)
    assert set(await world.orders.cancel_all(CancelFilter("demo"))) == ids(mine, sell, other)
    assert world.book.live[foreign.terms.order_id].status is OrderStatus.PENDING_NEW
    assert len(world.store.entries) == 7


def ids(*orders: Order) -> set[str]:
    """Returns their ids."""
    return {order.terms.order_id for order in orders}


async def test_many_orders_are_canceled_a_part_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others get their turn between two parts; the caller is answered after the last, and told of all of them."""
    monkeypatch.setattr(work, "MOST_CANCELS", 2)
    mine = [
        order.terms.order_id for order in await world.place(*(terms() for _ in range(5))) if isinstance(order, Order)
    ]
    canceling = asyncio.create_task(world.orders.cancel_all(CancelFilter("demo")))
    await asyncio.sleep(0)
    between = await world.place_one(terms())
    assert await canceling == mine
    statuses = {order_id: world.book.live[order_id].status for order_id in (*mine, between.terms.order_id)}
    assert statuses == dict.fromkeys(mine, OrderStatus.PENDING_CANCEL) | {
        between.terms.order_id: OrderStatus.PENDING_NEW
    }
    entries = [entry.order.terms.order_id for entry in world.store.entries]
    assert entries.index(between.terms.order_id) < len(entries) - 1
    assert await world.orders.cancel_all(CancelFilter("nobody")) == []


async def test_many_orders_are_withdrawn_a_part_at_a_time(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, and each once, as those of a mass cancel."""
    monkeypatch.setattr(withdrawing, "MOST_CANCELS", 2)
    mine = [
        order.terms.order_id for order in await world.place(*(terms() for _ in range(5))) if isinstance(order, Order)
    ]
    Withdrawing(world.writer).withdraw(Withdrawal(mine, "TRADING_HALTED", "trading is halted", 11))
    commits = len(world.store.commits)
    for _ in range(4):
        await world.through()
    assert {world.book.live[order_id].status for order_id in mine} == {OrderStatus.PENDING_CANCEL}
    assert len(world.store.entries) == 10
    assert len(world.store.commits) - commits >= 3
