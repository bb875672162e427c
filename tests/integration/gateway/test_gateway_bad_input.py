"""Bad REST requests: each refused before it reaches a service, with a status that names what is wrong."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.fakes.gateway_upstream import Upstream
from tests.integration.gateway.answers import ORDER, fields, reason

JSON = {"content-type": "application/json"}

# Body of POST /api/v1/orders, reason, fields named.
BAD_BODIES: list[tuple[str | bytes, str, list[str]]] = [
    (json.dumps({**ORDER, "quantiti": "1"}), "UNKNOWN_FIELD", ["quantiti"]),
    (json.dumps({**ORDER, "qüantity": "1"}), "UNKNOWN_FIELD", ["qüantity"]),
    (json.dumps({**ORDER, "client_order_id": 5}), "INVALID_FIELD", ["client_order_id"]),
    (json.dumps({**ORDER, "quantity": 100}), "INVALID_FIELD", ["quantity"]),
    (json.dumps({**ORDER, "quantity": {"value": "1"}}), "INVALID_FIELD", ["quantity"]),
    (json.dumps({**ORDER, "quantity": ["1"]}), "INVALID_FIELD", ["quantity"]),
    (json.dumps({**ORDER, "side": "SIDE_BYE"}), "INVALID_FIELD", ["side"]),
    (json.dumps({**ORDER, "side": "side_buy"}), "INVALID_FIELD", ["side"]),
    (json.dumps({**ORDER, "side": 9}), "INVALID_FIELD", ["side"]),
    (json.dumps({**ORDER, "side": True}), "INVALID_FIELD", ["side"]),
    (json.dumps({**ORDER, "side": {}}), "INVALID_FIELD", ["side"]),
    ('{"side":"SIDE_BUY","side":"SIDE_SELL"}', "MALFORMED_JSON", []),
    ('{"account_id":"a","accountId":"b"}', "MALFORMED_JSON", ["account_id"]),
    ("[]", "MALFORMED_JSON", []),
    ("null", "MALFORMED_JSON", []),
    ("nonsense", "MALFORMED_JSON", []),
    ('{"client_order_id":', "MALFORMED_JSON", []),
    ('{"client_order_id":"a"', "MALFORMED_JSON", []),
    ('{"client_order_id":"a",}', "MALFORMED_JSON", []),
    ("{'client_order_id':'a'}", "MALFORMED_JSON", []),
    ('{"client_order_id":"a"} x', "MALFORMED_JSON", []),
    ('{"client_order_id":"a\nb"}', "MALFORMED_JSON", []),
    (r'{"client_order_id":"\x"}', "MALFORMED_JSON", []),
    (r'{"client_order_id":"\ud800"}', "MALFORMED_JSON", []),
    (r'{"client_order_id":"\u12"}', "MALFORMED_JSON", []),
    ('{"side":01}', "MALFORMED_JSON", []),
    ('{"side":1.}', "MALFORMED_JSON", []),
    ('{"side":-}', "MALFORMED_JSON", []),
    ('{"side":NaN}', "MALFORMED_JSON", []),
    (b'{"client_order_id":"\xff\xfe"}', "MALFORMED_JSON", []),
    (b'{"client_order_id":"\xc0\x80"}', "MALFORMED_JSON", []),
    (b'{"client_order_id":"\xed\xa0\x80"}', "MALFORMED_JSON", []),
    ("[" * 100_000, "MALFORMED_JSON", []),
    ("\ufeff{}", "MALFORMED_JSON", []),
]


@pytest.mark.parametrize(("body", "why", "named"), BAD_BODIES, ids=lambda value: str(value)[:40])
def test_a_bad_body_is_refused(
    http: httpx.Client, upstream: Upstream, body: str | bytes, why: str, named: list[str]
) -> None:
    """Unknown fields, wrong kinds and broken JSON are 400 with the reason and the field, and reach no service."""
    before = len(upstream.seen.requests)
    answer = http.post("/api/v1/orders", content=body, headers=JSON)

    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == 3
    assert reason(answer) == why
    assert fields(answer) == named
    assert len(upstream.seen.requests) == before


@pytest.mark.parametrize(
    ("path", "sent", "why", "named"),
    [
        ("/api/v1/orders:batch", {"orders": [ORDER, {**ORDER, "qty": "1"}]}, "UNKNOWN_FIELD", ["orders[1].qty"]),
        ("/api/v1/orders:batch", {"orders": [{**ORDER, "side": "BUY"}]}, "INVALID_FIELD", ["orders[0].side"]),
        ("/api/v1/orders:batch", {"orders": [None]}, "INVALID_FIELD", ["orders[0]"]),
        ("/api/v1/orders:batch", {"orders": ORDER}, "INVALID_FIELD", ["orders"]),
        ("/api/v1/orders:batch", {"orders": ["first"]}, "INVALID_FIELD", ["orders[0]"]),
        ("/api/v1/orders/some-id/cancel", {"order_id": "other"}, "INVALID_FIELD", ["order_id"]),
        ("/api/v1/orders/some-id/cancel", {"force": True}, "UNKNOWN_FIELD", ["force"]),
    ],
)
def test_nested_and_bound_fields_are_checked(
    http: httpx.Client, path: str, sent: Any, why: str, named: list[str]
) -> None:
    """Fields inside lists and messages are named by their path; a field of the path cannot come in the body too."""
    answer = http.post(path, json=sent)

    assert answer.status_code == 400, answer.text
    assert (reason(answer), fields(answer)) == (why, named)


@pytest.mark.parametrize(
    ("path", "why", "named"),
    [
        ("/api/v1/orders?bogus=1", "UNKNOWN_FIELD", ["bogus"]),
        ("/api/v1/orders?page_size=x", "INVALID_FIELD", ["page_size"]),
        ("/api/v1/orders?page_size=-1", "INVALID_FIELD", ["page_size"]),
        ("/api/v1/orders?page_size=4294967296", "INVALID_FIELD", ["page_size"]),
        ("/api/v1/orders?page_size=", "INVALID_FIELD", ["page_size"]),
        ("/api/v1/orders?page_size=1&page_size=2", "INVALID_FIELD", ["page_size"]),
        ("/api/v1/orders?status=OPEN", "INVALID_FIELD", ["status"]),
        ("/api/v1/orders?from=yesterday", "INVALID_FIELD", ["from"]),
        ("/api/v1/orders?from=2026-02-30T00:00:00Z", "INVALID_FIELD", ["from"]),
        ("/api/v1/orders?from.seconds=5", "UNKNOWN_FIELD", ["from.seconds"]),
        ("/api/v1/orders?account_id=%ff", "INVALID_FIELD", ["account_id"]),
        ("/api/v1/orders?account_id=%zz", "INVALID_FIELD", ["account_id"]),
        ("/api/v1/orders?%ff=1", "INVALID_FIELD", []),
        ("/api/v1/orders/some-id?order_id=other", "UNKNOWN_FIELD", ["order_id"]),
        ("/api/v1/orders/%ff", "INVALID_FIELD", ["order_id"]),
        ("/api/v1/stream/orders?account_id=demo&heartbeat_interval=5", "INVALID_FIELD", ["heartbeat_interval"]),
    ],
)
def test_a_bad_query_or_path_is_refused(http: httpx.Client, path: str, why: str, named: list[str]) -> None:
    """A parameter that the request does not have, or a value of the wrong kind, is 400 and names the parameter."""
    answer = http.get(path)

    assert answer.status_code == 400, answer.text
    assert (reason(answer), fields(answer)) == (why, named)


@pytest.mark.parametrize(
    ("sent", "why", "named"),
    [
        ({"max_order_sice": "5"}, "UNKNOWN_FIELD", ["parameters.max_order_sice"]),
        ({"max_daily_trades": -1}, "INVALID_FIELD", ["parameters.max_daily_trades"]),
    ],
)
def test_a_body_that_is_one_field_is_named_as_such(http: httpx.Client, sent: Any, why: str, named: list[str]) -> None:
    """Where the body is one field of the request, paths begin with it, as the service's own errors do."""
    answer = http.put("/api/v1/risk/parameters", json=sent)

    assert answer.status_code == 400, answer.text
    assert (reason(answer), fields(answer)) == (why, named)


def test_a_request_with_a_body_takes_no_query(http: httpx.Client) -> None:
    """Where the body holds the whole request, a query would be lost without a word; it is refused."""
    answer = http.post("/api/v1/orders?account_id=demo", json=ORDER)

    assert answer.status_code == 400
    assert (reason(answer), fields(answer)) == ("UNKNOWN_FIELD", ["account_id"])


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "text/plain", "application/jsonp", ""])
def test_another_content_type_is_refused(http: httpx.Client, content_type: str) -> None:
    """A body that does not say it is JSON is 415."""
    answer = http.post("/api/v1/orders", content=json.dumps(ORDER), headers={"content-type": content_type})

    assert answer.status_code == 415
    assert reason(answer) == "MALFORMED_JSON"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_json_is_taken_however_it_is_named(http: httpx.Client, content_type: str) -> None:
    """Parameters and letter case of the content type make no difference."""
    answer = http.post("/api/v1/orders", content=json.dumps(ORDER), headers={"content-type": content_type})

    assert answer.status_code == 200


def test_a_body_where_none_belongs_is_refused(http: httpx.Client) -> None:
    """A DELETE with a body is refused: the transcoder would ignore what it says."""
    answer = http.request("DELETE", "/api/v1/orders/some-id", json={"force": True})

    assert answer.status_code == 400
    assert reason(answer) == "MALFORMED_JSON"


def test_a_body_that_is_too_large_is_refused(http: httpx.Client) -> None:
    """More than the gateway takes is 413."""
    answer = http.post("/api/v1/orders", content=b"{" + b" " * (2 << 20) + b"}", headers=JSON)

    assert answer.status_code == 413
    assert reason(answer) == "BATCH_TOO_LARGE"


def test_long_names_are_told_back_shortened(http: httpx.Client) -> None:
    """An error does not repeat pages of input, nor cut a character in two."""
    answer = http.post("/api/v1/orders", json={"ü" * 10_000: 1})

    assert reason(answer) == "UNKNOWN_FIELD"
    assert len(fields(answer)[0]) < 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/api/v1/nothing", 404),
        ("GET", "/api/v1/orders/", 404),
        ("POST", "/api/v1/orders:nothing", 404),
        ("GET", "/api/v1/orders/a%2Fb", 400),
        ("PUT", "/api/v1/orders", 405),
        ("OPTIONS", "/api/v1/orders", 405),
        ("POST", "/health", 405),
        ("POST", "/ordermesh.order.v1.OrderService/PlaceOrder", 404),
        ("POST", "/ordermesh.risk.v1.ReservationService/Reserve", 404),
        ("GET", "/../etc/passwd", 404),
    ],
)
def test_unknown_routes_are_told_as_status(http: httpx.Client, method: str, path: str, status: int) -> None:
    """Paths and methods that are not there answer with a status, too."""
    answer = http.request(method, path)

    assert answer.status_code == status
    assert reason(answer) in {"UNKNOWN_ROUTE", "MALFORMED_JSON"}


def test_a_wrong_method_is_told_which_there_are(http: httpx.Client) -> None:
    """405 lists the methods of the path."""
    assert http.put("/api/v1/orders").headers["allow"] == "GET, POST"
    assert http.patch("/api/v1/orders/some-id").headers["allow"] == "DELETE, GET, PUT"
