"""Rate limits at a real Envoy: by user, by address, and harder where a login begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gateway.settings import Rate
from ordermesh.order.v1 import order_query_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import detail, reason
from tests.integration.gateway.conftest import Gateway, settings_for

LOGIN_RPC = "/ordermesh.identity.v1.IdentityService/Login"
LOGIN = {"username": "u", "password": "p", "environment": "ENVIRONMENT_SIMULATION"}
# Slow enough that little is given back while a test runs.
FEW, MANY = Rate(1, 40), Rate(1, 400)

Limited = Callable[..., Gateway]


@pytest.fixture
def limited(tmp_path: Path, upstream: Upstream, signer: Signer) -> Iterator[Limited]:
    """Starts a gateway with limits of a test's own."""
    running: list[Gateway] = []

    def start(**rates: Rate) -> Gateway:
        settings = settings_for(upstream.port, enforce_access=True, **rates)
        gateway = Gateway(tmp_path, settings)
        running.append(gateway)
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        blocking_eventually(lambda: calls(gateway, signer.token("first"), 1) == [200], "keys being known")
        return gateway

    yield start
    for each in running:
        each.stop()


def calls(gateway: Gateway, token: str, count: int) -> list[int]:
    """The statuses of so many calls."""
    with http_clients.client(base_url=gateway.url, headers={"authorization": f"Bearer {token}"}) as client:
        return [client.get("/api/v1/orders").status_code for _ in range(count)]


def stopped(call: Callable[[], httpx.Response]) -> httpx.Response:
    """The first refusal by a limit; a call now and then is let through meanwhile, on a slow machine."""
    for _ in range(1000):
        if (answer := call()).status_code == 429:
            return answer
    raise AssertionError("nobody was stopped")


def test_a_user_is_told_what_is_left_and_stopped_when_nothing_is(limited: Limited, signer: Signer) -> None:
    """By whatever of their tokens; the answer says when to come again. Other users do not feel it."""
    gateway = limited(user_rate=FEW)
    token = signer.token("greedy")
    answer = http_clients.get(f"{gateway.url}/api/v1/orders", headers={"authorization": f"Bearer {token}"})
    assert answer.headers["x-ratelimit-limit"] == "40"
    assert int(answer.headers["x-ratelimit-remaining"]) == 39
    assert int(answer.headers["x-ratelimit-reset"]) >= 0

    with http_clients.client(base_url=gateway.url) as client:
        shown = [{"authorization": f"Bearer {each}"} for each in (token, signer.token("greedy"))]
        stopped(lambda: client.get("/api/v1/orders", headers=shown[0]))
        refused = stopped(lambda: client.get("/api/v1/orders", headers=shown[1]))
    assert (refused.status_code, refused.json()["code"], reason(refused)) == (429, 8, "RATE_LIMITED")
    assert detail(refused, "google.rpc.RetryInfo") == {
        "@type": "type.googleapis.com/google.rpc.RetryInfo",
        "retry_delay": "1s",
    }
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["x-ratelimit-remaining"] == "0"
    assert calls(gateway, signer.token("modest"), 1) == [200]


def test_over_grpc_a_user_is_stopped_in_its_words(limited: Limited, signer: Signer) -> None:
    """RESOURCE_EXHAUSTED, with reason and RetryInfo."""
    gateway = limited(user_rate=FEW)
    metadata = (("authorization", f"Bearer {signer.token('greedy')}"),)
    with grpc.insecure_channel(gateway.address) as channel:
        stub = order_service_pb2_grpc.OrderServiceStub(channel)

        def until_refused() -> None:
            for _ in range(1000):
                stub.ListOrders(order_query_pb2.ListOrdersRequest(), metadata=metadata)

        with pytest.raises(grpc.RpcError) as failure:
            until_refused()
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    status = rpc_status.from_call(failure.value)
    info, again = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(again)
    assert (info.reason, again.retry_delay.seconds) == ("RATE_LIMITED", 1)


def test_bad_tokens_are_counted_by_address(limited: Limited, signer: Signer) -> None:
    """Who shows nothing good is stopped too, before signatures are looked at; and then everybody at that address."""
    gateway = limited(address_rate=MANY)
    with http_clients.client(base_url=gateway.url) as client:
        for token in ("nonsense", signer.token()):
            shown = {"authorization": f"Bearer {token}"}
            assert reason(stopped(partial(client.get, "/api/v1/orders", headers=shown))) == "RATE_LIMITED"


def test_logins_are_counted_harder(limited: Limited, signer: Signer) -> None:
    """All that begin one share their limit, by REST and gRPC; what needs a token goes on."""
    gateway = limited(login_rate=FEW)
    with http_clients.client(base_url=gateway.url) as client:
        first = client.post("/api/v1/auth/login", json=LOGIN)
        assert (first.status_code, first.headers["x-ratelimit-limit"]) == (200, "40")
        stopped(lambda: client.post("/api/v1/auth/login", json=LOGIN))
        for path in ("login", "register", "refresh", "second-factor"):
            refused = stopped(partial(client.post, f"/api/v1/auth/{path}", json={}))
            assert reason(refused) == "RATE_LIMITED", path
            assert refused.headers["retry-after"] == "1"
    with grpc.insecure_channel(gateway.address) as channel:
        call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(LOGIN_RPC)

        def until_refused() -> None:
            for _ in range(1000):
                call(b"")

        with pytest.raises(grpc.RpcError) as failure:
            until_refused()
    assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert calls(gateway, signer.token(), 1) == [200]
    assert http_clients.get(f"{gateway.url}/.well-known/jwks.json").status_code == 200


def test_zero_is_no_limit(limited: Limited, signer: Signer) -> None:
    """Nothing is counted, and nothing is told."""
    gateway = limited(user_rate=Rate(0, 1), address_rate=Rate(0, 1), login_rate=Rate(0, 1))
    assert set(calls(gateway, signer.token(), 200)) == {200}
    answer = http_clients.post(f"{gateway.url}/api/v1/auth/login", json=LOGIN)
    assert answer.status_code == 200
    assert not [name for name in answer.headers if name.startswith("x-ratelimit")]


def test_without_users_the_address_is_told(gateway: Gateway) -> None:
    """Where nobody asks who calls, addresses are counted; a login is told one limit, not two."""
    for answer in (
        http_clients.get(f"{gateway.url}/api/v1/orders"),
        http_clients.post(f"{gateway.url}/api/v1/auth/login", json=LOGIN),
    ):
        assert answer.status_code == 200
        assert answer.headers.get_list("x-ratelimit-limit") == ["40000"]
