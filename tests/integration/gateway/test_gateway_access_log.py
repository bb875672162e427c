"""The access log of a real Envoy."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import grpc
import pytest

from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import REFUSED_ACCOUNT, Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import ORDER
from tests.integration.gateway.conftest import Gateway


def line_of(gateway: Gateway, mark: str) -> dict[str, Any]:
    """The line that holds a mark."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        text = gateway.access_log.read_text(encoding="utf-8") if gateway.access_log.exists() else ""
        found[:] = [json.loads(line) for line in text.splitlines() if mark in line]
        return bool(found)

    blocking_eventually(there, f"a line with {mark}")
    return found[-1]


def test_a_line_says_who_what_and_how_it_went(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """With the trace that the service is told, though the caller named none."""
    user = uuid.uuid4().hex
    http_clients.post(
        f"{guarded.url}/api/v1/orders", json=ORDER, headers={"authorization": f"Bearer {signer.token(user)}"}
    )
    line = line_of(guarded, user)
    assert (line["user"], line["method"], line["path"], line["status"]) == (user, "POST", "/api/v1/orders", 200)
    assert (line["upstream"], line["address"]) == ("order", "127.0.0.1")
    assert re.fullmatch("[0-9a-f]{32}", line["trace"])
    [told] = upstream.seen.metadata[-1]["traceparent"]
    assert told.split("-")[1] == line["trace"]


def test_a_callers_trace_is_kept(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """In the log, and on to the service."""
    trace, user = uuid.uuid4().hex, uuid.uuid4().hex
    metadata = (("authorization", f"Bearer {signer.token(user)}"), ("traceparent", f"00-{trace}-{'1' * 16}-00"))
    with grpc.insecure_channel(guarded.address) as channel:
        stub = order_service_pb2_grpc.OrderServiceStub(channel)
        stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(), metadata=metadata)
    line = line_of(guarded, user)
    assert (line["trace"], line["grpc_status"]) == (trace, 0)
    assert upstream.seen.metadata[-1]["traceparent"][0].split("-")[1] == trace


def test_no_secret_is_in_it(guarded: Gateway, signer: Signer) -> None:
    """No token, good or bad, no query, no body."""
    secret, mark = f"secret{uuid.uuid4().hex}", uuid.uuid4().hex
    tokens = [signer.token(), f"bad{uuid.uuid4().hex}"]
    for token in tokens:
        headers = {"authorization": f"Bearer {token}"}
        http_clients.get(f"{guarded.url}/api/v1/orders", params={"page_token": secret}, headers=headers)
        http_clients.post(f"{guarded.url}/api/v1/orders", json={**ORDER, secret: secret}, headers=headers)
    http_clients.get(f"{guarded.url}/{mark}?access_token={secret}")
    assert line_of(guarded, mark)["path"] == f"/{mark}"
    text = guarded.access_log.read_text(encoding="utf-8")
    for hidden in (secret, *tokens, *(token.rpartition(".")[2] for token in tokens)):
        assert hidden not in text


def test_a_refused_grpc_call_has_its_status(guarded: Gateway, signer: Signer) -> None:
    """By the service, and by the gateway."""
    for token, account, code in ((signer.token(), REFUSED_ACCOUNT, 9), ("none", "demo", 16)):
        mark = uuid.uuid4().hex
        metadata = (("authorization", f"Bearer {token}"), ("traceparent", f"00-{mark}-{'1' * 16}-00"))
        with grpc.insecure_channel(guarded.address) as channel:
            stub = order_service_pb2_grpc.OrderServiceStub(channel)
            with pytest.raises(grpc.RpcError):
                stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(account_id=account), metadata=metadata)
        assert line_of(guarded, mark)["grpc_status"] == code


@pytest.mark.parametrize("case", ["good", "check", "service", "body", "route", "verb", "token", "large"])
def test_the_status_of_a_rest_call_is_that_of_its_body(guarded: Gateway, signer: Signer, case: str) -> None:
    """Where a service was asked; what the gateway refuses itself has the HTTP status alone."""
    mark, url = uuid.uuid4().hex, f"{guarded.url}/api/v1/orders"
    trace = f"00-{mark}-{'1' * 16}-00"
    headers = {"authorization": f"Bearer {signer.token()}", "traceparent": trace}
    match case:
        case "check":
            answer = http_clients.post(url, json={**ORDER, "unknown": 1}, headers=headers)
        case "service":
            answer = http_clients.post(url, json={**ORDER, "account_id": REFUSED_ACCOUNT}, headers=headers)
        case "body":
            answer = http_clients.post(url, content="{", headers={**headers, "content-type": "application/json"})
        case "route":
            answer = http_clients.get(f"{guarded.url}/nothing", headers=headers)
        case "verb":
            answer = http_clients.request("PATCH", url, headers=headers)
        case "token":
            answer = http_clients.get(url, headers={"traceparent": trace})
        case "large":
            answer = http_clients.post(url, json={**ORDER, "text": "x" * 2_000_000}, headers=headers)
        case _:
            answer = http_clients.post(url, json=ORDER, headers=headers)
    code = 0 if answer.status_code == 200 else answer.json()["code"]
    line = line_of(guarded, mark)
    assert line["status"] == answer.status_code
    # Of what no service was asked Envoy has no status of gRPC, and does not make one up.
    assert line.get("grpc_status") == (code if case in {"good", "service"} else None), answer.text
