"""The kill switch over gRPC, REST and the command, through the real gateway, and while parts are started again."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    ORDER_STATUS_PENDING_CANCEL,
    ORDER_STATUS_PENDING_NEW,
)
from ordermesh.order.v1.order_query_pb2 import ListOrdersRequest
from ordermesh.risk.v1 import trading_state_admin_pb2 as admin
from ordermesh.risk.v1.trading_state_pb2 import (
    TRADING_STATE_ACTIVE,
    TRADING_STATE_HALTED,
    TRADING_STATE_REDUCING,
    TradingState,
)
from tests.e2e.test_e2e_rest import order
from tests.fixtures.command import ordermesh
from tests.fixtures.mesh import running_mesh
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.users import operator
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

RISK = "/api/v1/risk"
LIVE = (
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    ORDER_STATUS_PENDING_CANCEL,
)


async def stop(someone: Trader, state: TradingState.ValueType) -> admin.EmergencyStopResponse:
    """Stops the trader's account."""
    request = admin.EmergencyStopRequest(account_id=someone.account_id, state=state, text="by a test")
    return await someone.risk.EmergencyStop(request)


async def resume(someone: Trader) -> admin.ResumeResponse:
    """Resumes the trader's account."""
    return await someone.operator.risk.Resume(admin.ResumeRequest(account_id=someone.account_id))


async def live_orders(someone: Trader) -> list[str]:
    """Returns the ids of the trader's live orders."""
    request = ListOrdersRequest(account_id=someone.account_id, status=LIVE, page_size=1000)
    return [order.order_id for order in (await someone.orders.ListOrders(request)).orders]


async def refused(someone: Trader, *order: Any) -> str:
    """Places an order that must be refused, and returns what the error says."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await someone.place(*order)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION
    return caught.value.details() or ""


async def test_halted_cancels_what_is_open_and_refuses_what_is_new(mesh: Mesh) -> None:
    """Of this account alone; a cancel goes through; after a resumption orders come in again."""
    async with trader(mesh) as someone, trader(mesh) as other:
        instrument = await new_instrument(someone)
        orders = [await someone.place(BUY, instrument, "1", "5") for _ in range(3)]
        spared = await other.place(BUY, instrument, "1", "5")
        assert (await stop(someone, TRADING_STATE_HALTED)).canceled_orders == 3
        for each in orders:
            await someone.reports.until(each.order_id, ORDER_STATUS_CANCELED)
        assert "is halted: by a test" in await refused(someone, BUY, instrument, "1", "5")
        await other.reports.until(spared.order_id, ORDER_STATUS_NEW)
        assert await live_orders(other) == [spared.order_id]
        assert (await resume(someone)).effective_state == TRADING_STATE_ACTIVE
        await someone.place(BUY, instrument, "1", "5")


async def test_reducing_keeps_and_takes_what_closes_a_position(mesh: Mesh) -> None:
    """Long 10: a resting sell of 4 stays, a buy goes, sells of 6 more come in and no more; then it can be closed."""
    async with trader(mesh) as someone, trader(mesh) as other:
        instrument = await new_instrument(someone)
        offer = await other.place(SELL, instrument, "10", "20")
        await other.reports.until(offer.order_id, ORDER_STATUS_NEW)
        bought = await someone.place(BUY, instrument, "10", "20")
        await someone.reports.until(bought.order_id, ORDER_STATUS_FILLED)
        await someone.position(instrument, trades=1)
        stays = await someone.place(SELL, instrument, "4", "21")
        goes = await someone.place(BUY, instrument, "3", "19")

        # RiskService books the fill a moment after it is told.
        async def set_now() -> int:
            return (await stop(someone, TRADING_STATE_REDUCING)).canceled_orders

        await eventually(set_now, lambda count: count <= 1)
        await someone.reports.until(goes.order_id, ORDER_STATUS_CANCELED)
        assert "is reducing" in await refused(someone, BUY, instrument, "1", "5")
        assert "at most 10 units" in await refused(someone, SELL, instrument, "7", "21")
        last = await someone.place(SELL, instrument, "6", "21")
        assert sorted(await live_orders(someone)) == sorted([stays.order_id, last.order_id])
        await other.place(BUY, instrument, "10", "21")
        for each in (stays, last):
            await someone.reports.until(each.order_id, ORDER_STATUS_FILLED)
        assert "is reducing" in await refused(someone, SELL, instrument, "1", "21")


async def test_no_order_on_its_way_in_survives_a_stop(mesh: Mesh) -> None:
    """Orders pour in from many callers while the switch is set: afterwards none is live, and none comes in."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        taken = asyncio.Event()
        done = False

        async def pour() -> None:
            while not done:
                try:
                    await someone.place(BUY, instrument, "1", "5")
                    taken.set()
                except grpc.aio.AioRpcError as error:
                    if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
                        raise

        for _ in range(3):
            taken.clear()
            pouring = [asyncio.create_task(pour()) for _ in range(8)]
            await taken.wait()
            await stop(someone, TRADING_STATE_HALTED)
            await eventually(lambda: live_orders(someone), lambda live: not live)
            done = True
            await asyncio.gather(*pouring)
            assert await live_orders(someone) == []
            done = False
            await resume(someone)


async def test_the_switch_over_rest(rest: httpx.AsyncClient, someone: Trader) -> None:
    """Set, felt with rule and reason, told, listed as an alert, resumed."""
    account, instrument = someone.account_id, await new_instrument(someone)
    placed = (await someone.rest.post("/api/v1/orders", json=order(account, instrument=instrument))).json()["order"]
    wanted = {"account_id": account, "state": "TRADING_STATE_HALTED", "text": "odd"}
    stopped = await someone.rest.post(f"{RISK}/emergency-stop", json=wanted)
    assert stopped.status_code == 200, stopped.text
    assert (stopped.json()["effective_state"], stopped.json()["canceled_orders"]) == ("TRADING_STATE_HALTED", 1)

    async def ask() -> str:
        return str((await rest.get(f"/api/v1/orders/{placed['order_id']}")).json()["order"]["order_status"])

    await eventually(ask, lambda status: status == "ORDER_STATUS_CANCELED")
    refusal = await someone.rest.post("/api/v1/orders", json=order(account, instrument=instrument))
    assert refusal.status_code == 400
    details = {each["@type"].rpartition(".")[2]: each for each in refusal.json()["details"]}
    assert details["ErrorInfo"]["reason"] == "TRADING_HALTED"
    assert details["RiskBreach"]["rule"] == "RISK_RULE_TRADING_HALTED"
    told = (await rest.get(f"{RISK}/trading-state", params={"account_id": account})).json()
    assert (told["account"]["state"], told["account"]["text"]) == ("TRADING_STATE_HALTED", "odd")
    assert told["firm"]["state"] == "TRADING_STATE_ACTIVE"

    async def alerts() -> list[Any]:
        kinds = {"account_id": account, "kinds": "RISK_ALERT_KIND_TRADING_STOPPED"}
        found: list[Any] = (await rest.get(f"{RISK}/alerts", params=kinds)).json()["alerts"]
        return [each for each in found if each["account_id"] == account]

    [alert] = await eventually(alerts, lambda found: len(found) == 1)
    assert (alert["trading_state"], alert["severity"]) == ("TRADING_STATE_HALTED", "RISK_ALERT_SEVERITY_CRITICAL")
    resumed = await rest.post(f"{RISK}/resume", json={"account_id": account})
    assert resumed.json()["effective_state"] == "TRADING_STATE_ACTIVE"
    assert (await someone.rest.post("/api/v1/orders", json=order(account, instrument=instrument))).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "status", "reason", "field"),
    [
        ("emergency-stop", {"state": "TRADING_STATE_HALTED"}, 400, "INVALID_FIELD", "scope"),
        ("emergency-stop", {"firm": False, "state": "TRADING_STATE_HALTED"}, 400, "INVALID_FIELD", "firm"),
        ("emergency-stop", {"account_id": "a b", "state": "TRADING_STATE_HALTED"}, 400, "INVALID_FIELD", "account_id"),
        ("emergency-stop", {"account_id": "demo"}, 400, "INVALID_FIELD", "state"),
        ("emergency-stop", {"account_id": "demo", "state": "TRADING_STATE_ACTIVE"}, 400, "INVALID_FIELD", "state"),
        ("emergency-stop", {"account_id": "demo", "state": "STOPPED"}, 400, "INVALID_FIELD", "state"),
        ("emergency-stop", {"acount_id": "demo", "state": "TRADING_STATE_HALTED"}, 400, "UNKNOWN_FIELD", "acount_id"),
        ("emergency-stop", {"account_id": "nobody", "state": "TRADING_STATE_HALTED"}, 403, "PERMISSION_DENIED", ""),
        ("resume", {}, 400, "INVALID_FIELD", "scope"),
        ("resume", {"account_id": "demo", "text": "x" * 501}, 400, "INVALID_FIELD", "text"),
        ("resume", {"account_id": "nobody"}, 403, "PERMISSION_DENIED", ""),
    ],
)
async def test_bad_input_stops_nothing(
    rest: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, reason: str, field: str
) -> None:
    """It is refused with its field, and everybody trades on."""
    answer = await rest.post(f"{RISK}/{path}", json=body)
    assert answer.status_code == status, answer.text
    details = {each["@type"].rpartition(".")[2]: each for each in answer.json()["details"]}
    assert details["ErrorInfo"]["reason"] == reason
    fields = [each["field"] for each in details.get("BadRequest", {}).get("field_violations", [])]
    assert fields == [field] * bool(field)
    told = (await rest.get(f"{RISK}/trading-state", params={"account_id": "demo"})).json()
    assert told["effective_state"] == "TRADING_STATE_ACTIVE"


async def test_both_scopes_at_once_stop_nothing(rest: httpx.AsyncClient) -> None:
    """An account and the firm in one request: whoever wrote that must say which."""
    body = {"account_id": "demo", "firm": True, "state": "TRADING_STATE_HALTED"}
    assert (await rest.post(f"{RISK}/emergency-stop", json=body)).status_code == 400
    assert (await rest.get(f"{RISK}/trading-state")).json()["effective_state"] == "TRADING_STATE_ACTIVE"


async def test_the_switch_by_the_command(mesh: Mesh) -> None:
    """`ordermesh risk`: whose is said always; the firm's reaches every account."""
    async with trader(mesh) as someone:
        instrument, desk = await new_instrument(someone), await operator(mesh)
        await someone.place(BUY, instrument, "1", "5")
        mine = ("--account", someone.account_id)
        assert (await ordermesh(someone.user, "risk", "stop")).code == 2
        stopped = await ordermesh(someone.user, "risk", "stop", *mine, "--reducing", "--text", "odd")
        assert stopped.out == f"{someone.account_id} is reducing\ncancel of 1 open order asked for\n"
        told = await ordermesh(someone.user, "risk", "state", "--json", *mine)
        assert told.json["account"]["state"] == "TRADING_STATE_REDUCING"
        assert "odd" in (await ordermesh(someone.user, "risk", "state", *mine)).out
        try:
            firm = await ordermesh(desk, "risk", "stop", "--firm", "--keep-orders")
            assert (firm.code, firm.out) == (0, "the firm is halted\n")
            placed = await ordermesh(someone.user, "order", "buy", instrument, "1", "--limit", "5", *mine)
            assert placed.code == 1
            assert placed.err.startswith("ordermesh: TRADING_HALTED: trading of the firm in simulation is halted; ")
            still = await ordermesh(desk, "risk", "resume", *mine)
            assert still.out == f"{someone.account_id} is active, but the firm is halted\n"
        finally:
            assert (await ordermesh(desk, "risk", "resume", "--firm")).out == "the firm is active\n"
        assert (await ordermesh(someone.user, "order", "buy", instrument, "1", "--limit", "5", *mine)).code == 0


@pytest.mark.faults
async def test_a_stop_outlives_both_services_and_reaches_the_one_that_was_away(tmp_path: Path) -> None:
    """Set while OrderService is dead, then RiskService is killed: orders end once both are back, and none comes in."""
    async with (
        running_mesh(tmp_path, ["gateway", "order", "risk", "broker", "portfolio", "marketdata"]) as mesh,
        trader(mesh) as someone,
    ):
        instrument = await new_instrument(someone)
        orders = [await answered(lambda: someone.place(BUY, instrument, "1", "5")) for _ in range(3)]
        for each in orders:
            await someone.reports.until(each.order_id, ORDER_STATUS_NEW)
        mesh.suspend("order")
        await stop(someone, TRADING_STATE_HALTED)
        await mesh.kill("order")
        await mesh.kill("risk")
        await mesh.until_serving("risk")
        await mesh.until_serving("order")
        await eventually(lambda: answered(lambda: live_orders(someone)), lambda live: not live)
        assert "halted" in await answered(lambda: refused_or_away(someone, instrument))
        await answered(lambda: resume(someone))
        await answered(lambda: someone.place(BUY, instrument, "1", "5"))


async def refused_or_away(someone: Trader, instrument: str) -> str:
    """Places an order that must be refused; raises while a part that it needs is away."""
    try:
        await someone.place(BUY, instrument, "1", "5")
    except grpc.aio.AioRpcError as error:
        if error.code() == grpc.StatusCode.UNAVAILABLE:
            raise
        return error.details() or ""
    raise AssertionError("the order was taken")
