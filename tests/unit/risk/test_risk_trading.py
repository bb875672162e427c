"""Kill switches: what they refuse, which open orders they do not let stay, and how they survive."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from ordermesh.risk.v1 import (
    reservation_service_pb2,
    risk_alert_pb2,
    risk_service_pb2,
    trading_state_admin_pb2,
    trading_state_pb2,
)
from ordermesh.type.v1 import error_pb2, risk_breach_pb2, trading_pb2
from services.kernel.errors import CodedError
from services.risk.domain.reducing import OpenOrder
from services.risk.domain.trading import enlarging
from services.risk.domain.values import Side
from services.risk.pipeline.withdrawing import MOST_PER_MESSAGE
from tests.fakes.clock import FakeClock
from tests.fakes.reserve_client import ended, fill, reservation
from tests.fakes.risk_store import FakeRiskStore
from tests.fakes.risk_world import RiskWorld, risk_world
from tests.fixtures.waiting import eventually

ACCEPTED = error_pb2.ERROR_REASON_UNSPECIFIED
HALTED = error_pb2.ERROR_REASON_TRADING_HALTED
REDUCING = error_pb2.ERROR_REASON_TRADING_REDUCING
SELL = {"side": trading_pb2.SIDE_SELL}
OTHER = {"account_id": "other"}
STATES = {
    "active": trading_state_pb2.TRADING_STATE_ACTIVE,
    "reducing": trading_state_pb2.TRADING_STATE_REDUCING,
    "halted": trading_state_pb2.TRADING_STATE_HALTED,
}


@pytest_asyncio.fixture
async def world() -> AsyncIterator[RiskWorld]:
    async with risk_world() as running:
        yield running


async def stop(
    world: RiskWorld, state: str = "halted", account_id: str = "demo", **values: Any
) -> trading_state_admin_pb2.EmergencyStopResponse:
    """Stops an account; the firm under the empty name."""
    request = trading_state_admin_pb2.EmergencyStopRequest(state=STATES[state], **values)
    if account_id:
        request.account_id = account_id
    else:
        request.firm = True
    answer: trading_state_admin_pb2.EmergencyStopResponse = await world.risk.EmergencyStop(request)
    return answer


async def resume(world: RiskWorld, account_id: str = "demo") -> trading_state_admin_pb2.ResumeResponse:
    """Resumes an account; the firm under the empty name."""
    scope: dict[str, Any] = {"account_id": account_id} if account_id else {"firm": True}
    answer: trading_state_admin_pb2.ResumeResponse = await world.risk.Resume(
        trading_state_admin_pb2.ResumeRequest(**scope)
    )
    return answer


async def state(world: RiskWorld, account_id: str = "demo") -> trading_state_admin_pb2.GetTradingStateResponse:
    """Tells the state of an account; of the firm under the empty name."""
    request = trading_state_admin_pb2.GetTradingStateRequest(account_id=account_id)
    answer: trading_state_admin_pb2.GetTradingStateResponse = await world.risk.GetTradingState(request)
    return answer


async def test_halted_refuses_every_order_with_rule_and_text(world: RiskWorld) -> None:
    """Only of the account that is halted, and until it resumes."""
    async with world.stream() as stream:
        await stream.sync()
        await stop(world, text="looked odd")
        decision = await stream.one(1)
        text = "trading of account demo is halted: looked odd"
        assert (decision.reason, decision.text) == (HALTED, text)
        assert decision.breach == risk_breach_pb2.RiskBreach(rule=risk_breach_pb2.RISK_RULE_TRADING_HALTED, text=text)
        assert (await stream.one(2, **OTHER)).reason == ACCEPTED
        assert (await resume(world)).effective_state == STATES["active"]
        assert (await stream.one(3)).reason == ACCEPTED


@pytest.mark.parametrize(
    ("firm", "account", "expected"),
    [
        ("active", "halted", HALTED),
        ("halted", "active", HALTED),
        ("halted", "reducing", HALTED),
        ("reducing", "halted", HALTED),
        ("reducing", "active", REDUCING),
        ("active", "reducing", REDUCING),
        ("active", "active", ACCEPTED),
    ],
)
async def test_the_stricter_of_firm_and_account_holds(world: RiskWorld, firm: str, account: str, expected: int) -> None:
    """Whichever of the two it is; both are told beside what holds."""
    async with world.stream() as stream:
        await stream.sync()
        for name, wanted in (("", firm), ("demo", account)):
            if wanted != "active":
                await stop(world, wanted, name)
        assert (await stream.one(1)).reason == expected
    told = await state(world)
    assert (told.firm.state, told.account.state) == (STATES[firm], STATES[account])
    assert told.effective_state == max(told.firm.state, told.account.state)
    of_firm = await state(world, "")
    assert (of_firm.effective_state, of_firm.HasField("account")) == (STATES[firm], False)


async def test_reducing_lets_in_what_cannot_turn_the_position(world: RiskWorld) -> None:
    """Several sells of a long position up to its size, no buy, nothing where there is no position; then shorts."""
    async with world.stream() as stream:
        await stream.sync()
        await stream.settle(fill(1, "a", world.clock), fill(2, "b", world.clock, instrument="ESZ6.XCME", **SELL))
        await stop(world, "reducing")
        assert (await stream.one(1, quantity="1")).reason == REDUCING
        assert (await stream.one(2, quantity="6", **SELL)).reason == ACCEPTED
        refused = await stream.one(3, quantity="5", **SELL)
        assert (refused.reason, refused.breach.rule) == (REDUCING, risk_breach_pb2.RISK_RULE_TRADING_REDUCING)
        assert (refused.breach.limit, refused.breach.observed, refused.breach.unit) == ("10", "11", "units")
        assert (await stream.one(4, quantity="4", **SELL)).reason == ACCEPTED
        # A fill of one leaves no more room than there was: position and open orders shrink together.
        await stream.settle(fill(3, 2, world.clock, last_quantity="6", **SELL))
        assert (await stream.one(5, quantity="1", **SELL)).reason == REDUCING
        await stream.settle(ended(4, 4, world.clock, **SELL))
        assert (await stream.one(6, quantity="4", **SELL)).reason == ACCEPTED
        assert (await stream.one(7, quantity="10", instrument="ESZ6.XCME")).reason == ACCEPTED
        assert (await stream.one(8, quantity="1", instrument="ESZ6.XCME")).reason == REDUCING
        assert (await stream.one(9, quantity="1", **OTHER)).reason == ACCEPTED


async def test_halted_names_the_open_orders_of_its_scope(world: RiskWorld) -> None:
    """Of the account, in one message; of the firm, those of the others too; and how many, in the answer."""
    async with world.stream() as stream:
        await stream.sync(reservation(1), reservation(2, **SELL), reservation(3, **OTHER))
        await stream.one(4)
        answer = await stop(world, text="enough")
        assert (answer.canceled_orders, answer.kill_switch.cancel_open_orders) == (3, True)
        await eventually(lambda: len(stream.withdrawn) == 3)
        [told] = stream.withdrawals
        assert (list(told.order_ids), told.reason) == (["1", "2", "4"], HALTED)
        assert told.text == "trading of account demo is halted: enough"
        assert (await stop(world, account_id="")).canceled_orders == 4
        await eventually(lambda: len(stream.withdrawn) == 7)
        assert sorted(stream.withdrawn[3:]) == ["1", "2", "3", "4"]


async def test_many_orders_are_named_in_parts(world: RiskWorld) -> None:
    """No message grows without bound."""
    count = 2 * MOST_PER_MESSAGE + 1
    async with world.stream() as stream:
        for first in range(0, count, 500):
            numbers = range(first, min(first + 500, count))
            await stream.sync(*map(reservation, numbers), last=numbers[-1] == count - 1)
        await stream.release("nothing")
        await eventually(lambda: world.book.reservations == count)
        await stop(world)
        await eventually(lambda: len(stream.withdrawn) == count)
    assert [len(each.order_ids) for each in stream.withdrawals] == [MOST_PER_MESSAGE, MOST_PER_MESSAGE, 1]


async def test_open_orders_stay_when_they_are_to(world: RiskWorld) -> None:
    """Then new orders are refused all the same; a second stop may still name them."""
    async with world.stream() as stream:
        await stream.sync(reservation(1))
        assert (await stop(world, cancel_open_orders=False)).canceled_orders == 0
        assert (await stream.one(2)).reason == HALTED
        assert stream.withdrawals == []
        assert (await stop(world)).canceled_orders == 1
        await eventually(lambda: stream.withdrawn == ["1"])


async def test_reducing_names_what_does_not_reduce_the_oldest_staying(world: RiskWorld) -> None:
    """Of the side that enlarges all; of the other those for which there is no room behind older ones."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(
            reservation("buy"),
            reservation("first", quantity="6", **SELL),
            reservation("much", quantity="5", **SELL),
            reservation("fits", quantity="4", **SELL),
            reservation("elsewhere", instrument="ESZ6.XCME", **SELL),
            sequence=1,
        )
        await stream.release("nothing")
        assert (await stop(world, "reducing")).canceled_orders == 3
        await eventually(lambda: sorted(stream.withdrawn) == ["buy", "elsewhere", "much"])
        assert {each.reason for each in stream.withdrawals} == {REDUCING}


async def test_a_fill_in_spite_of_the_cancel_takes_room_from_those_that_stayed(world: RiskWorld) -> None:
    """The cancel of one order came too late: another one that fitted before could turn the position round now."""
    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(
            reservation("stays", quantity="6", **SELL), reservation("late", quantity="8", **SELL), sequence=1
        )
        await stream.release("nothing")
        await stop(world, "reducing")
        await eventually(lambda: stream.withdrawn == ["late"])
        await stream.settle(fill(2, "late", world.clock, last_quantity="3", leaves_quantity="5", **SELL))
        await stream.settle(fill(3, "late", world.clock, last_quantity="5", **SELL))
        await eventually(lambda: stream.withdrawn == ["late", "stays"])
        await stream.settle(fill(4, "stays", world.clock, last_quantity="1", leaves_quantity="5", **SELL))
        await stream.one("y")
        assert stream.withdrawn == ["late", "stays"]


async def test_a_switch_that_was_set_while_the_shard_was_away_is_told_when_it_is_back(world: RiskWorld) -> None:
    """After the sync, before any check is answered; orders on their way in are among them."""
    async with world.stream() as stream:
        await stream.sync(reservation(1))
        await stream.one(2)
    await eventually(lambda: not world.withdrawing._outlets)
    assert (await stop(world)).canceled_orders == 0
    async with world.stream() as stream:
        number = await stream.submit(reservation(3))
        await stream.sync(reservation(1), reservation(2))
        await eventually(lambda: number in stream.decisions)
        assert stream.withdrawn == ["1", "2"]
        assert stream.decisions[number][0].reason == HALTED


async def test_a_switch_is_in_force_after_a_restart_before_the_first_check() -> None:
    """With its text, its version, and what it says of open orders."""
    store, clock = FakeRiskStore(), FakeClock()
    async with risk_world(store, clock) as world:
        await stop(world, "reducing", "", text="for the night", cancel_open_orders=False)
        await stop(world, account_id="other")
        await resume(world, "other")
    async with risk_world(store, clock) as world:
        told = await state(world, "other")
        assert (told.firm.text, told.firm.version, told.firm.cancel_open_orders) == ("for the night", 1, False)
        assert (told.account.state, told.account.version) == (STATES["active"], 2)
        async with world.stream() as stream:
            number = await stream.submit(reservation(1, **OTHER))
            await stream.sync(reservation(2))
            await eventually(lambda: number in stream.decisions)
            assert stream.decisions[number][0].reason == REDUCING
            assert stream.withdrawals == []


async def test_a_stop_holds_even_when_it_cannot_be_stored(world: RiskWorld) -> None:
    """The caller is told; it is stored as soon as the store answers."""
    async with world.stream() as stream:
        await stream.sync(reservation(1))
        world.store.broken = True
        with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
            await stop(world)
        assert (await stream.one(2)).reason == HALTED
        await eventually(lambda: stream.withdrawn == ["1"])
        world.store.broken = False
        await world.keeper.save()
    assert world.store.switches["demo"].state == STATES["halted"]


async def test_a_resumption_that_cannot_be_stored_does_not_hold(world: RiskWorld) -> None:
    """The stop goes on, and is stored over what may have been stored of the resumption."""
    await stop(world)
    world.store.broken = True
    with pytest.raises(CodedError, match="STORE_UNAVAILABLE"):
        await resume(world)
    world.store.broken = False
    assert (await state(world)).effective_state == STATES["halted"]
    await world.keeper.save()
    assert (world.store.switches["demo"].state, world.store.switches["demo"].version) == (STATES["halted"], 3)
    assert (await resume(world)).effective_state == STATES["active"]


async def test_a_stop_during_a_resumption_wins(world: RiskWorld) -> None:
    """In memory at once, in the store in the end, whatever is stored first."""
    await stop(world, "reducing")
    world.store.slow = asyncio.Event()
    resuming = asyncio.create_task(resume(world))
    await eventually(world.trading._storing.locked)
    stopping = asyncio.create_task(stop(world))
    await eventually(lambda: world.book.switches.get("demo").state, STATES["halted"].__eq__)
    world.store.slow.set()
    with pytest.raises(CodedError, match="VERSION_MISMATCH"):
        await resuming
    assert (await stopping).kill_switch.state == STATES["halted"]
    assert world.store.switches["demo"].state == STATES["halted"]
    assert (await state(world)).effective_state == STATES["halted"]


async def test_a_repeated_call_changes_nothing(world: RiskWorld) -> None:
    """Neither version nor alerts; resuming what is active is no change either."""
    versions = [(await stop(world, text="t")).kill_switch.version for _ in range(2)]
    versions += [(await resume(world)).kill_switch.version for _ in range(2)]
    assert versions == [1, 1, 2, 2]
    alerts = await world.told(2)
    assert [alert.kind.name for alert in alerts] == ["TRADING_STOPPED", "TRADING_RESUMED"]


async def test_changes_are_alerts_of_the_account_or_of_everybody(world: RiskWorld) -> None:
    """One of the firm is among those of each account; the state stands in it."""
    await stop(world, "reducing", "", text="storm")
    await stop(world)
    await stop(world, account_id="other")
    await world.told(3)
    listed = await world.risk.ListAlerts(risk_service_pb2.ListAlertsRequest(account_id="demo"))
    told = [(each.account_id, each.trading_state, each.severity) for each in reversed(listed.alerts)]
    critical = risk_alert_pb2.RISK_ALERT_SEVERITY_CRITICAL
    assert told == [("", STATES["reducing"], critical), ("demo", STATES["halted"], critical)]
    assert listed.alerts[1].text == "trading of the firm is reducing: storm"


async def test_refusals_by_a_switch_do_not_trip_the_breaker(world: RiskWorld) -> None:
    """They say nothing of the orders."""
    world.limit(circuit_breaker_refusals=2, circuit_breaker_enabled=True)
    async with world.stream() as stream:
        await stream.sync()
        await stop(world)
        for number in range(5):
            assert (await stream.one(number)).reason == HALTED
    assert not world.breakers.get("demo").is_open


async def test_accounts_must_exist_but_a_stop_does_not_wait_to_know(world: RiskWorld) -> None:
    """An unknown account is refused; while nobody can tell, a stop is taken, a resumption is not."""
    for call in (stop(world, account_id="nobody"), resume(world, "nobody"), state(world, "nobody")):
        with pytest.raises(CodedError, match="UNKNOWN_ACCOUNT"):
            await call
    world.accounts.reachable = False
    assert (await stop(world, account_id="demo")).effective_state == STATES["halted"]
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await resume(world)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"state": 3}, "scope"),
        ({"state": 3, "account_id": ""}, "account_id"),
        ({"state": 3, "firm": False}, "firm"),
        ({"firm": True}, "state"),
        ({"firm": True, "state": 1}, "state"),
        ({"firm": True, "state": 4}, "state"),
        ({"firm": True, "state": 3, "text": "x" * 501}, "text"),
        ({"firm": True, "state": 3, "text": "\x00"}, "text"),
    ],
)
async def test_bad_requests_name_their_field(world: RiskWorld, fields: dict[str, Any], named: str) -> None:
    """And nothing is stopped."""
    with pytest.raises(CodedError) as caught:
        await world.risk.EmergencyStop(trading_state_admin_pb2.EmergencyStopRequest(**fields))
    assert [violation.field for violation in caught.value.violations] == [named]
    assert not list(world.book.switches.stopped)


@pytest.mark.parametrize(
    ("position", "orders", "found"),
    [
        (0, [("a", 1, 1), ("b", 2, 1)], ["a", "b"]),
        (5, [("a", 2, 5), ("b", 2, 1)], ["b"]),
        (5, [("a", 2, 6), ("b", 2, 5)], ["a"]),
        (-5, [("a", 1, 2), ("b", 2, 1), ("c", 1, 3), ("d", 1, 1)], ["b", "d"]),
    ],
)
def test_what_enlarges_a_position(position: int, orders: list[tuple[str, int, int]], found: list[str]) -> None:
    """The oldest stay that can only reduce it."""
    told = [(order_id, Side(side), Decimal(quantity)) for order_id, side, quantity in orders]
    assert enlarging(Decimal(position), (OpenOrder(*each) for each in told)) == found


async def test_new_terms_of_an_order_are_held_to_the_state_as_well(world: RiskWorld) -> None:
    """In REDUCING they may be as large as the position and no larger, in HALTED there are none; both count as open."""

    def replace(number: str, quantity: str) -> reservation_service_pb2.Reservation:
        after = reservation_service_pb2.ReplaceReservation(
            quantity=quantity, order_quantity=quantity, limit_price="100"
        )
        return reservation(number, quantity="4", replace=after, **SELL)

    async with world.stream() as stream:
        await stream.settle(fill(1, "x", world.clock))
        await stream.sync(reservation("a", quantity="4", **SELL), reservation("b", quantity="4", **SELL), sequence=1)
        await stream.reserve(replace("b", "8"))
        await stop(world, "reducing")
        await eventually(lambda: stream.withdrawn == ["b"])
        await stream.settle(ended(2, "b", world.clock, **SELL))
        [refused, accepted] = await stream.reserve(replace("a", "11"), replace("a", "10"))
        assert (refused.reason, refused.breach.limit, refused.breach.observed) == (REDUCING, "10", "11")
        assert accepted.reason == ACCEPTED
        assert (await stream.one("c", quantity="1", **SELL)).reason == REDUCING
        await stop(world)
        [refused] = await stream.reserve(replace("a", "5"))
        assert refused.reason == HALTED
