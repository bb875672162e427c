"""A real gRPC server that serves the order contract from memory, for tests of the gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from ordermesh.identity.v1 import authentication_pb2, identity_service_pb2_grpc, signing_key_pb2
from ordermesh.order.v1 import (
    execution_report_pb2,
    order_entry_pb2,
    order_pb2,
    order_query_pb2,
    order_service_pb2_grpc,
    order_stream_pb2,
)
from ordermesh.type.v1 import risk_breach_pb2, stream_pb2

# Accounts whose calls fail, by what goes wrong.
REFUSED_ACCOUNT = "refused"
BROKEN_STREAM_ACCOUNT = "broken-stream"
REFUSED_STREAM_ACCOUNT = "refused-stream"
SILENT_ACCOUNT = "silent"
ENDLESS_ACCOUNT = "endless"
RESUMABLE_ACCOUNT = "resumable"
TRICKY_TEXT = 'data: "resume_token":"no token"'
"""Text of an event that looks like parts of it."""


@dataclass
class Seen:
    """What the server was sent, in order."""

    requests: list[Message] = field(default_factory=list)
    # Seconds that each order's caller still gave it; None without a deadline.
    seconds_left: list[float | None] = field(default_factory=list)
    # Metadata of each order's call.
    metadata: list[dict[str, list[str]]] = field(default_factory=list)
    # Set when a stream's caller has gone.
    stream_ended: threading.Event = field(default_factory=threading.Event)


def failure(code: grpc.StatusCode, reason: str, *details: Message) -> grpc.Status:
    """A status as the services answer it: `ErrorInfo` first, then what else there is."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain="ordermesh.dev")
    status = status_pb2.Status(code=code.value[0], message=f"refused: {reason}")
    for detail in (info, *details):
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    converted: grpc.Status = rpc_status.to_status(status)
    return converted


class MemoryOrderService(order_service_pb2_grpc.OrderServiceServicer):
    """Answers orders as they were sent; keeps nothing but what it has seen."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    def PlaceOrder(
        self, request: order_entry_pb2.PlaceOrderRequest, context: grpc.ServicerContext
    ) -> order_entry_pb2.PlaceOrderResponse:
        self._seen.requests.append(request)
        self._seen.seconds_left.append(context.time_remaining())
        shown: dict[str, list[str]] = {}
        for key, value in context.invocation_metadata():
            shown.setdefault(key, []).append(value if isinstance(value, str) else value.decode("latin-1"))
        self._seen.metadata.append(shown)
        if request.account_id == SILENT_ACCOUNT:
            _until_gone(context)
        if request.account_id == REFUSED_ACCOUNT:
            breach = risk_breach_pb2.RiskBreach(limit="10", observed="11", unit="units", text="too large")
            context.abort_with_status(failure(grpc.StatusCode.FAILED_PRECONDITION, "RISK_LIMIT_EXCEEDED", breach))
        return order_entry_pb2.PlaceOrderResponse(order=_order(request))

    def PlaceOrders(
        self, request: order_entry_pb2.PlaceOrdersRequest, context: grpc.ServicerContext
    ) -> order_entry_pb2.PlaceOrdersResponse:
        self._seen.requests.append(request)
        results = [order_entry_pb2.PlaceOrderResult(order=_order(order)) for order in request.orders]
        return order_entry_pb2.PlaceOrdersResponse(results=results)

    def CancelOrder(
        self, request: order_entry_pb2.CancelOrderRequest, context: grpc.ServicerContext
    ) -> order_entry_pb2.CancelOrderResponse:
        self._seen.requests.append(request)
        return order_entry_pb2.CancelOrderResponse(order=order_pb2.Order(order_id=request.order_id))

    def GetOrder(
        self, request: order_query_pb2.GetOrderRequest, context: grpc.ServicerContext
    ) -> order_query_pb2.GetOrderResponse:
        self._seen.requests.append(request)
        return order_query_pb2.GetOrderResponse(order=order_pb2.Order(order_id=request.order_id), as_of=7)

    def ListOrders(
        self, request: order_query_pb2.ListOrdersRequest, context: grpc.ServicerContext
    ) -> order_query_pb2.ListOrdersResponse:
        self._seen.requests.append(request)
        return order_query_pb2.ListOrdersResponse()

    def StreamOrders(
        self, request: order_stream_pb2.StreamOrdersRequest, context: grpc.ServicerContext
    ) -> Iterator[order_stream_pb2.StreamOrdersResponse]:
        self._seen.requests.append(request)
        context.add_callback(self._seen.stream_ended.set)
        if request.account_id == REFUSED_STREAM_ACCOUNT:
            context.abort_with_status(failure(grpc.StatusCode.OUT_OF_RANGE, "STREAM_GAP"))
        yield order_stream_pb2.StreamOrdersResponse(subscribed=stream_pb2.Subscribed(epoch="e", sequence=3))
        yield order_stream_pb2.StreamOrdersResponse(snapshot_begin=stream_pb2.SnapshotBegin(sequence=3))
        yield from _resumable(request.account_id == RESUMABLE_ACCOUNT)
        if request.account_id == BROKEN_STREAM_ACCOUNT:
            context.abort_with_status(failure(grpc.StatusCode.OUT_OF_RANGE, "STREAM_GAP"))
        if request.account_id == ENDLESS_ACCOUNT:
            _until_gone(context)


def _resumable(told: bool) -> Iterator[order_stream_pb2.StreamOrdersResponse]:
    """The end of the snapshot; where tokens are told, with one, before an update that has one and one that has none."""
    end = stream_pb2.SnapshotEnd(sequence=3, resume_token="token-3" if told else "")
    yield order_stream_pb2.StreamOrdersResponse(snapshot_end=end)
    if told:
        for token in ("token-4", ""):
            report = execution_report_pb2.ExecutionReport(text=TRICKY_TEXT)
            update = order_stream_pb2.OrderUpdate(reports=[report], resume_token=token)
            yield order_stream_pb2.StreamOrdersResponse(update=update)


class MemoryIdentityService(identity_service_pb2_grpc.IdentityServiceServicer):
    """Tells the keys that tokens are signed with; may be away, or silent."""

    def __init__(self) -> None:
        self.keys: list[signing_key_pb2.JsonWebKey] = []
        self.away = self.silent = False
        self.asked = self.waiting = self.most_waiting = 0
        self._lock = threading.Lock()

    def GetJsonWebKeySet(
        self, _request: signing_key_pb2.GetJsonWebKeySetRequest, context: grpc.ServicerContext
    ) -> signing_key_pb2.GetJsonWebKeySetResponse:
        self.asked += 1
        if self.silent:
            self._wait(context)
        if self.away:
            context.abort(grpc.StatusCode.UNAVAILABLE, "away")
        return signing_key_pb2.GetJsonWebKeySetResponse(keys=self.keys)

    def _wait(self, context: grpc.ServicerContext) -> None:
        """Says nothing until the caller has gone."""
        with self._lock:
            self.waiting += 1
            self.most_waiting = max(self.most_waiting, self.waiting)
        _until_gone(context)
        with self._lock:
            self.waiting -= 1

    def Login(
        self, _request: authentication_pb2.LoginRequest, _context: grpc.ServicerContext
    ) -> authentication_pb2.LoginResponse:
        return authentication_pb2.LoginResponse()


class Health(health.HealthServicer):  # type: ignore[misc]  # the package has no types
    """The health check; says nothing while it is told to be silent."""

    def __init__(self) -> None:
        super().__init__()
        self.silent = False

    def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        if self.silent:
            _until_gone(context)
        return super().Check(request, context)


class Upstream:
    """The running server."""

    def __init__(self, port: int = 0) -> None:
        self.seen = Seen()
        self.identity = MemoryIdentityService()
        self.health = Health()
        self._server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
        order_service_pb2_grpc.add_OrderServiceServicer_to_server(MemoryOrderService(self.seen), self._server)
        identity_service_pb2_grpc.add_IdentityServiceServicer_to_server(self.identity, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self.health, self._server)
        self.port = self._server.add_insecure_port(f"127.0.0.1:{port}")

    def start(self) -> None:
        """Begins to serve, and to be healthy."""
        self._server.start()

    def stop(self) -> None:
        """Ends at once, streams too."""
        self._server.stop(grace=None).wait()

    def set_serving(self, serving: bool) -> None:
        """What the health check says."""
        states = health_pb2.HealthCheckResponse
        self.health.set("", states.SERVING if serving else states.NOT_SERVING)


def _until_gone(context: grpc.ServicerContext) -> None:
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()


def _order(request: order_entry_pb2.PlaceOrderRequest) -> order_pb2.Order:
    return order_pb2.Order(
        order_id="0198c0de-0000-7000-8000-000000000001",
        client_order_id=request.client_order_id,
        account_id=request.account_id,
        instrument=request.instrument,
        side=request.side,
        type=request.type,
        quantity=request.quantity,
        limit_price=request.limit_price,
        order_status=order_pb2.ORDER_STATUS_PENDING_NEW,
    )
