"""gRPC and grpc-web through a real Envoy."""

from __future__ import annotations

import base64
import struct

import grpc
import httpx
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc
from tests.fakes.gateway_upstream import REFUSED_ACCOUNT, Upstream

PLACE_ORDER = "/ordermesh.order.v1.OrderService/PlaceOrder"
# Bit of a grpc-web frame's first byte that marks trailers.
TRAILERS = 0x80


def frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a grpc-web body: flag and content."""
    found = []
    while data:
        flag, length = struct.unpack(">BI", data[:5])
        found.append((flag, data[5 : 5 + length]))
        data = data[5 + length :]
    return found


def framed(message: order_entry_pb2.PlaceOrderRequest) -> bytes:
    """A message as the frame of a grpc-web body."""
    data = message.SerializeToString()
    return struct.pack(">BI", 0, len(data)) + data


def test_grpc_calls_pass(channel: grpc.Channel) -> None:
    """A unary call reaches its service."""
    stub = order_service_pb2_grpc.OrderServiceStub(channel)

    answer = stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(client_order_id="first"))
    assert answer.order.client_order_id == "first"


def test_grpc_failures_keep_code_and_details(channel: grpc.Channel) -> None:
    """Code, message and details arrive as the service sent them."""
    stub = order_service_pb2_grpc.OrderServiceStub(channel)
    with pytest.raises(grpc.RpcError) as failure:
        stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(account_id=REFUSED_ACCOUNT))

    assert failure.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    status = rpc_status.from_call(failure.value)
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.reason == "RISK_LIMIT_EXCEEDED"


@pytest.mark.parametrize(
    "method",
    [
        "/ordermesh.risk.v1.ReservationService/Reserve",
        "/ordermesh.event.v1.EventLogService/ReadEvents",
        "/ordermesh.broker.v1.RoutingService/Route",
        "/ordermesh.engine.v1.OrderEntryService/Trade",
        "/grpc.health.v1.Health/Check",
        "/ordermesh.order.v1.OrderService/Nothing",
    ],
)
def test_what_is_not_public_is_unimplemented(channel: grpc.Channel, method: str) -> None:
    """Services without HTTP annotations cannot be reached from outside, though they share a port with public ones."""
    call: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(method)
    with pytest.raises(grpc.RpcError) as failure:
        call(b"")

    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.parametrize("suffix", ["", "+proto"])
def test_grpc_web_binary(http: httpx.Client, suffix: str) -> None:
    """A browser's binary call gets its message and the status as trailers in the body."""
    kind = f"application/grpc-web{suffix}"
    sent = framed(order_entry_pb2.PlaceOrderRequest(client_order_id="web"))
    answer = http.post(PLACE_ORDER, content=sent, headers={"content-type": kind, "x-grpc-web": "1"})

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("application/grpc-web")
    (_, message), (flag, trailers) = frames(answer.content)
    assert order_entry_pb2.PlaceOrderResponse.FromString(message).order.client_order_id == "web"
    assert flag == TRAILERS
    assert b"grpc-status:0" in trailers


def test_grpc_web_text(http: httpx.Client) -> None:
    """The base64 form, which old browsers need to stream, works both ways."""
    kind = "application/grpc-web-text"
    sent = base64.b64encode(framed(order_entry_pb2.PlaceOrderRequest(client_order_id="text")))
    answer = http.post(PLACE_ORDER, content=sent, headers={"content-type": kind, "accept": kind})

    assert answer.headers["content-type"].startswith(kind)
    (_, message), (flag, _) = frames(_from_base64_pieces(answer.content))
    assert order_entry_pb2.PlaceOrderResponse.FromString(message).order.client_order_id == "text"
    assert flag == TRAILERS


def test_grpc_web_failures_have_their_details(http: httpx.Client) -> None:
    """A refusal comes with `grpc-status` and the packed details."""
    sent = framed(order_entry_pb2.PlaceOrderRequest(account_id=REFUSED_ACCOUNT))
    answer = http.post(PLACE_ORDER, content=sent, headers={"content-type": "application/grpc-web+proto"})

    told = (
        answer.headers.get("grpc-status")
        or dict(line.split(b":", 1) for line in frames(answer.content)[-1][1].splitlines())
        .get(b"grpc-status", b"")
        .decode()
    )
    assert told == "9"


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1"])
def test_pages_of_this_machine_may_call(http: httpx.Client, origin: str) -> None:
    """A preflight of REST or grpc-web from this machine is allowed, and the answer can be read there."""
    asks = {"origin": origin, "access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for path in ("/api/v1/orders", PLACE_ORDER):
        preflight = http.options(path, headers=asks)
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == origin
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "x-grpc-web" in preflight.headers["access-control-allow-headers"]

    answer = http.get("/api/v1/orders", headers={"origin": origin})
    assert answer.headers["access-control-allow-origin"] == origin
    assert "grpc-status" in answer.headers["access-control-expose-headers"]


OTHER_ORIGINS = (
    *(
        "http://evil.example",
        "http://localhost.evil.example",
        "null",
        "file://",
        "http://xlocalhost",
        "http://127x0.0.1",
    ),
    *("http://127.0.0.1.evil.example", "http://evil.example/localhost", "http://localhost@evil.example"),
    *("https://localhost:evil", "https://evil.example"),
)


@pytest.mark.parametrize("origin", OTHER_ORIGINS)
def test_other_pages_may_not_call(http: httpx.Client, origin: str) -> None:
    """A page from elsewhere gets no permission."""
    preflight = http.options("/api/v1/orders", headers={"origin": origin, "access-control-request-method": "POST"})
    answer = http.get("/api/v1/orders", headers={"origin": origin})

    assert "access-control-allow-origin" not in preflight.headers
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(("asked", "given"), [(60, 60), (5, 5), (None, 15)])
def test_deadlines_reach_the_service(
    channel: grpc.Channel, upstream: Upstream, asked: float | None, given: float
) -> None:
    """A service has the time that its caller gave; without any, the gateway's own limit."""
    stub = order_service_pb2_grpc.OrderServiceStub(channel)
    stub.PlaceOrder(order_entry_pb2.PlaceOrderRequest(), timeout=asked)

    left = upstream.seen.seconds_left[-1]
    assert left is not None
    assert given - 4 < left < given + 1


def _from_base64_pieces(text: bytes) -> bytes:
    """Each frame is encoded for itself, with padding where it ends."""
    return b"".join(base64.b64decode(text[at : at + 4]) for at in range(0, len(text), 4))
