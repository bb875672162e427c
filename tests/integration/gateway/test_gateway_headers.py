"""Tricks with headers, at a real Envoy that wants tokens: none makes somebody else of a caller, or harms the next."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from gateway.cors import REQUEST_HEADERS
from gateway.filters import OF_THE_MESH
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.integration.gateway.answers import ORDER
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.written import only_answer, request

SERVICES = Path(__file__).resolve().parents[3] / "services"
INSIDE = {
    "x-ordermesh-passed-on": "1",
    "x-ordermesh-caller-address": "203.0.113.7",
    "x-envoy-original-path": "/.well-known/jwks.json",
    "x-envoy-original-method": "GET",
    "x-envoy-upstream-rq-timeout-ms": "1",
    "x-envoy-max-retries": "100",
    "x-envoy-retry-on": "5xx",
    "x-envoy-internal": "true",
    "x-envoy-decorator-operation": "x",
}
HEADERS: Final = (
    *("x-ordermesh-service-token: x", "x-ordermesh-passed-on: 1", "x-ordermesh-caller-address: 10.0.0.1"),
    *("x-ordermesh-account: demo", "x-ordermesh-user: admin", "x-forwarded-for: 127.0.0.1", "x-real-ip: 127.0.0.1"),
    *("x-envoy-original-path: /health", "x-envoy-original-method: GET", "x-envoy-internal: true"),
    *(
        "x-envoy-upstream-rq-timeout-ms: 1",
        "x-envoy-max-retries: 100",
        "x-envoy-retry-on: 5xx",
        "x-envoy-hedge-on-per-try-timeout: true",
    ),
    *("x-envoy-upstream-alt-stat-name: x", "x-envoy-decorator-operation: x", "x-envoy-force-trace: 1"),
    *("x-http-method-override: GET", "x-method-override: GET", "x-http-method: GET", "x-original-url: /health"),
    *(
        "x-rewrite-url: /health",
        "x-forwarded-host: evil.example",
        "x-forwarded-proto: gopher",
        "forwarded: for=127.0.0.1",
    ),
    *("host: evil.example", "x-forwarded-client-cert: By=spiffe://ordermesh/order", "x-jwt-payload: e30"),
    *(
        "authorization: Bearer",
        "authorization: Basic YWRtaW46YWRtaW4=",
        "cookie: token=x",
        "te: trailers",
        "te: gzip;q=1",
    ),
    *(
        "expect: 100-continue",
        "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: AAMAAABkAAQAAP__",
    ),
    "upgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAA=",
    *("range: bytes=0-10", "if-none-match: *", "accept-encoding: gzip, identity;q=0", "accept: application/xml"),
    *(
        "x-request-id: ' or 1=1",
        "traceparent: 00-zz",
        "traceparent: " + "0" * 4_000,
        "x-b: \u00ff\u00fe",
        "x-\u00e9: 1",
    ),
    *("grpc-timeout: 99999999H", "grpc-timeout: -1S", "grpc-timeout: x", "grpc-encoding: gzip"),
    *(
        "grpc-timeout: 1\xb2S",
        "grpc-encoding: x",
        "grpc-status: x",
        "grpc-previous-rpc-attempts: x",
        "grpc-trace-bin: !",
    ),
    *("x-bin: !", "x-bin: AA,!", "grpc-retry-pushback-ms: x", "grpc-internal-encoding-request: x", "lb-cost-bin: !"),
    *("content-length: 0", "content-type: application/grpc-web-text", "content-type: text/plain", "x: " + "a" * 50_000),
)


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: header[:40])
def test_no_header_makes_somebody_else_of_a_caller(
    guarded: Gateway, signer: Signer, upstream: Upstream, header: str
) -> None:
    """Those of the mesh and of Envoy, overrides, upgrades: without a token refused, with one no fault to anybody."""
    before = len(upstream.seen.requests)
    status, refused = only_answer(guarded, request("GET /api/v1/orders", header))
    # gRPC tells it in its own words, with 200.
    assert 400 <= status < 500 or b"grpc-status: 12" in refused, refused
    assert len(upstream.seen.requests) == before
    token = signer.token()
    status, answer = only_answer(guarded, request("GET /api/v1/orders", header, token=token))
    assert status < 500, answer
    # Calls that come next on the same connection to the service are served as if nothing had been.
    shown = {"authorization": f"Bearer {token}"}
    assert [http_clients.get(f"{guarded.url}/api/v1/orders", headers=shown).status_code for _ in range(3)] == [200] * 3


def test_what_is_told_inside_is_taken_out(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """What callers write in its place reaches no service; where they are, the gateway says."""
    headers = {"authorization": f"Bearer {signer.token()}", "x-forwarded-for": "203.0.113.7", **INSIDE}
    answer = http_clients.post(f"{guarded.url}/api/v1/orders", json=ORDER, headers=headers)
    assert answer.status_code == 200, answer.text
    seen = upstream.seen.metadata[-1]
    assert seen["x-ordermesh-caller-address"] == ["127.0.0.1"]
    for name, value in INSIDE.items():
        assert value not in seen.get(name, []), name


def test_all_that_services_read_is_known_here() -> None:
    """A header of the mesh is either taken out here, or one that callers may send."""
    named = {
        name
        for file in SERVICES.rglob("*.py")
        for name in re.findall(r'"(x-ordermesh-[a-z-]+)"', file.read_text(encoding="utf-8"))
    }
    assert named >= set(OF_THE_MESH)
    assert named - set(OF_THE_MESH) <= set(REQUEST_HEADERS)


@pytest.mark.parametrize(
    "name",
    ["x-http-method-override", "x-http-method", "x-method-override", "x-original-method", "x-envoy-original-method"],
)
def test_a_method_is_what_the_request_line_says(
    guarded: Gateway, signer: Signer, upstream: Upstream, name: str
) -> None:
    """No header makes a read a change, or the other way round."""
    shown = {"authorization": f"Bearer {signer.token()}", name: "DELETE"}
    assert http_clients.get(f"{guarded.url}/api/v1/orders/some-id", headers=shown).status_code == 200
    assert type(upstream.seen.requests[-1]).__name__ == "GetOrderRequest"


def test_two_tokens_give_no_more_than_one(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """A bad one beside a good one: the service is not shown what the gateway has not looked at first."""
    good = signer.token()
    before = len(upstream.seen.requests)
    for tokens in (["nonsense", "nonsense"], ["nonsense", good]):
        shown = [("authorization", f"Bearer {token}") for token in tokens]
        assert http_clients.get(f"{guarded.url}/api/v1/orders", headers=shown).status_code == 401, tokens
    assert len(upstream.seen.requests) == before
