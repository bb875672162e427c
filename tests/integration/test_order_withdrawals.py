"""OrderService is told that orders may not stay open: none survives, wherever it is at that moment."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_NEW, ORDER_STATUS_REJECTED
from ordermesh.risk.v1 import reservation_service_pb2 as reserving
from ordermesh.type.v1 import error_pb2
from services.kernel.errors import CodedError
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import accept
from tests.fakes.order_world import Client, OrderProcess, client_of, ready
from tests.fixtures.waiting import eventually

HALTED = error_pb2.ERROR_REASON_TRADING_HALTED

pytestmark = pytest.mark.usefixtures("resting_peers")


async def test_live_orders_are_canceled_with_the_reason(client: Client, peers: Peers) -> None:
    """Those named are, the others stay; the request to cancel and the end say why; it is not made twice."""
    stays, *going = [await client.place() for _ in range(3)]
    for order in (stays, *going):
        await client.until(order.order_id, ORDER_STATUS_NEW)
    names = [order.order_id for order in going]
    peers.risk.withdraw(*names, "0190-unknown")
    peers.risk.withdraw(*names)
    for name in names:
        await client.until(name, ORDER_STATUS_CANCELED)
        history = await client.history(name)
        asked = [r for r in history if r.execution_type == execution_report_pb2.EXECUTION_TYPE_PENDING_CANCEL]
        assert [(report.reason, report.text) for report in (*asked, history[-1])] == [(HALTED, "trading is halted")] * 2
        ended = await client.order(name)
        assert (ended.reason, ended.text) == (HALTED, "trading is halted")
    peers.risk.withdraw(*names)
    await client.place()
    assert (await client.order(stays.order_id)).order_status == ORDER_STATUS_NEW


async def test_an_order_accepted_and_named_before_the_answer_never_reaches_the_venue(
    client: Client, peers: Peers
) -> None:
    """It is refused with the reason of the withdrawal, and its reservation is let go."""

    def decide(reservation: reserving.Reservation) -> reserving.ReservationDecision:
        peers.risk.withdraw(reservation.order_id)
        return accept(reservation)

    peers.risk.decide = decide
    before = len(peers.broker.venue.commands)
    with pytest.raises(CodedError) as caught:
        await client.place("late")
    assert caught.value.reason == "TRADING_HALTED"
    order_id = caught.value.metadata["order_id"]
    assert (await client.order(order_id)).order_status == ORDER_STATUS_REJECTED
    await eventually(lambda: order_id not in peers.risk.reserved)
    assert len(peers.broker.venue.commands) == before


async def test_orders_named_right_after_the_answer_do_not_survive(client: Client, peers: Peers) -> None:
    """Between the answer and the commit, in the commit, after it: each ends, as refused or as canceled."""

    def decide(reservation: reserving.Reservation) -> reserving.ReservationDecision:
        # Told once the answer is on its way, sooner or later: the loop goes on a few times in between.
        loop = asyncio.get_running_loop()
        loop.call_later(0.002 * (len(peers.risk.reserved) % 5), peers.risk.withdraw, reservation.order_id)
        return accept(reservation)

    peers.risk.decide = decide
    results = await asyncio.gather(*(client.place() for _ in range(60)), return_exceptions=True)
    reasons = {each.reason for each in results if isinstance(each, CodedError)}
    assert reasons <= {"TRADING_HALTED"}
    assert not [each for each in results if isinstance(each, BaseException) and not isinstance(each, CodedError)]

    async def statuses() -> set[int]:
        return {order.order_status for order in await client.all_orders() if order.account_id == "demo"}

    await eventually(statuses, {ORDER_STATUS_CANCELED, ORDER_STATUS_REJECTED}.issuperset)
    assert not [each for each in peers.broker.venue.open.values() if each.account_id == "demo"]
    await eventually(lambda: not [each for each in peers.risk.reserved.values() if each.account_id == "demo"])


async def test_what_was_open_before_a_restart_is_withdrawn_after_it(
    postgres_url: str, redis_url: str, peers: Peers, tmp_path: Path
) -> None:
    """OrderService was down when the switch was set: its orders are canceled once it is back, also in a second try."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    try:
        async with client_of(await process.start()) as client:
            await ready(client, peers)
            orders = [await client.place() for _ in range(3)]
            for order in orders:
                await client.until(order.order_id, ORDER_STATUS_NEW)
        await process.kill()
        peers.risk.withdrawing = True
        async with client_of(await process.start()) as client:
            for order in orders:
                await client.until(order.order_id, ORDER_STATUS_CANCELED)
            peers.risk.cut()
            peers.risk.withdrawing = False
            await ready(client, peers)
            after = await client.place()
            await client.until(after.order_id, ORDER_STATUS_NEW)
    finally:
        await process.kill()


async def test_a_new_session_of_risk_names_what_must_go(client: Client, peers: Peers) -> None:
    """RiskService was started again with a switch set: what is open is canceled once the stream is up."""
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_NEW)
    peers.risk.cut()
    peers.risk.withdrawing = True
    await client.until(order.order_id, ORDER_STATUS_CANCELED)
    assert order.order_id in peers.risk.synced
