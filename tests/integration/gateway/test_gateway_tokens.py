"""Access tokens at a real Envoy: what is refused, how that is told, and that nothing is let in without keys."""

from __future__ import annotations

import base64
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ordermesh.identity.v1 import authentication_pb2, identity_service_pb2_grpc
from ordermesh.order.v1 import order_entry_pb2, order_query_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.fixtures.bad_tokens import bad_tokens
from tests.fixtures.waiting import blocking_eventually
from tests.fixtures.ways import bearer
from tests.integration.gateway.answers import ORDER, detail, reason
from tests.integration.gateway.conftest import Gateway, settings_for

RUSH = 700
MOST_ASKING = 6
"""Connections by which callers ask, one by which Envoy itself does, and one that is being given up."""
PLACE_ORDER = "/ordermesh.order.v1.OrderService/PlaceOrder"
FOR_SERVICES = {
    *("ended just now", "without a time of issue", "of another type", "with a head that must be understood"),
}
"""What Envoy does not look at, or allows a minute for: services, which are shown the token, refuse it."""


def refused_here(signer: Signer) -> dict[str, str]:
    """Tokens that the gateway refuses, by what is wrong with them."""
    return {name: token for name, token in bad_tokens(signer.tokens()).items() if name not in FOR_SERVICES}


def test_a_good_token_is_passed_on(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """The service gets it too, whatever the scheme's case, and has the last word."""
    token = signer.token()
    for shown in (f"Bearer {token}", f"bearer {token}"):
        answer = http_clients.post(f"{guarded.url}/api/v1/orders", json=ORDER, headers={"authorization": shown})
        assert answer.status_code == 200, answer.text
        assert upstream.seen.metadata[-1]["authorization"] == [shown]


def test_rest_without_a_good_token_is_401(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """Whatever is wrong, the same answer in words for programs, and the service hears nothing."""
    before = len(upstream.seen.requests)
    shown = {name: bearer(token) for name, token in refused_here(signer).items()}
    shown |= {"none": {}, "basic": {"authorization": "Basic YTpi"}, "bare": {"authorization": signer.token()}}
    for name, headers in shown.items():
        answer = http_clients.post(f"{guarded.url}/api/v1/orders", json=ORDER, headers=headers)
        assert answer.status_code == 401, name
        assert (answer.json()["code"], reason(answer)) == (16, "INVALID_TOKEN"), name
        assert answer.headers["www-authenticate"].startswith("Bearer"), name
    assert len(upstream.seen.requests) == before


def test_a_token_in_the_query_is_none(guarded: Gateway, signer: Signer) -> None:
    """Queries end in logs."""
    answer = http_clients.get(f"{guarded.url}/api/v1/orders", params={"access_token": signer.token()})
    assert answer.status_code == 401


def test_grpc_without_a_good_token_is_unauthenticated(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """With reason and details, on unary calls and on streams."""
    before = len(upstream.seen.requests)
    with grpc.insecure_channel(guarded.address) as channel:
        stub = order_service_pb2_grpc.OrderServiceStub(channel)
        for token in ("", *refused_here(signer).values()):
            metadata = (("authorization", f"Bearer {token}"),) if token else ()
            with pytest.raises(grpc.RpcError) as failure:
                stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(), metadata=metadata)
            assert failure.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert told(failure.value).reason == "INVALID_TOKEN"
        with pytest.raises(grpc.RpcError) as failure:
            next(stub.Trade(iter([])))
        assert told(failure.value).reason == "INVALID_TOKEN"
    assert len(upstream.seen.requests) == before


def told(failure: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    """The reason, out of the details of a failure."""
    status, info = rpc_status.from_call(failure), error_details_pb2.ErrorInfo()
    assert status is not None
    assert status.details[0].Unpack(info)
    return info


@pytest.mark.parametrize("kind", ["application/grpc-web+proto", "application/grpc-web-text"])
def test_grpc_web_without_a_token_is_unauthenticated(guarded: Gateway, kind: str) -> None:
    """In the form that browsers read, with details."""
    sent = struct.pack(">BI", 0, 0)
    content = base64.b64encode(sent) if kind.endswith("text") else sent
    answer = http_clients.post(f"{guarded.url}{PLACE_ORDER}", content=content, headers={"content-type": kind})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/grpc-web")
    assert answer.headers["grpc-status"] == "16"
    assert answer.headers["grpc-status-details-bin"]


def test_what_is_public_needs_no_token(guarded: Gateway) -> None:
    """Logging in, the keys, the pages, and the news that something is not there; a bad token does no harm there."""
    for headers in ({}, bearer("nonsense")):
        assert http_clients.get(f"{guarded.url}/.well-known/jwks.json", headers=headers).json()["keys"]
        body = {"username": "u", "password": "p", "environment": "ENVIRONMENT_SIMULATION"}
        assert http_clients.post(f"{guarded.url}/api/v1/auth/login", json=body, headers=headers).status_code == 200
        for path, status in (("/openapi.json", 200), ("/docs", 200), ("/", 302), ("/nothing", 404)):
            assert http_clients.get(f"{guarded.url}{path}", headers=headers).status_code == status, path
        assert http_clients.request("DELETE", f"{guarded.url}/api/v1/orders", headers=headers).status_code == 405
    with grpc.insecure_channel(guarded.address) as channel:
        identity_service_pb2_grpc.IdentityServiceStub(channel).Login(authentication_pb2.LoginRequest())


def test_a_preflight_needs_no_token(guarded: Gateway) -> None:
    """Browsers show none in it; one of another origin learns nothing, and reaches no service."""
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    for path in ("/api/v1/orders", PLACE_ORDER):
        own = http_clients.request("OPTIONS", guarded.url + path, headers={"origin": "http://localhost:3000", **asks})
        assert own.status_code == 200
        assert own.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert "authorization" in own.headers["access-control-allow-headers"].split(", ")
        assert "access-control-allow-credentials" not in own.headers
        other = http_clients.request(
            "OPTIONS", guarded.url + path, headers={"origin": "https://elsewhere.example", **asks}
        )
        assert "access-control-allow-origin" not in other.headers


def test_a_refusal_can_be_read_by_pages(guarded: Gateway) -> None:
    """A page of this machine sees why it was refused."""
    answer = http_clients.get(f"{guarded.url}/api/v1/orders", headers={"origin": "http://localhost:3000"})
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"
    assert {"retry-after", "x-ratelimit-remaining"} <= set(answer.headers["access-control-expose-headers"].split(", "))


@pytest.fixture
def identity_away(tmp_path: Path) -> Iterator[tuple[Gateway, Upstream, Signer]]:
    """A gateway that was started while IdentityService did not answer."""
    upstream, signer = Upstream(), Signer()
    upstream.identity.away, upstream.identity.keys = True, [signer.public]
    upstream.start()
    running = Gateway(tmp_path, settings_for(upstream.port, enforce_access=True))
    blocking_eventually(lambda: running.is_healthy("order"), "the order service being healthy")
    yield running, upstream, signer
    running.stop()
    upstream.stop()


def test_without_keys_nobody_is_let_in_and_with_them_all_goes_on(
    identity_away: tuple[Gateway, Upstream, Signer],
) -> None:
    """A token that cannot be verified is no bad one: the answer says to come again; with the keys it is good."""
    gateway, upstream, signer = identity_away
    url, shown = f"{gateway.url}/api/v1/orders", bearer(signer.token())
    answer = http_clients.get(url, headers=shown)
    assert (answer.status_code, answer.json()["code"], reason(answer)) == (503, 14, "SERVICE_UNAVAILABLE")
    assert detail(answer, "google.rpc.RetryInfo") is not None
    assert answer.headers["retry-after"] == "1"
    with grpc.insecure_channel(gateway.address) as channel:
        stub = order_service_pb2_grpc.OrderServiceStub(channel)
        with pytest.raises(grpc.RpcError) as failure:
            stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(), metadata=tuple(shown.items()))
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    assert told(failure.value).reason == "SERVICE_UNAVAILABLE"
    assert http_clients.get(url).status_code == 401
    assert upstream.seen.requests == []

    upstream.identity.away = False
    blocking_eventually(lambda: http_clients.get(url, headers=shown).status_code == 200, "keys being fetched")
    # And what is known goes on to count.
    upstream.identity.away = True
    assert http_clients.get(url, headers=bearer(signer.token("u-2"))).status_code == 200


def test_keys_are_there_before_anybody_calls(tmp_path: Path) -> None:
    """Envoy asks by itself, once for all its workers; no caller waits for keys, and none makes it ask again."""
    upstream, signer = Upstream(), Signer()
    upstream.identity.keys = [signer.public]
    upstream.start()
    gateway = Gateway(tmp_path, settings_for(upstream.port, enforce_access=True))
    try:
        blocking_eventually(
            lambda: "jwks_fetch_success: 1" in gateway.admin("/stats?filter=jwks_fetch_success"), "keys being known"
        )
        asked = upstream.identity.asked
        for _ in range(3):
            answer = http_clients.get(f"{gateway.url}/api/v1/orders", headers=bearer(signer.token()))
            assert answer.status_code == 200
        assert upstream.identity.asked == asked
    finally:
        gateway.stop()
        upstream.stop()


def test_the_socket_by_which_keys_come_is_its_owners(tmp_path: Path) -> None:
    """Nobody else of the machine may use it; one that an Envoy has left behind is in nobody's way."""
    upstream, signer = Upstream(), Signer()
    upstream.identity.keys = [signer.public]
    upstream.start()
    path = tmp_path / "envoy.keys.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    gateway = Gateway(tmp_path, settings_for(upstream.port, enforce_access=True))
    try:
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        url = f"{gateway.url}/api/v1/orders"
        blocking_eventually(
            lambda: http_clients.get(url, headers=bearer(signer.token())).status_code == 200, "keys being known"
        )
    finally:
        gateway.stop()
        upstream.stop()


def test_a_rush_before_there_are_keys_does_not_bury_who_tells_them(tmp_path: Path) -> None:
    """Few of the callers ask at a time, all are told to come again, and all are served once there are keys."""
    upstream, signer = Upstream(), Signer()
    upstream.identity.silent, upstream.identity.keys = True, [signer.public]
    upstream.start()
    gateway = Gateway(tmp_path, settings_for(upstream.port, enforce_access=True))
    shown = tuple(bearer(signer.token()).items())
    request = order_query_pb2.ListOrdersRequest()
    try:
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        with grpc.insecure_channel(gateway.address) as channel:
            orders = order_service_pb2_grpc.OrderServiceStub(channel)
            asked = [orders.ListOrders.future(request, metadata=shown) for _ in range(RUSH)]
            assert {each.code() for each in asked} == {grpc.StatusCode.UNAVAILABLE}
            assert 1 <= upstream.identity.most_waiting <= MOST_ASKING
            upstream.identity.silent = False
            blocking_eventually(lambda: _is_served(orders, request, shown), "keys being fetched")
            asked = [orders.ListOrders.future(request, metadata=shown) for _ in range(RUSH)]
            assert {each.exception() for each in asked} == {None}
    finally:
        gateway.stop()
        upstream.stop()


def _is_served(orders: Any, request: Any, shown: Any) -> bool:
    return orders.ListOrders.future(request, metadata=shown).exception() is None


def test_keys_are_asked_for_again_when_their_time_is_over(tmp_path: Path) -> None:
    """A new key is good soon, one that is told no more is not; those that are known count on while nobody tells."""
    upstream, old, new = Upstream(), Signer("old"), Signer("new")
    upstream.identity.keys = [old.public]
    upstream.start()
    gateway = Gateway(tmp_path, settings_for(upstream.port, enforce_access=True, keys_seconds=1.0))

    def status(signer: Signer) -> int:
        return http_clients.get(f"{gateway.url}/api/v1/orders", headers=bearer(signer.token())).status_code

    try:
        blocking_eventually(lambda: status(old) == 200, "the first key being known")
        assert status(new) == 401
        upstream.identity.keys = [old.public, new.public]
        blocking_eventually(lambda: status(new) == 200, "the second key being known")
        assert status(old) == 200
        upstream.identity.keys = [new.public]
        blocking_eventually(lambda: status(old) == 401, "the first key being forgotten")
        upstream.identity.away = True
        asked = upstream.identity.asked
        blocking_eventually(lambda: upstream.identity.asked > asked + 2, "keys being asked for in vain")
        assert (status(new), status(old)) == (200, 401)
        upstream.identity.keys, upstream.identity.away = [old.public], False
        blocking_eventually(lambda: (status(new), status(old)) == (401, 200), "keys being told again")
    finally:
        gateway.stop()
        upstream.stop()
