"""PreviewOrder on the whole mesh, over gRPC and REST: what it foretells happens, and looking changes nothing."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import grpc
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.broker.v1.broker_connection_pb2 import CONNECTION_STATE_UP
from ordermesh.order.v1 import order_entry_pb2, order_preview_pb2, order_query_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_NEW, ORDER_STATUS_PENDING_NEW
from ordermesh.portfolio.v1 import position_query_pb2
from ordermesh.risk.v1 import risk_parameters_pb2, risk_service_pb2
from services.mesh.status import from_status
from tests.fixtures.trader import BUY, GTC, IOC, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def preview(someone: Trader, order: order_entry_pb2.PlaceOrderRequest) -> order_preview_pb2.PreviewOrderResponse:
    """Previews an order."""
    return await someone.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=order))


async def offered(seller: Trader) -> str:
    """Makes an instrument with 10 offered at 20 and 10 at 21, and a bid of 1 at 19; returns its name."""
    instrument = await new_instrument(seller)
    for side, quantity, price in ((SELL, "10", "20"), (SELL, "10", "21"), (BUY, "1", "19")):
        order = await seller.place(side, instrument, quantity, price)
        await seller.reports.until(order.order_id, ORDER_STATUS_NEW)

    async def ask() -> order_preview_pb2.PreviewOrderResponse:
        return await preview(seller, seller.request(BUY, instrument, "20", "21", time_in_force=GTC))

    await eventually(ask, lambda told: told.cost_estimate.fill_quantity == "20" and bool(told.cost_estimate.bid_price))
    return instrument


async def state(someone: Trader) -> tuple[object, ...]:
    """Returns what a preview must not change: orders and log, open quantities and reservations, positions."""
    orders = await someone.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=someone.account_id))
    metrics = await someone.risk.GetRiskMetrics(risk_service_pb2.GetRiskMetricsRequest(account_id=someone.account_id))
    alerts = await someone.risk.ListAlerts(risk_service_pb2.ListAlertsRequest(account_id=someone.account_id))
    positions = await someone.portfolio.ListPositions(
        position_query_pb2.ListPositionsRequest(account_id=someone.account_id, include_closed=True)
    )
    return (orders.as_of, list(orders.orders), metrics, list(alerts.alerts), list(positions.positions))


async def test_what_it_foretells_happens(mesh: Mesh) -> None:
    """The fill, its average price and what is left are those of the order that is placed then."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        order = buyer.request(BUY, instrument, "25")
        told = await preview(buyer, order)
        assert told.result.order.order_status == ORDER_STATUS_PENDING_NEW
        assert told.client_order_id_free
        assert told.risk_decision.accepted
        assert (told.route.connection_id, told.route.state, told.route.supported) == (
            "simulation",
            CONNECTION_STATE_UP,
            True,
        )
        cost = told.cost_estimate
        assert (cost.fill_quantity, cost.remaining_quantity, cost.remaining_rests) == ("20", "5", False)
        assert (cost.average_price, cost.worst_price, cost.notional) == ("20.5", "21", "410")
        assert (cost.mid_price, cost.spread_cost, cost.slippage) == ("19.5", "10", "20")
        placed = (await buyer.orders.PlaceOrder(order)).order
        ended = await buyer.reports.until(placed.order_id, ORDER_STATUS_CANCELED)
        assert (ended.cumulative_quantity, ended.average_price) == (cost.fill_quantity, cost.average_price)
        taken = await preview(buyer, order)
        assert (taken.client_order_id_free, taken.result.order.order_id) == (False, placed.order_id)


async def test_looking_changes_nothing(mesh: Mesh) -> None:
    """Log, exposure, alerts and positions are the same after previews that would be accepted and refused."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        await buyer.place(BUY, instrument, "2", "20", time_in_force=IOC)
        await buyer.position(instrument, trades=1)
        limits = risk_parameters_pb2.RiskParameters(
            account_id=buyer.account_id, max_order_size="50", circuit_breaker_refusals=2
        )
        await buyer.operator.risk.UpdateRiskParameters(risk_service_pb2.UpdateRiskParametersRequest(parameters=limits))

        async def before_and_after() -> list[tuple[object, ...]]:
            before = await state(buyer)
            for quantity in ("5", "60", "70", "80", "0.5"):
                told = await preview(buyer, buyer.request(BUY, instrument, quantity, "21"))
                assert told.risk_decision.accepted == (quantity == "5")
            return [before, await state(buyer)]

        # What went before may still be on its way into the log and from there to risk.
        await eventually(before_and_after, lambda states: states[0] == states[1])


async def test_own_orders_in_the_way(mesh: Mesh) -> None:
    """The seller's own offers are told: the venue would cancel what meets them."""
    async with trader(mesh) as seller:
        instrument = await offered(seller)
        told = await preview(seller, seller.request(BUY, instrument, "15", "21"))
        assert told.cost_estimate.own_opposite_quantity == "20"


async def test_over_rest(mesh: Mesh) -> None:
    """The order stands under `order`; errors that PlaceOrder would give are told in the answer."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        order = body(buyer, instrument)
        told = (await buyer.rest.post("/api/v1/orders:preview", json={"order": order})).json()
        assert told["result"]["order"]["order_status"] == "ORDER_STATUS_PENDING_NEW"
        assert (told["client_order_id_free"], told["risk_decision"]["accepted"]) == (True, True)
        assert Decimal(told["cost_estimate"]["notional"]) == Decimal(100)
        assert told["route"]["state"] == "CONNECTION_STATE_UP"
        off = (
            await buyer.rest.post("/api/v1/orders:preview", json={"order": {**order, "limit_price": "1.001"}})
        ).json()
        reasons = [detail.get("reason") for detail in off["result"]["error"]["details"]]
        assert reasons[0] == "PRICE_OFF_TICK"
        nobody = {**order, "account_id": f"n-{uuid.uuid4().hex[:8]}"}
        unknown = await buyer.rest.post("/api/v1/orders:preview", json={"order": nobody})
        assert (unknown.status_code, unknown.json()["details"][0]["reason"]) == (403, "PERMISSION_DENIED")
        listed = (await buyer.rest.get("/api/v1/orders", params={"account_id": buyer.account_id})).json()
        assert listed["orders"] == []


@pytest.mark.parametrize(
    ("change", "reason", "field"),
    [
        ({"quantity": "-5"}, "INVALID_FIELD", "order.quantity"),
        ({"quantity": "1e3"}, "INVALID_FIELD", "order.quantity"),
        ({"side": "SIDE_UNSPECIFIED"}, "INVALID_FIELD", "order.side"),
        ({"side": "BUY"}, "INVALID_FIELD", "order.side"),
        ({"account_id": ""}, "INVALID_FIELD", "order.account_id"),
        ({"limit_prize": "5"}, "UNKNOWN_FIELD", "order.limit_prize"),
    ],
)
async def test_bad_input_over_rest(someone: Trader, change: dict[str, Any], reason: str, field: str) -> None:
    """400 with the reason and the path of the field."""
    answer = await someone.rest.post("/api/v1/orders:preview", json={"order": body(someone, "AAPL.XNAS") | change})
    assert answer.status_code == 400
    details = answer.json()["details"]
    assert details[0]["reason"] == reason
    assert [v["field"] for v in details[1]["field_violations"]] == [field]


async def test_without_an_order(someone: Trader) -> None:
    """An order must be given, over either way."""
    assert (await someone.rest.post("/api/v1/orders:preview", json={})).status_code == 400
    assert (await someone.rest.get("/api/v1/orders:preview")).status_code in {404, 405}
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await someone.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest())
    assert caught.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    wrong = someone.request(BUY, "NONE.XNAS", "1", "1")
    assert from_status((await preview(someone, wrong)).result.error).reason == "UNKNOWN_INSTRUMENT"


def body(someone: Trader, instrument: str) -> dict[str, Any]:
    """Returns the JSON of a limit order for 5 at 20."""
    return {
        "client_order_id": uuid.uuid4().hex,
        "account_id": someone.account_id,
        "instrument": instrument,
        "side": "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "quantity": "5",
        "limit_price": "20",
    }
