"""The access log of a real Envoy."""

from __future__ import annotations

import json
import re
import uuid
from typing import Any

import grpc
import httpx

from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.integration.gateway.answers import ORDER
from tests.integration.gateway.conftest import Gateway, until


def line_of(gateway: Gateway, mark: str) -> dict[str, Any]:
    """The line that holds a mark."""
    found: list[dict[str, Any]] = []

    def there() -> bool:
        text = gateway.access_log.read_text(encoding="utf-8") if gateway.access_log.exists() else ""
        found[:] = [json.loads(line) for line in text.splitlines() if mark in line]
        return bool(found)

    until(there, f"a line with {mark}")
    return found[-1]


def test_a_line_says_who_what_and_how_it_went(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """With the trace that the service is told, though the caller named none."""
    user = uuid.uuid4().hex
    httpx.post(f"{guarded.url}/api/v1/orders", json=ORDER, headers={"authorization": f"Bearer {signer.token(user)}"})
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
    assert (line["trace"], line["grpc_status"]) == (trace, "OK")
    assert upstream.seen.metadata[-1]["traceparent"][0].split("-")[1] == trace


def test_no_secret_is_in_it(guarded: Gateway, signer: Signer) -> None:
    """No token, good or bad, no query, no body."""
    secret, mark = f"secret{uuid.uuid4().hex}", uuid.uuid4().hex
    tokens = [signer.token(), f"bad{uuid.uuid4().hex}"]
    for token in tokens:
        headers = {"authorization": f"Bearer {token}"}
        httpx.get(f"{guarded.url}/api/v1/orders", params={"page_token": secret}, headers=headers)
        httpx.post(f"{guarded.url}/api/v1/orders", json={**ORDER, secret: secret}, headers=headers)
    httpx.get(f"{guarded.url}/{mark}?access_token={secret}")
    assert line_of(guarded, mark)["path"] == f"/{mark}"
    text = guarded.access_log.read_text(encoding="utf-8")
    for hidden in (secret, *tokens, *(token.rpartition(".")[2] for token in tokens)):
        assert hidden not in text
