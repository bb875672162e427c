"""Whatever market, venue, caller and machine do: never more than was ordered under way, and over when its time is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.order.domain import refusals
from services.order.domain.algorithms.terms import Aggressiveness, Algorithm, Participation, Shortfall, Twap, Vwap
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.venue import VenueReportType
from tests.fakes.algorithm_world import SECOND_NS, AlgorithmWorld, algorithm_world, worked
from tests.fakes.order_store import lost_after, lost_before

LASTS = 12
Step = Callable[[AlgorithmWorld, Order], Awaitable[None]]


def step(change: Callable[[AlgorithmWorld, Order], object]) -> Step:
    """Makes a step of what is done at once."""

    async def carry_out(world: AlgorithmWorld, parent: Order) -> None:
        change(world, parent)

    return carry_out


def quoted(bid: int, spread: int) -> Step:
    return step(lambda world, _: world.quote(f"{Decimal(bid) / 100:.2f}", f"{Decimal(bid + spread) / 100:.2f}"))


def filled(index: int, part: int) -> Step:
    def fill(world: AlgorithmWorld, _: Order) -> None:
        if world.venue.open:
            order_id = list(world.venue.open)[index % len(world.venue.open)]
            leaves = world.venue.open[order_id].terms.quantity - world.venue.filled[order_id]
            world.venue.fill(order_id, Decimal(max(1, int(leaves) * part // 100)), Decimal(10))

    return step(fill)


def ended(index: int) -> Step:
    def end(world: AlgorithmWorld, _: Order) -> None:
        if world.venue.open:
            order_id = list(world.venue.open)[index % len(world.venue.open)]
            world.venue.end(order_id, VenueReportType.EXPIRED)

    return step(end)


def replaced(quantity: int | None, price: int | None) -> Step:
    async def replace(world: AlgorithmWorld, parent: Order) -> None:
        limit = None if price is None else Decimal(price) / 100
        request = ReplaceRequest(
            parent.terms.order_id,
            f"r-{len(world.store.entries)}",
            None if quantity is None else Decimal(quantity),
            limit,
        )
        with suppress(CodedError):
            await world.replacing.replace(request)

    return replace


async def canceled(world: AlgorithmWorld, parent: Order) -> None:
    with suppress(CodedError):
        await world.orders.cancel(parent.terms.order_id)


async def child_canceled(world: AlgorithmWorld, parent: Order) -> None:
    for child in world.children(parent):
        if child.live:
            with suppress(CodedError):
                await world.orders.cancel(child.terms.order_id)
            return


async def crashed(world: AlgorithmWorld, parent: Order) -> None:
    await world.crash()
    world.volumes.watched.clear()
    world.risk.replacing.clear()
    await world.start()


def passed(quarters: int) -> Step:
    return lambda world, _: world.advance(quarters / 4)


STEPS = st.one_of(
    st.builds(passed, st.integers(1, 5)),
    st.builds(passed, st.integers(1, 5)),
    st.builds(quoted, st.integers(990, 1010), st.integers(1, 5)),
    st.builds(filled, st.integers(0, 5), st.integers(1, 100)),
    st.builds(ended, st.integers(0, 5)),
    st.builds(replaced, st.one_of(st.none(), st.integers(1, 300)), st.one_of(st.none(), st.integers(995, 1010))),
    st.just(child_canceled),
    st.just(crashed),
    st.integers(0, 50).map(lambda lots: step(lambda world, _: setattr(world.venue, "liquidity", Decimal(lots)))),
    st.integers(0, 3000).map(lambda lots: step(lambda world, _: setattr(world.volumes, "traded", Decimal(lots)))),
    st.booleans().map(lambda deaf: step(lambda world, _: setattr(world.venue, "deaf", deaf))),
    st.booleans().map(lambda rejects: step(lambda world, _: setattr(world.venue, "rejects", rejects))),
    st.sampled_from([None, refusals.risk_unavailable()]).map(
        lambda error: step(lambda world, _: setattr(world.risk, "error", error))
    ),
    st.sampled_from([lost_before, lost_after]).map(
        lambda fault: step(lambda world, _: world.store.faults.append(fault))
    ),
)
STRATEGIES = st.sampled_from(
    [
        Twap(SECOND_NS),
        Vwap(1, 3 * SECOND_NS),
        Participation(Decimal("0.1"), Decimal(2), Decimal(20)),
        Shortfall(Decimal(100), Decimal(1), Decimal("0.001"), ZERO, ZERO),
    ]
)


@settings(max_examples=60)
@given(
    STRATEGIES,
    st.sampled_from(Aggressiveness),
    st.booleans(),
    st.sampled_from([None, "10.02"]),
    st.lists(STEPS, min_size=15, max_size=40),
    st.booleans(),
)
def test_an_order_that_is_worked_keeps_its_bounds(
    strategy: Twap | Vwap | Participation | Shortfall,
    how: Aggressiveness,
    crosses: bool,
    limit: str | None,
    steps: list[Step],
    cancels: bool,
) -> None:
    """Through any run of steps, crashes among them: bounds hold after each, and at the end all of it is over."""

    async def carry_out() -> None:
        async with algorithm_world() as world:
            end_ns = world.clock.now_ns() + LASTS * SECOND_NS
            parent = await world.place(worked(Algorithm(strategy, end_ns, None, how, None, crosses), "100", limit))
            for each in [*steps, *([canceled] if cancels else [])]:
                await each(world, parent)
                await world.turn()
                world.check()
            await recover(world, parent)

    asyncio.run(carry_out())


async def recover(world: AlgorithmWorld, parent: Order) -> None:
    """Lets everything work again and the time run out, after which nothing of the order may be left."""
    world.venue.deaf = False
    world.risk.error = None
    world.store.faults.clear()
    await world.advance(1)
    for order_id in list(world.venue.open):
        if world.store.orders[order_id].cancel_sequence:
            # Asked while the venue was deaf: it answers now.
            world.venue.end(order_id, VenueReportType.CANCELED)
    await world.advance(LASTS + 1)
    assert not world.order(parent).live
    assert not world.venue.open
    assert not len(world.algorithms)
    assert not world.volumes.watched
    world.check()
