"""Replaces at risk: new terms are checked, and the larger of old and new is held until the venue has answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.risk.domain.limits import Parameters
from tests.fakes.reserve_client import ReserveClient, ended, fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
EXCEEDED = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED
REPLACED = execution_report_pb2.EXECUTION_TYPE_REPLACED
REPLACE_REJECTED = execution_report_pb2.EXECUTION_TYPE_REPLACE_REJECTED


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


def change(number: int | str, quantity: str, price: str = "100", **values: Any) -> reservation_service_pb2.Reservation:
    """Returns an order as it is, with new terms; nothing of it has traded."""
    new = reservation_service_pb2.ReplaceReservation(quantity=quantity, order_quantity=quantity, limit_price=price)
    return reservation(number, replace=new, **values)


def held(world: RiskWorld) -> tuple[Decimal, int]:
    """Returns what open orders hold and how many they are."""
    account = world.book.accounts["demo"]
    exposure = account.exposures["AAPL.XNAS"]
    assert exposure.open_buy == account.open_quantity
    return exposure.open_buy, exposure.open_orders


async def settled(world: RiskWorld, stream: ReserveClient, *reports: execution_report_pb2.ExecutionReport) -> None:
    """Settles, and waits until it is booked."""
    await stream.settle(*reports)
    await eventually(lambda: world.book.sequence(0) >= reports[-1].sequence)


@pytest.mark.parametrize(("new", "holds"), [("15", 15), ("10", 10), ("4", 10)])
async def test_the_larger_of_old_and_new_is_held(world: RiskWorld, new: str, holds: int) -> None:
    """Whatever the venue decides, what it may trade is reserved."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        [decision] = await stream.reserve(change(1, new))
        assert decision.reason == ACCEPTED
        assert held(world) == (holds, 1)


@pytest.mark.parametrize("new", ["15", "4"])
async def test_a_replace_that_is_done_leaves_the_new_terms(world: RiskWorld, new: str) -> None:
    """The report of the venue moves the reservation."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.reserve(change(1, new))
        await settled(world, stream, ended(1, 1, world.clock, execution_type=REPLACED, leaves_quantity=new))
        assert held(world) == (Decimal(new), 1)


async def test_a_replace_that_is_refused_leaves_the_old_terms(world: RiskWorld) -> None:
    """What was held for the new ones is free again."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.reserve(change(1, "15"))
        await settled(world, stream, ended(1, 1, world.clock, execution_type=REPLACE_REJECTED, leaves_quantity="10"))
        assert held(world) == (10, 1)


async def test_fills_on_the_way_take_from_both(world: RiskWorld) -> None:
    """Old 10 and new 15; after a fill of 3 either 7 or 12 may trade, and then what the venue says."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.reserve(change(1, "15"))
        await settled(world, stream, fill(1, 1, world.clock, last_quantity="3", leaves_quantity="7"))
        assert held(world) == (12, 1)
        await settled(world, stream, ended(2, 1, world.clock, execution_type=REPLACED, leaves_quantity="12"))
        assert held(world) == (12, 1)
        assert world.book.accounts["demo"].exposures["AAPL.XNAS"].position == 3


@pytest.mark.parametrize("last", ["canceled", "replaced to less than what has traded"])
async def test_the_end_of_the_order_frees_everything(world: RiskWorld, last: str) -> None:
    """New terms do not outlive their order."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.reserve(change(1, "15"))
        await settled(world, stream, fill(1, 1, world.clock, last_quantity="3", leaves_quantity="7"))
        end = ended(2, 1, world.clock) if last == "canceled" else ended(2, 1, world.clock, execution_type=REPLACED)
        await settled(world, stream, end)
        assert held(world) == (0, 0)


async def test_new_terms_that_were_not_committed_are_let_go(world: RiskWorld) -> None:
    """The order's own reservation stays; an order that is not there does no harm."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await stream.reserve(change(1, "15"))
        await stream.release_replaces(1, "unknown")
        await stream.one("a batch later")
        assert held(world) == (20, 2)


async def test_new_terms_are_checked_as_if_the_order_were_not_there(world: RiskWorld) -> None:
    """With 25 allowed an order of 10 may grow to 25, not to 26; the refusal says what the position would be."""
    world.limit(max_position_size="25")
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        refused, accepted = await stream.reserve(change(1, "26"), change(1, "25"))
        assert (refused.reason, accepted.reason) == (EXCEEDED, ACCEPTED)
        assert refused.breach.rule == risk_breach_pb2.RISK_RULE_MAX_POSITION_SIZE
        assert refused.breach.observed == "26"
        assert held(world) == (25, 1)
        # What is held for the new terms is not there for another order.
        assert (await stream.one(2, quantity="1")).reason == EXCEEDED


async def test_a_refused_replace_changes_nothing(world: RiskWorld) -> None:
    """The order holds what it held."""
    world.limit(max_order_value="2000")
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        [decision] = await stream.reserve(change(1, "10", price="201"))
        assert decision.breach.rule == risk_breach_pb2.RISK_RULE_MAX_ORDER_VALUE
        assert held(world) == (10, 1)


async def test_the_size_of_an_order_is_its_whole_quantity(world: RiskWorld) -> None:
    """What has traded counts: an order cannot grow past the limit in steps."""
    world.limit(max_order_size="20")
    async with world.stream() as stream:
        await stream.sync()
        await stream.one(1)
        await settled(world, stream, fill(1, 1, world.clock, last_quantity="5", leaves_quantity="5"))
        new = reservation_service_pb2.ReplaceReservation(quantity="16", order_quantity="21", limit_price="100")
        [decision] = await stream.reserve(reservation(1, quantity="5", replace=new))
    assert (decision.reason, decision.breach.observed) == (EXCEEDED, "21")


async def test_the_stop_price_counts_of_orders_and_of_their_new_terms(world: RiskWorld) -> None:
    """A stop order without a limit is valued at its stop price, and at the new one when that is replaced."""
    stop: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_STOP, "limit_price": "", "stop_price": "100"}
    world.book.limits.set({"demo": Parameters("demo", max_order_value=Decimal(1100))})
    async with world.stream() as stream:
        await stream.sync()
        assert (await stream.one(1, **stop)).reason == ACCEPTED
        assert (await stream.one(2, **(stop | {"stop_price": "110.01"}))).reason == EXCEEDED
        for price, reason in (("110", ACCEPTED), ("110.01", EXCEEDED)):
            new = reservation_service_pb2.ReplaceReservation(quantity="10", order_quantity="10", stop_price=price)
            [decision] = await stream.reserve(reservation(1, replace=new, **stop))
            assert decision.reason == reason, price


async def test_a_sync_brings_replaces_that_are_on_their_way(world: RiskWorld) -> None:
    """After a restart the larger of old and new is held again, and the outcome moves it."""
    async with world.stream() as stream:
        await stream.sync(change(1, "15"), change(2, "4"), reservation(3))
        await stream.one(4)
        assert held(world) == (15 + 10 + 10 + 10, 4)
        reports = [
            ended(n, n, world.clock, execution_type=REPLACED, leaves_quantity=q) for n, q in ((1, "15"), (2, "4"))
        ]
        await settled(world, stream, *reports)
        assert held(world) == (15 + 4 + 10 + 10, 4)


async def test_an_order_that_is_not_held_is_reserved_with_its_replace(world: RiskWorld) -> None:
    """Never expected; it is counted rather than let through."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.reserve(change(1, "15"))
        assert held(world) == (15, 1)
