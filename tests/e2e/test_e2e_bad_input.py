"""Bad input over gRPC and REST: the right kind of error, the field named, nothing changed."""

from __future__ import annotations

from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import json_format
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ordermesh.order.v1 import order_entry_pb2, order_query_pb2
from tests.e2e.test_e2e_rest import order
from tests.fixtures.trader import BUY, Trader

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

BAD_ORDERS = [
    ({"instrument": "NOBODY.XNAS"}, "UNKNOWN_INSTRUMENT", "instrument"),
    ({"instrument": "aapl"}, "INVALID_FIELD", "instrument"),
    ({"quantity": "0"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "-5"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "ten"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "1e3"}, "INVALID_FIELD", "quantity"),
    ({"quantity": "1.5"}, "QUANTITY_OFF_LOT", "quantity"),
    ({"quantity": "999999999"}, "QUANTITY_OUT_OF_RANGE", "quantity"),
    ({"limit_price": "0"}, "INVALID_FIELD", "limit_price"),
    ({"limit_price": "-1"}, "INVALID_FIELD", "limit_price"),
    ({"limit_price": "cheap"}, "INVALID_FIELD", "limit_price"),
    ({"limit_price": "300.001"}, "PRICE_OFF_TICK", "limit_price"),
    ({"limit_price": None}, "LIMIT_PRICE_MISMATCH", "limit_price"),
    ({"type": "ORDER_TYPE_MARKET"}, "LIMIT_PRICE_MISMATCH", "limit_price"),
    ({"type": "ORDER_TYPE_MARKET", "limit_price": None}, "TIME_IN_FORCE_MISMATCH", "time_in_force"),
    ({"type": "ORDER_TYPE_STOP", "limit_price": None}, "STOP_PRICE_MISMATCH", "stop_price"),
    ({"type": "ORDER_TYPE_STOP", "stop_price": "300"}, "LIMIT_PRICE_MISMATCH", "limit_price"),
    ({"stop_price": "300"}, "STOP_PRICE_MISMATCH", "stop_price"),
    ({"type": "ORDER_TYPE_STOP_LIMIT", "stop_price": "-1"}, "INVALID_FIELD", "stop_price"),
    ({"type": "ORDER_TYPE_STOP_LIMIT", "stop_price": "300.001"}, "PRICE_OFF_TICK", "stop_price"),
    ({"time_in_force": "TIME_IN_FORCE_GTD"}, "EXPIRE_AT_MISMATCH", "expire_at"),
    ({"expire_at": "2100-01-01T00:00:00Z"}, "EXPIRE_AT_MISMATCH", "expire_at"),
    ({"time_in_force": "TIME_IN_FORCE_GTD", "expire_at": "2001-01-01T00:00:00Z"}, "EXPIRE_AT_REACHED", "expire_at"),
    ({"time_in_force": "TIME_IN_FORCE_GTD", "expire_at": "2300-01-01T00:00:00Z"}, "INVALID_FIELD", "expire_at"),
    ({"time_in_force": "TIME_IN_FORCE_IOC", "post_only": True}, "POST_ONLY_MISMATCH", "post_only"),
    ({"display_quantity": "10"}, "DISPLAY_QUANTITY_MISMATCH", "display_quantity"),
    ({"display_quantity": "0"}, "INVALID_FIELD", "display_quantity"),
    ({"display_quantity": "1.5"}, "QUANTITY_OFF_LOT", "display_quantity"),
    ({"side": None}, "INVALID_FIELD", "side"),
    ({"time_in_force": None}, "INVALID_FIELD", "time_in_force"),
    ({"client_order_id": None}, "INVALID_FIELD", "client_order_id"),
    ({"client_order_id": "x" * 65}, "INVALID_FIELD", "client_order_id"),
    ({"account_id": None}, "INVALID_FIELD", "account_id"),
]

BAD_JSON: list[tuple[str, str, str]] = [
    ('{"client_order_id": ', "MALFORMED_JSON", ""),
    ("[]", "MALFORMED_JSON", ""),
    ('{"quantiti": "1"}', "UNKNOWN_FIELD", "quantiti"),
    ('{"side": "SIDE_UP"}', "INVALID_FIELD", "side"),
    ('{"side": 77}', "INVALID_FIELD", "side"),
    ('{"expire_at": "tomorrow"}', "INVALID_FIELD", "expire_at"),
    ('{"post_only": "yes"}', "INVALID_FIELD", "post_only"),
    ('{"quantity": {}}', "INVALID_FIELD", "quantity"),
]


def as_json(refused: grpc.aio.AioRpcError) -> dict[str, Any]:
    """Returns the status of a refused call as REST would tell it."""
    status = rpc_status.from_call(refused)
    assert status is not None
    # Reading the details needs their types to be loaded, whichever other tests run.
    assert error_details_pb2.ErrorInfo.DESCRIPTOR.full_name in {each.TypeName() for each in status.details}
    told: dict[str, Any] = json_format.MessageToDict(status, preserving_proto_field_name=True)
    return told


def reason_and_fields(body: dict[str, Any]) -> tuple[str, set[str]]:
    """Returns the reason of a Status body and the fields that it names."""
    reason, fields = "", set()
    for detail in body["details"]:
        reason = detail.get("reason", reason)
        fields |= {
            violation["field"] for violation in detail.get("field_violations", detail.get("fieldViolations", []))
        }
    return reason, fields


async def orders_of(rest: httpx.AsyncClient, account_id: str) -> list[Any]:
    """Returns the orders of an account."""
    listed: list[Any] = (await rest.get("/api/v1/orders", params={"account_id": account_id})).json()["orders"]
    return listed


@pytest.mark.parametrize(("changes", "reason", "field"), BAD_ORDERS)
async def test_a_bad_order_is_refused_over_rest(
    someone: Trader, changes: dict[str, Any], reason: str, field: str
) -> None:
    """Each bad field is an error of its kind that names it, and there is no order."""
    rest, account = someone.rest, someone.account_id
    answer = await rest.post("/api/v1/orders", json=order(account, **changes))
    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"].startswith("application/json")
    told, fields = reason_and_fields(answer.json())
    assert told == reason
    assert field in fields
    assert await orders_of(rest, account) == []


@pytest.mark.parametrize(("changes", "reason", "field"), BAD_ORDERS)
async def test_a_bad_order_is_refused_the_same_over_grpc(
    someone: Trader, changes: dict[str, Any], reason: str, field: str
) -> None:
    """GRPC tells the same code, reason and field as REST."""
    request = json_format.ParseDict(order(someone.account_id, **changes), order_entry_pb2.PlaceOrderRequest())
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await someone.orders.PlaceOrder(request)
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    told, fields = reason_and_fields(as_json(refused.value))
    assert told == reason
    assert field in fields


@pytest.mark.parametrize(("body", "reason", "field"), BAD_JSON)
async def test_bad_json_is_refused(someone: Trader, body: str, reason: str, field: str) -> None:
    """What is not JSON, or not the JSON of the request, is a 400 that says what and where."""
    answer = await someone.rest.post("/api/v1/orders", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    told, fields = reason_and_fields(answer.json())
    assert told == reason
    assert not field or field in fields


async def test_an_unknown_account_is_refused(someone: Trader) -> None:
    """An order for an account that does not exist is refused as one for another's is; nobody lists its orders."""
    request = someone.request(BUY, "MSFT.XNAS", "1", "300")
    request.account_id = "nobody-here"
    with pytest.raises(grpc.aio.AioRpcError, match="nobody-here") as refused:
        await someone.orders.PlaceOrder(request)
    assert reason_and_fields(as_json(refused.value))[0] == "PERMISSION_DENIED"
    for asks in (someone, someone.operator):
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await asks.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id="nobody-here"))
        assert reason_and_fields(as_json(refused.value))[0] == "PERMISSION_DENIED"


async def test_an_oversized_batch_is_refused_whole(someone: Trader) -> None:
    """501 orders in one request are too many; none is placed."""
    requests = [someone.request(BUY, "MSFT.XNAS", "1", "300") for _ in range(501)]
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await someone.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=requests))
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    listed = await someone.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=someone.account_id))
    assert not listed.orders


@pytest.mark.parametrize(
    ("path", "code", "reason"),
    [
        ("/api/v1/orders?account_id=demo&page_token=garbage", 400, "INVALID_PAGE_TOKEN"),
        ("/api/v1/orders?page_size=5000", 400, "INVALID_FIELD"),
        ("/api/v1/orders?page_size=many", 400, "INVALID_FIELD"),
        ("/api/v1/orders?colour=red", 400, "UNKNOWN_FIELD"),
        ("/api/v1/orders?status=ORDER_STATUS_LOST", 400, "INVALID_FIELD"),
        ("/api/v1/orders/not-an-id", 400, "INVALID_FIELD"),
        ("/api/v1/orders/01890000-0000-7000-8000-000000000000", 404, "UNKNOWN_ORDER"),
        ("/api/v1/trades/not-an-id", 400, "INVALID_FIELD"),
        ("/api/v1/trades/01890000-0000-7000-8000-000000000000", 404, "UNKNOWN_TRADE"),
        ("/api/v1/trades/summary", 400, "INVALID_FIELD"),
        ("/api/v1/orders?account_id=demo&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400, "INVALID_FIELD"),
        ("/api/v1/risk/alerts?account_id=demo&from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 400, "INVALID_FIELD"),
        ("/api/v1/market-data/NOBODY.XNAS", 404, "UNKNOWN_INSTRUMENT"),
        ("/api/v1/nothing/here", 404, "UNKNOWN_ROUTE"),
    ],
)
async def test_bad_queries_are_refused(rest: httpx.AsyncClient, path: str, code: int, reason: str) -> None:
    """A bad query is an error of its kind with a Status body."""
    answer = await rest.get(path)
    assert answer.status_code == code, answer.text
    assert reason_and_fields(answer.json())[0] == reason
