"""REST through a real Envoy: what is passed on, and how failures of services are told."""

from __future__ import annotations

import httpx
import pytest

from ordermesh.order.v1 import order_entry_pb2, order_query_pb2
from ordermesh.type.v1 import trading_pb2
from tests.fakes.gateway_upstream import REFUSED_ACCOUNT, Upstream
from tests.integration.gateway.answers import ORDER, detail, reason


def test_an_order_is_placed_as_it_was_sent(http: httpx.Client, upstream: Upstream) -> None:
    """A JSON body reaches the service as the contract's message; the answer comes back with the contract's names."""
    answer = http.post("/api/v1/orders", json=ORDER)

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["order"]["client_order_id"] == "first"
    assert answer.json()["order"]["order_status"] == "ORDER_STATUS_PENDING_NEW"
    assert upstream.seen.requests[-1] == order_entry_pb2.PlaceOrderRequest(
        client_order_id="first",
        account_id="demo",
        instrument="AAPL.XNAS",
        side=trading_pb2.SIDE_BUY,
        type=trading_pb2.ORDER_TYPE_LIMIT,
        time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
        quantity="100",
        limit_price="187.25",
    )


def test_zeros_and_empty_lists_are_told(http: httpx.Client) -> None:
    """An answer holds fields at their zero value, so that no reader need know defaults; wide integers are strings."""
    order = http.post("/api/v1/orders", json=ORDER).json()["order"]

    assert order["cumulative_quantity"] == ""
    assert order["version"] == 0
    assert order["sequence"] == "0"
    assert http.get("/api/v1/orders").json()["orders"] == []


def test_names_may_be_camel_case(http: httpx.Client, upstream: Upstream) -> None:
    """Both JSON names of a field are taken, in bodies and in queries."""
    sent = {"clientOrderId": "camel", "accountId": "demo", "limitPrice": "1", "time_in_force": "TIME_IN_FORCE_DAY"}

    assert http.post("/api/v1/orders", json=sent).status_code == 200
    assert http.get("/api/v1/orders", params={"accountId": "demo", "page_size": 5}).status_code == 200
    assert upstream.seen.requests[-2:] == [
        order_entry_pb2.PlaceOrderRequest(
            client_order_id="camel", account_id="demo", limit_price="1", time_in_force=trading_pb2.TIME_IN_FORCE_DAY
        ),
        order_query_pb2.ListOrdersRequest(account_id="demo", page_size=5),
    ]


@pytest.mark.parametrize("zone", ["Z", "+05:30"])
def test_query_parameters_of_every_kind_arrive(http: httpx.Client, upstream: Upstream, zone: str) -> None:
    """Strings, numbers, lists of enums and times are read from the query."""
    answer = http.get(f"/api/v1/orders?status=ORDER_STATUS_NEW&status=4&from=2026-01-31T09:30:00{zone}")

    assert answer.status_code == 200, answer.text
    request = upstream.seen.requests[-1]
    assert isinstance(request, order_query_pb2.ListOrdersRequest)
    assert list(request.status) == [2, 4]
    assert getattr(request, "from").seconds == (1769851800 if zone == "Z" else 1769832000)


def test_path_fields_arrive(http: httpx.Client, upstream: Upstream) -> None:
    """What the path names is the request's field, whether the method has a body or not."""
    for answer in (
        http.get("/api/v1/orders/some-id"),
        http.delete("/api/v1/orders/some-id"),
        http.post("/api/v1/orders/some-id/cancel", json={}),
        http.post("/api/v1/orders/some-id/cancel"),
    ):
        assert answer.status_code == 200
        assert answer.json()["order"]["order_id"] == "some-id"
    assert upstream.seen.requests[-1] == order_entry_pb2.CancelOrderRequest(order_id="some-id")


def test_a_custom_verb_is_a_route_of_its_own(http: httpx.Client) -> None:
    """`orders:batch` is not an order of that name."""
    answer = http.post("/api/v1/orders:batch", json={"orders": [ORDER, {**ORDER, "client_order_id": "second"}]})

    assert [result["order"]["client_order_id"] for result in answer.json()["results"]] == ["first", "second"]


def test_failures_of_a_service_keep_their_details(http: httpx.Client) -> None:
    """A refused order answers with the HTTP status of its code, and a `google.rpc.Status` with all details."""
    answer = http.post("/api/v1/orders", json={**ORDER, "account_id": REFUSED_ACCOUNT})

    assert answer.status_code == 400
    assert answer.json()["code"] == 9
    assert reason(answer) == "RISK_LIMIT_EXCEEDED"
    breach = detail(answer, "ordermesh.type.v1.RiskBreach")
    assert breach is not None
    assert (breach["limit"], breach["observed"]) == ("10", "11")


def test_answers_tell_nothing_of_the_inside(http: httpx.Client) -> None:
    """No header names the proxy's way to the service."""
    headers = http.get("/api/v1/orders").headers

    assert headers["server"] == "ordermesh"
    assert not [name for name in headers if name.startswith(("x-envoy", "grpc-accept"))]
    assert headers["x-request-id"]
