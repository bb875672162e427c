"""Metadata of gRPC that callers write: none of it reaches the connections which all callers share."""

from __future__ import annotations

import socket
import struct
import uuid

import grpc
import httpx
import pytest

from ordermesh.order.v1 import order_query_pb2
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import ORDER, reason
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.written import HTTP2, block, frame

NEVER_READ = ("x-bin", "grpc-trace-bin", "grpc-status", "grpc-previous-rpc-attempts", "grpc-retry-pushback-ms")
ORDERS = "/api/v1/orders?account_id=demo"


NO_NAMES = (*(f"x{mark}" for mark in "!#$%&'*+^`|~"), "|u", "~")


@pytest.mark.parametrize("name", [*NEVER_READ, *NO_NAMES, "grpc-internal-encoding-request", "lb-cost-bin"])
def test_what_nobody_outside_has_a_part_in_is_taken_out(http: httpx.Client, name: str) -> None:
    """A value, or a name, that gRPC cannot read does no harm, neither to its call nor to those that follow it."""
    for _ in range(3):
        assert http.get(ORDERS, headers={name: "!"}).status_code == 200
        assert [http.get(ORDERS).status_code for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("name", ["x-bin", "grpc-status", "grpc-timeout", "x!"])
def test_what_follows_a_request_is_taken_out(
    gateway: Gateway, http: httpx.Client, upstream: Upstream, name: str
) -> None:
    """Trailers, which clients of gRPC never send: one that gRPC cannot read does no harm, nor to calls that follow."""
    request = order_query_pb2.ListOrdersRequest(account_id=uuid.uuid4().hex)
    message = request.SerializeToString()
    head = block(
        *((":method", "POST"), (":path", "/ordermesh.order.v1.OrderService/ListOrders"), (":scheme", "http")),
        *((":authority", "x"), ("te", "trailers"), ("content-type", "application/grpc")),
    )
    body = struct.pack(">BI", 0, len(message)) + message
    sent = frame(1, 4, 1, head) + frame(0, 0, 1, body) + frame(1, 5, 1, block((name, "!")))
    host, _, port = gateway.address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(HTTP2 + sent)
        blocking_eventually(lambda: request in upstream.seen.requests, "the request being served")
        assert [http.get(ORDERS).status_code for _ in range(5)] == [200] * 5


@pytest.mark.parametrize("value", ["x", "-5S", "5", "123456789S", "5S,5S", "1.5S", "\u00b2S".encode()])
def test_a_time_that_is_none_is_refused(http: httpx.Client, value: str | bytes) -> None:
    """As the caller's mistake, and the next call is served."""
    refused = http.get(ORDERS, headers=[(b"grpc-timeout", value.encode() if isinstance(value, str) else value)])
    assert refused.status_code == 400
    assert reason(refused) == "MALFORMED_JSON"
    assert http.get(ORDERS, headers={"grpc-timeout": "99999999H"}).status_code == 200


@pytest.mark.parametrize(("name", "value"), [("grpc-timeout", b"soon"), ("grpc-encoding", b"zip")])
def test_callers_of_grpc_are_told_in_its_words(gateway: Gateway, name: str, value: bytes) -> None:
    """UNIMPLEMENTED, as for any encoding that a server does not have; not the INTERNAL that 400 is to gRPC."""
    headers = {"content-type": "application/grpc-web+proto", name: value.decode()}
    path = "/ordermesh.order.v1.OrderService/ListOrders"
    answer = http_clients.post(gateway.url + path, headers=headers, content=b"\0\0\0\0\0")
    assert answer.headers["grpc-status"] == "12", answer.headers


def test_grpc_to_a_path_of_rest_is_no_method(gateway: Gateway) -> None:
    """UNIMPLEMENTED: the service never sees it."""
    answer = http_clients.post(f"{gateway.url}/api/v1/orders", headers={"content-type": "application/grpc"})
    assert answer.headers["grpc-status"] == str(grpc.StatusCode.UNIMPLEMENTED.value[0])


def test_names_of_all_kinds_are_kept(guarded: Gateway, signer: Signer, upstream: Upstream) -> None:
    """What gRPC can read reaches the service."""
    sent = {"authorization": f"Bearer {signer.token()}", "x-a.b_c-1": "kept", "x|y": "gone", "1": "kept"}
    answer = http_clients.post(f"{guarded.url}/api/v1/orders", json=ORDER, headers=sent)
    assert answer.status_code == 200, answer.text
    seen = upstream.seen.metadata[-1]
    assert (seen["x-a.b_c-1"], seen["1"], "x|y" in seen) == (["kept"], ["kept"], False)


def test_calls_of_grpc_keep_what_is_theirs(channel: grpc.Channel) -> None:
    """A deadline and bytes in metadata of their own are no reason to refuse a call."""
    stub = OrderServiceStub(channel)
    metadata = (("grpc-trace-bin", b"\0\1"), ("x-request-id", "mine"))
    assert (
        stub.ListOrders(order_query_pb2.ListOrdersRequest(account_id="demo"), metadata=metadata, timeout=5) is not None
    )
