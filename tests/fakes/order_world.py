"""OrderService over a real Postgres and Redis, with peers that a test directs: in this process, or in one to kill."""

from __future__ import annotations

import asyncio
import signal
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import SecretStr

from deploy.embedded.process import Process
from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.order.v1 import (
    execution_report_pb2,
    order_entry_pb2,
    order_pb2,
    order_query_pb2,
    order_service_pb2_grpc,
    order_stream_pb2,
)
from services.kernel.errors import CodedError
from services.mesh.client import Channels
from services.mesh.service import Service
from services.mesh.telemetry import Telemetry
from services.order.__main__ import main
from services.order.config import OrderSettings
from tests.fakes.order_peers import Peers
from tests.fixtures.forking import ready_to_fork, service_command
from tests.fixtures.waiting import answered, eventually

ROOT = Path(__file__).resolve().parents[2]
T = TypeVar("T")


@dataclass
class Client:
    """Calls OrderService."""

    orders: Any
    events: Any
    stop: Callable[[], None] = lambda: None

    async def place(self, client_order_id: str = "", **changes: Any) -> order_pb2.Order:
        response = await self.orders.PlaceOrder(request(client_order_id, **changes))
        order: order_pb2.Order = response.order
        return order

    async def place_many(self, count: int) -> list[order_pb2.Order]:
        """Places a batch of equal orders, which is committed as one."""
        batch = order_entry_pb2.PlaceOrdersRequest(orders=[request() for _ in range(count)])
        response = await self.orders.PlaceOrders(batch)
        return [result.order for result in response.results]

    async def replace(self, order_id: str, replace_id: str = "r-1", **fields: Any) -> order_pb2.Order:
        asked = order_entry_pb2.ReplaceOrderRequest(order_id=order_id, replace_id=replace_id, **fields)
        order: order_pb2.Order = (await self.orders.ReplaceOrder(asked)).order
        return order

    async def order(self, order_id: str) -> order_pb2.Order:
        response = await self.orders.GetOrder(order_query_pb2.GetOrderRequest(order_id=order_id))
        order: order_pb2.Order = response.order
        return order

    async def until(self, order_id: str, status: order_pb2.OrderStatus.ValueType) -> order_pb2.Order:
        """Waits until an order has a status."""
        return await eventually(lambda: self.order(order_id), lambda order: order.order_status == status)

    async def history(self, order_id: str) -> list[execution_report_pb2.ExecutionReport]:
        response = await self.orders.GetOrderHistory(order_query_pb2.GetOrderHistoryRequest(order_id=order_id))
        return list(response.reports)

    async def all_orders(self) -> list[order_pb2.Order]:
        """Lists every order there is, page by page."""
        found: list[order_pb2.Order] = []
        token = ""
        while True:
            wanted = order_query_pb2.ListOrdersRequest(page_size=1000, page_token=token)
            response = await self.orders.ListOrders(wanted)
            found += response.orders
            token = response.next_page_token
            if not token:
                return found

    def stream(self, **fields: Any) -> Any:
        return self.orders.StreamOrders(order_stream_pb2.StreamOrdersRequest(**{"account_id": "demo"} | fields))


async def ready(client: Client, peers: Peers, account_id: str = "warm-up") -> None:
    """Waits until orders are taken and routed, which the health of the service does not tell.

    What was placed for it is at the venue then, so that what a test counts there is its own.
    """

    async def goes_through() -> bool:
        try:
            placed = await client.orders.PlaceOrder(request(account_id=account_id))
        except CodedError as error:
            return error.reason == "RISK_LIMIT_EXCEEDED"
        await eventually(lambda: peers.broker.ready and placed.order.order_id in peers.broker.venue.told())
        return True

    await eventually(goes_through)


def request(client_order_id: str = "", **changes: Any) -> order_entry_pb2.PlaceOrderRequest:
    """Returns a request that is in order but for the changes."""
    fields: dict[str, Any] = {
        "client_order_id": client_order_id or uuid.uuid4().hex,
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": 1,
        "type": 2,
        "time_in_force": 2,
        "quantity": "100",
        "limit_price": "187.25",
    }
    return order_entry_pb2.PlaceOrderRequest(**(fields | changes))


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[Client]:
    """Returns a client whose errors are coded errors."""
    channels = Channels(timeout_seconds=10)
    channel = channels.to(address)
    try:
        yield Client(
            order_service_pb2_grpc.OrderServiceStub(channel), event_log_service_pb2_grpc.EventLogServiceStub(channel)
        )
    finally:
        await channels.close()


@asynccontextmanager
async def serving(postgres_url: str, redis_url: str, peers: Peers, **settings: Any) -> AsyncIterator[Client]:
    """Runs OrderService in this process, until risk and the connection are up, and stops it in order."""
    known: dict[str, Any] = {
        "postgres_url": SecretStr(postgres_url),
        "redis_url": SecretStr(redis_url),
        "risk_address": peers.address,
        "broker_address": peers.address,
        "marketdata_address": peers.address,
        "instrument_refresh_seconds": 0.05,
        "drain_seconds": 1.0,
    }
    service = Service(OrderSettings(**(known | settings)), Telemetry.start("order"))
    running = asyncio.create_task(service.run(main))
    try:
        await eventually(lambda: bool(service.server.port) or running.done())
        if running.done():
            running.result()
        async with client_of(f"127.0.0.1:{service.server.port}") as client:
            client.stop = service.stop
            yield client
    finally:
        service.stop()
        await asyncio.wait([running])
        service.telemetry.close()
    running.result()


class OrderProcess:
    """OrderService as a process of its own."""

    def __init__(self, directory: Path, postgres_url: str, redis_url: str, peers: Peers) -> None:
        self._directory = directory
        self._settings = {
            "ORDERMESH_POSTGRES_URL": postgres_url,
            "ORDERMESH_REDIS_URL": redis_url,
            "ORDERMESH_RISK_ADDRESS": peers.address,
            "ORDERMESH_BROKER_ADDRESS": peers.address,
            "ORDERMESH_MARKETDATA_ADDRESS": peers.address,
        }
        self._process: Process | None = None
        self._starts = 0

    async def start(self) -> str:
        """Starts it, and returns its address once it listens."""
        self._starts += 1
        port_file = self._directory / f"port-{self._starts}"
        settings = self._settings | {"ORDERMESH_ORDER_PORT_FILE": str(port_file)}
        await ready_to_fork()
        self._process = Process(service_command("services.order", self._directory / "order.log", settings))
        await eventually(port_file.exists, seconds=60)
        return f"127.0.0.1:{port_file.read_text().strip()}"

    async def kill(self) -> None:
        """Kills it, as a crash would."""
        if self._process is not None:
            self._process.send(signal.SIGKILL)
            await self._process.wait()


async def checked(ask: Callable[[], Awaitable[T]]) -> T:
    """Sends a request again until risk has answered in time: where it may take little, a busy machine takes longer."""
    return await answered(
        ask, passes=lambda error: isinstance(error, CodedError) and error.reason == "RISK_UNAVAILABLE"
    )
