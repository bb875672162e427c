"""Reduce-only orders: what lets one in, and which of them go when the position shrinks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.risk.v1 import (
    reservation_service_pb2,
    reservation_service_pb2_grpc,
    risk_alert_pb2,
    trading_state_admin_pb2,
    trading_state_pb2,
)
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.risk.domain.reducing import OpenOrder, exceeding
from services.risk.domain.values import Side
from tests.fakes.reserve_client import busted, ended, fill, reservation
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
REDUCE_ONLY = error_pb2.ERROR_REASON_REDUCE_ONLY
SELL: dict[str, Any] = {"side": trading_pb2.SIDE_SELL}
REDUCES: dict[str, Any] = {**SELL, "reduce_only": True}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def test_a_reduce_only_order_is_let_in_as_far_as_the_position_goes(world: RiskWorld) -> None:
    """All open orders of its side count; a plain order is free to go beyond; which comes first wins."""
    async with world.stream() as stream:
        await stream.sync()
        assert (await stream.one(1, quantity="1", **REDUCES)).reason == REDUCE_ONLY, "there is no position"
        await stream.settle(fill(1, "x", world.clock))
        assert (await stream.one(2, quantity="1", reduce_only=True)).reason == REDUCE_ONLY, "it would enlarge it"
        first, second = await stream.reserve(
            reservation(3, quantity="6", **REDUCES), reservation(4, quantity="5", **REDUCES)
        )
        assert (first.reason, second.reason) == (ACCEPTED, REDUCE_ONLY)
        assert second.breach.rule == risk_breach_pb2.RISK_RULE_REDUCE_ONLY
        assert (second.breach.limit, second.breach.observed, second.breach.unit) == ("10", "11", "units")
        assert second.text == (
            "the order is reduce-only; to reduce the position at most 10 units may be open to sell, with this order it "
            "would be 11"
        )
        assert (await stream.one(5, quantity="4", **SELL)).reason == ACCEPTED
        assert (await stream.one(6, quantity="1", **REDUCES)).reason == REDUCE_ONLY, "a plain order took the rest"
        assert (await stream.one(7, quantity="1", **SELL)).reason == ACCEPTED
        await stream.settle(ended(2, 5, world.clock, **SELL), ended(3, 7, world.clock, **SELL))
        assert (await stream.one(8, quantity="4", **REDUCES)).reason == ACCEPTED


async def test_a_short_position_is_reduced_by_buying(world: RiskWorld) -> None:
    """The same on the other side."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "x", world.clock, **SELL))
        assert (await stream.one(1, quantity="11", reduce_only=True)).reason == REDUCE_ONLY
        assert (await stream.one(2, quantity="10", reduce_only=True)).reason == ACCEPTED
        assert (await stream.one(3, quantity="1", **REDUCES)).reason == REDUCE_ONLY


async def test_a_refusal_is_an_alert_and_trips_no_breaker(world: RiskWorld) -> None:
    """No limit was broken: the order itself asked for it."""
    world.limit(circuit_breaker_enabled=True, circuit_breaker_refusals=1)
    async with world.stream() as stream:
        await stream.sync()
        for number in range(3):
            assert (await stream.one(number, **REDUCES)).reason == REDUCE_ONLY
        [alert] = await world.told(1)
        assert (int(alert.kind), alert.reason) == (risk_alert_pb2.RISK_ALERT_KIND_ORDER_REFUSED, "REDUCE_ONLY")
        assert (await stream.one(9)).reason == ACCEPTED


async def test_it_is_let_in_while_trading_is_reducing(world: RiskWorld) -> None:
    """And told as reducing, not as reduce-only, where both refuse."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "x", world.clock))
        await world.risk.EmergencyStop(
            trading_state_admin_pb2.EmergencyStopRequest(
                account_id="demo", state=trading_state_pb2.TRADING_STATE_REDUCING, cancel_open_orders=True
            )
        )
        assert (await stream.one(1, quantity="10", **REDUCES)).reason == ACCEPTED
        assert (await stream.one(2, quantity="1", **REDUCES)).reason == error_pb2.ERROR_REASON_TRADING_REDUCING


async def test_what_has_become_more_than_the_position_is_withdrawn_the_newest_first(world: RiskWorld) -> None:
    """A plain sell takes the position away under the reduce-only orders; each is named once, whole."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(
            reservation("old", quantity="4", **REDUCES),
            reservation("middle", quantity="3", **REDUCES),
            reservation("new", quantity="2", **REDUCES),
            reservation("plain", quantity="9", **SELL),
            sequence=1,
        )
        await stream.settle(fill(2, "plain", world.clock, last_quantity="1", leaves_quantity="8", **SELL))
        await stream.one("y")
        assert stream.withdrawn == [], "9 of 9"
        await stream.settle(fill(3, "plain", world.clock, last_quantity="3", leaves_quantity="5", **SELL))
        await eventually(lambda: stream.withdrawn == ["middle", "new"])
        [told] = stream.withdrawals
        assert (told.reason, told.text) == (
            REDUCE_ONLY,
            "the position has become smaller than the reduce-only orders that would close it",
        )
        await stream.settle(ended(4, "new", world.clock, **SELL), ended(5, "middle", world.clock, **SELL))
        await stream.settle(fill(6, "plain", world.clock, last_quantity="5", **SELL))
        await eventually(lambda: stream.withdrawn == ["middle", "new", "old"])


async def test_its_own_fills_withdraw_nothing(world: RiskWorld) -> None:
    """Position and open quantity shrink by the same."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(reservation(1, quantity="6", **REDUCES), reservation(2, quantity="4", **REDUCES), sequence=1)
        await stream.settle(fill(2, 1, world.clock, last_quantity="5", leaves_quantity="1", **SELL))
        await stream.settle(fill(3, 2, world.clock, last_quantity="4", **SELL))
        await stream.one("y")
        assert stream.withdrawn == []


async def test_a_fill_in_spite_of_the_withdrawal_takes_room_from_those_that_stayed(world: RiskWorld) -> None:
    """The cancel of the newest came too late: the older one goes, too, for what it has left is more than there is."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(
            reservation("old", quantity="5", **REDUCES),
            reservation("late", quantity="5", **REDUCES),
            reservation("plain", quantity="4", **SELL),
            sequence=1,
        )
        await stream.settle(fill(2, "plain", world.clock, last_quantity="4", **SELL))
        await eventually(lambda: stream.withdrawn == ["late"])
        await stream.settle(fill(3, "late", world.clock, last_quantity="2", leaves_quantity="3", **SELL))
        await eventually(lambda: stream.withdrawn == ["late", "old"])


async def test_fills_while_the_shard_was_away_are_looked_at_when_it_is_back(world: RiskWorld) -> None:
    """After the sync, before any check is answered."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(reservation(1, **REDUCES), sequence=1)
        await stream.one("y")
    await eventually(lambda: not world.withdrawing._outlets)
    async with world.stream() as stream:
        number = await stream.submit(reservation(2, quantity="1", **REDUCES))
        await stream.settle(fill(2, "z", world.clock, last_quantity="4", **SELL))
        await stream.sync(reservation(1, **REDUCES), sequence=2)
        await eventually(lambda: number in stream.decisions)
        assert stream.withdrawn == ["1"]
        assert stream.decisions[number][0].reason == REDUCE_ONLY


async def test_one_that_its_venue_opens_again_is_one_still(world: RiskWorld) -> None:
    """Its fill is taken back and it may trade once more: it goes when the position shrinks, a plain one stays."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "x", world.clock), fill(2, "x", world.clock))
        assert (await stream.one("old", quantity="10", **REDUCES)).reason == ACCEPTED
        assert (await stream.one("plain", quantity="10", **SELL)).reason == ACCEPTED
        await stream.settle(fill(3, "old", world.clock, **SELL), fill(4, "plain", world.clock, **SELL))
        await stream.settle(
            busted(5, "old", world.clock, leaves_quantity="10", reduce_only=True, **SELL),
            busted(6, "plain", world.clock, leaves_quantity="10", **SELL),
        )
        await stream.one("y")
        assert stream.withdrawn == [], "20 are held again, and 10 of them are its own to close"
        await stream.settle(fill(7, "z", world.clock, last_quantity="11", **SELL))
        await eventually(lambda: stream.withdrawn == ["old"])


async def test_a_replace_of_one_is_held_against_the_position_without_itself(world: RiskWorld) -> None:
    """Another price is let through, another quantity as far as there is room."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(reservation(1, quantity="6", **REDUCES), reservation(2, quantity="3", **REDUCES), sequence=1)

        async def replaced(quantity: str) -> int:
            new = reservation_service_pb2.ReplaceReservation(
                quantity=quantity, order_quantity=quantity, limit_price="101"
            )
            return (await stream.one(1, **{**REDUCES, "quantity": "6", "replace": new})).reason

        assert await replaced("8") == REDUCE_ONLY
        assert await replaced("7") == ACCEPTED


async def test_a_preview_tells_it(world: RiskWorld) -> None:
    """By the same rule, holding nothing."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.one("y")
        request = reservation_service_pb2.CheckOrderRequest(order=reservation("", **REDUCES))
        stub: Any = reservation_service_pb2_grpc.ReservationServiceStub(world.channel)
        told = await stub.CheckOrder(request)
        assert told.decision.reason == REDUCE_ONLY
        assert world.book.reservations == 1


async def test_orders_of_a_group_count_once(world: RiskWorld) -> None:
    """A target and a stop for the whole position may both be reduce-only where one cancels the other."""
    grouped = {**REDUCES, "quantity": "10", "group_id": "list"}
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "x", world.clock))
        target, stop, more = await stream.reserve(
            reservation(1, **grouped), reservation(2, **grouped), reservation(3, quantity="1", **REDUCES)
        )
        assert (target.reason, stop.reason, more.reason) == (ACCEPTED, ACCEPTED, REDUCE_ONLY)
        await stream.settle(fill(2, "plain", world.clock, last_quantity="1", **SELL))
        await eventually(lambda: stream.withdrawn == ["1", "2"])


@pytest.mark.parametrize(
    ("position", "orders", "expected"),
    [
        (10, [("a", Side.SELL, 4), ("b", Side.SELL, 6)], []),
        (9, [("a", Side.SELL, 4), ("b", Side.SELL, 6), ("c", Side.SELL, 1)], ["b", "c"]),
        (0, [("a", Side.SELL, 1), ("b", Side.BUY, 1)], ["a", "b"]),
        (-5, [("a", Side.BUY, 5), ("b", Side.SELL, 1), ("c", Side.BUY, 1)], ["b", "c"]),
    ],
)
def test_the_oldest_that_fit_together_stay(
    position: int, orders: list[tuple[str, Side, int]], expected: list[str]
) -> None:
    """A newer one that would fit does not stay in the place of an older one that does not."""
    told = [OpenOrder(order_id, side, Decimal(quantity)) for order_id, side, quantity in orders]
    assert exceeding(Decimal(position), told) == expected
