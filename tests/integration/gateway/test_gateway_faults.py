"""Services that are down, not ready or silent, seen through a real Envoy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from deploy.embedded.ports import unused_port
from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import SILENT_ACCOUNT, Upstream
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import ORDER, reason
from tests.integration.gateway.conftest import Gateway, settings_for

BUSY_SECONDS = 6.0
"""Longer than services are silent when the machine has too much to do."""


@pytest.fixture
def port() -> int:
    """Where the services are to be."""
    return unused_port()


@pytest.fixture
def own_gateway(tmp_path: Path, port: int) -> Iterator[Gateway]:
    """A gateway before services that are not there yet."""
    running = Gateway(tmp_path, settings_for(port, unary_timeout_seconds=1.5))
    yield running
    running.stop()


def test_a_service_that_is_down_is_unavailable_and_comes_back(own_gateway: Gateway, port: int) -> None:
    """REST answers 503 with a status, gRPC UNAVAILABLE; once the service is up, calls pass again by themselves."""
    answer = http_clients.get(f"{own_gateway.url}/api/v1/orders")
    assert answer.status_code == 503
    assert answer.json()["code"] == 14
    assert reason(answer) == "SERVICE_UNAVAILABLE"
    with grpc.insecure_channel(own_gateway.address) as channel, pytest.raises(grpc.RpcError) as failure:
        order_service_pb2_grpc.OrderServiceStub(channel).PlaceOrder(order_entry_pb2.PlaceOrderRequest())
    assert failure.value.code() is grpc.StatusCode.UNAVAILABLE

    upstream = Upstream(port)
    upstream.start()
    try:
        blocking_eventually(
            lambda: http_clients.get(f"{own_gateway.url}/api/v1/orders").status_code == 200, "the service answering"
        )
    finally:
        upstream.stop()


def test_a_service_that_is_not_ready_gets_no_calls(own_gateway: Gateway, port: int) -> None:
    """A service whose health says NOT_SERVING is spared until it says otherwise."""
    upstream = Upstream(port)
    upstream.set_serving(serving=False)
    upstream.start()
    try:
        url = f"{own_gateway.url}/api/v1/orders"
        blocking_eventually(lambda: "failed_active_hc" in own_gateway.admin("/clusters"), "the health check failing")
        assert http_clients.get(url).status_code == 503
        assert not upstream.seen.requests
        upstream.set_serving(serving=True)
        blocking_eventually(lambda: http_clients.get(url).status_code == 200, "the service answering")
    finally:
        upstream.stop()


def test_a_service_that_is_silent_is_given_up(own_gateway: Gateway, port: int) -> None:
    """A call without an answer ends after the gateway's limit with 504 and DEADLINE_EXCEEDED."""
    upstream = Upstream(port)
    upstream.start()
    try:
        blocking_eventually(lambda: own_gateway.is_healthy("order"), "the order service being healthy")
        answer = http_clients.post(
            f"{own_gateway.url}/api/v1/orders", json={**ORDER, "account_id": SILENT_ACCOUNT}, timeout=20
        )
        assert answer.status_code == 504
        assert answer.json()["code"] == 4
        assert reason(answer) == "DEADLINE_EXCEEDED"
    finally:
        upstream.stop()


def test_a_service_that_is_busy_still_gets_calls(tmp_path: Path) -> None:
    """What answers neither its health check nor a caller for seconds is not away, and the next caller is served."""
    upstream = Upstream()
    upstream.start()
    gateway = Gateway(tmp_path, settings_for(upstream.port))
    try:
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        upstream.health.silent = True
        with grpc.insecure_channel(gateway.address) as channel:
            stub = order_service_pb2_grpc.OrderServiceStub(channel)
            with pytest.raises(grpc.RpcError) as failure:
                stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(account_id=SILENT_ACCOUNT), timeout=BUSY_SECONDS)
            assert failure.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            assert gateway.is_healthy("order")
            answer = stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(account_id="demo"))
        assert answer.order.account_id == "demo"
    finally:
        gateway.stop()
        upstream.stop()


def test_a_service_that_hangs_is_spared_in_the_end(own_gateway: Gateway, port: int) -> None:
    """Silent for twice as long as the longest call, it gets no calls, and gets them again once it answers."""
    upstream = Upstream(port)
    upstream.start()
    url = f"{own_gateway.url}/api/v1/orders"
    try:
        blocking_eventually(lambda: own_gateway.is_healthy("order"), "the order service being healthy")
        upstream.health.silent = True
        blocking_eventually(lambda: http_clients.get(url).status_code == 503, "the service being spared")
        upstream.health.silent = False
        blocking_eventually(lambda: http_clients.get(url).status_code == 200, "the service answering")
    finally:
        upstream.stop()


def test_pages_are_there_without_any_service(own_gateway: Gateway) -> None:
    """The OpenAPI document and the page that renders it need no service; the root leads to the page."""
    document = http_clients.get(f"{own_gateway.url}/openapi.json")
    page = http_clients.get(own_gateway.url, follow_redirects=True)

    assert document.headers["content-type"] == "application/json"
    assert "/api/v1/orders" in document.json()["paths"]
    assert page.url.path == "/docs"
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    # All in one file: nothing is loaded from elsewhere.
    assert "http://" not in page.text
    assert "https://" not in page.text
    assert "src=" not in page.text
