"""Orders that may not stay open, at every point of their way, with a store that fails."""

from __future__ import annotations

from services.order.domain.order import Order
from services.order.domain.values import ExecutionType, OrderStatus
from services.order.pipeline.withdrawing import Withdrawal, Withdrawing
from tests.fakes.order_pipeline import World, running
from tests.fakes.order_store import FakeStore, lost_after, lost_before, refused
from tests.fakes.orders import terms
from tests.fixtures.waiting import eventually


def named(*order_ids: str) -> Withdrawal:
    return Withdrawal(order_ids, "TRADING_HALTED", "trading is halted", 11)


async def quiet(world: World) -> None:
    """Waits until nothing waits for the writer, what the last turn has left for the next among it."""
    for _ in range(3):
        await world.through()


async def test_a_live_order_is_asked_to_be_canceled_once() -> None:
    """The entry says why; one that is unknown, has ended or is on its way out makes none."""
    async with running() as world:
        order = await world.place_one(terms())
        withdrawing = Withdrawing(world.writer)
        withdrawing.withdraw(named(order.terms.order_id, "unknown"))
        withdrawing.withdraw(named(order.terms.order_id))
        await quiet(world)
        entry = world.store.entries[-1]
        assert [e.event.type for e in world.store.entries] == [ExecutionType.PENDING_NEW, ExecutionType.PENDING_CANCEL]
        assert (entry.event.reason, entry.event.text) == ("TRADING_HALTED", "trading is halted")
        world.check()


async def test_an_order_in_the_same_transaction_is_canceled_in_the_next() -> None:
    """The withdrawal queues right behind the order that it names."""
    async with running() as world:
        withdrawing = Withdrawing(world.writer)
        wanted = terms()
        put = world.writer.put

        def put_and_withdraw(work: object) -> None:
            put(work)  # type: ignore[arg-type]  # what the writer takes
            world.writer.put = put  # type: ignore[method-assign]  # the moment between is the test
            withdrawing.withdraw(named(wanted.order_id))

        world.writer.put = put_and_withdraw  # type: ignore[method-assign]  # the moment between is the test
        await world.place_one(wanted)
        await quiet(world)
        assert world.book.live[wanted.order_id].status is OrderStatus.PENDING_CANCEL
        assert world.store.orders[wanted.order_id].status is OrderStatus.PENDING_CANCEL
        world.check()


async def test_a_withdrawal_is_tried_until_it_is_committed() -> None:
    """The store refuses, is lost before, is lost after: there is one request to cancel in the end."""
    for fault in (refused, lost_before, lost_after):
        store = FakeStore()
        async with running(store) as world:
            order = await world.place_one(terms())
            store.faults += [fault, refused]
            Withdrawing(world.writer).withdraw(named(order.terms.order_id))
            await until_pending_cancel(world, order)
            world.check()
            types = [e.event.type for e in store.entries]
            assert types == [ExecutionType.PENDING_NEW, ExecutionType.PENDING_CANCEL]


async def until_pending_cancel(world: World, order: Order) -> None:
    def status() -> OrderStatus:
        return world.book.live[order.terms.order_id].status

    await eventually(status, lambda status: status is OrderStatus.PENDING_CANCEL, 10)


async def test_what_is_named_while_risk_is_asked_is_refused() -> None:
    """Only for as long as somebody asks: later the writer knows it, and nothing is remembered."""
    async with running() as world:
        withdrawing = Withdrawing(world.writer)
        withdrawing.withdraw(named("before"))
        assert withdrawing.refusal("before") is None
        withdrawing.begin()
        withdrawing.begin()
        withdrawing.withdraw(named("a", "b"))
        withdrawing.end()
        refusal = withdrawing.refusal("a")
        assert refusal is not None
        assert (refusal.reason, refusal.text, refusal.breach and refusal.breach.rule) == (
            "TRADING_HALTED",
            "trading is halted",
            11,
        )
        assert withdrawing.refusal("c") is None
        withdrawing.end()
        assert withdrawing.refusal("a") is None
