"""Orders under way while something breaks, and the four counts that must agree afterwards.

Half of the accounts buy, half sell, at one price, so that in the end everything has traded. A client that gets no
answer sends the same request again, as the contract asks it to.
"""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from random import Random
from typing import Any

import grpc

from deploy.embedded.mesh import Mesh
from ordermesh.engine.v1 import execution_pb2, order_entry_service_pb2
from ordermesh.engine.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from ordermesh.marketdata.v1 import market_data_service_pb2
from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW, ORDER_STATUS_PARTIALLY_FILLED, ORDER_STATUS_PENDING_NEW
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.portfolio.v1 import position_query_pb2
from ordermesh.portfolio.v1.portfolio_service_pb2_grpc import PortfolioServiceStub
from ordermesh.type.v1 import trading_pb2
from tests.faults.state import MeshState, Patience
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import answered, eventually

RECOVERY_SECONDS = 60.0
PRICE = "100"
_RETRIED = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.CANCELLED,
)


@dataclass(frozen=True, slots=True)
class Manner:
    """How clients ask.

    Attributes:
        deadlines: Least and most seconds that a client waits before it sends the same request again.
        racing: How many clients send each order at the same time.
    """

    deadlines: tuple[float, float] = (5.0, 5.0)
    racing: int = 1


PATIENT = Manner()


@dataclass
class Load:
    """A load on a mesh.

    Attributes:
        placed: Order id told to the client, by client order id.
        retries: How often a request had to be sent again, by status.
    """

    mesh: Mesh
    traders: list[Trader]
    instrument: str
    instrument_id: int
    draw: Random
    manner: Manner = PATIENT
    placed: dict[str, str] = field(default_factory=dict)
    retries: Counter[str] = field(default_factory=Counter)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @classmethod
    @asynccontextmanager
    async def open(cls, mesh: Mesh, seed: int, accounts: int, manner: Manner = PATIENT) -> AsyncIterator[Load]:
        """Opens accounts and an instrument of their own; an even number, as every second one sells."""
        async with AsyncExitStack() as stack:
            traders = [await stack.enter_async_context(trader(mesh)) for _ in range(accounts)]
            channel = await stack.enter_async_context(mesh.channel("order"))
            instrument = await new_instrument(traders[0])
            request = market_data_service_pb2.GetInstrumentRequest(instrument=instrument)
            listed = (await answered(lambda: traders[0].market_data.GetInstrument(request))).instrument
            for someone in traders:
                someone.orders = OrderServiceStub(someone.user.authorized(channel))
            yield cls(mesh, traders, instrument, listed.engine_instrument_id, Random(seed), manner)

    @asynccontextmanager
    async def running(self, orders: int, client: Client | None = None) -> AsyncIterator[None]:
        """Places orders for the time of a block and after it, until all were answered with success.

        Args:
            orders: How many.
            client: Places those of one trader; by PlaceOrder, one after the other, when none is given.
        """
        each = orders // len(self.traders)
        async with asyncio.TaskGroup() as clients:
            for number, someone in enumerate(self.traders):
                side = BUY if number % 2 == 0 else SELL
                mine = [self._order(someone, side) for _ in range(each)]
                clients.create_task((client or one_by_one)(self, someone, mine))
            yield

    def told(self, client_order_id: str, order_id: str) -> None:
        """Notes that a client was told of an order, which may be the same again."""
        assert self.placed.setdefault(client_order_id, order_id) == order_id
        self._changed.set()

    async def until_placed(self, count: int) -> None:
        """Waits until so many orders were answered."""
        while len(self.placed) < count:
            self._changed.clear()
            await self._changed.wait()

    async def until_refused(self, status: str) -> None:
        """Waits until another request failed with a status."""
        before = self.retries[status]
        while self.retries[status] == before:
            self._changed.clear()
            await self._changed.wait()

    async def settle(self) -> None:
        """Waits until nothing more can trade: one side at the most is left in the book."""

        async def live() -> list[order_pb2.Order]:
            return [order for someone in self.traders for order in await self.orders_of(someone) if _live(order)]

        def one_sided(orders: list[order_pb2.Order]) -> bool:
            return len({order.side for order in orders}) < 2

        async def explain(orders: list[order_pb2.Order]) -> str:
            return await MeshState(self.mesh).told(orders=orders)

        await eventually(live, one_sided, RECOVERY_SECONDS, explain)

    async def assert_counts_agree(self) -> None:
        """Compares what clients were told, the order log, the engine's executions and positions."""
        orders = {order.client_order_id: order for t in self.traders for order in await self.orders_of(t)}
        assert set(orders) == set(self.placed), "the log holds other orders than clients were told of"
        for client_order_id, order_id in self.placed.items():
            assert orders[client_order_id].order_id == order_id
        logged = {order.order_id: Decimal(order.cumulative_quantity) for order in orders.values()}
        assert await self._at_engine(set(logged)) == logged, "engine and log disagree on what has traded"
        for number, someone in enumerate(self.traders):
            await self._assert_position(someone, 1 if number % 2 == 0 else -1, logged)

    def _order(self, someone: Trader, side: trading_pb2.Side.ValueType) -> order_entry_pb2.PlaceOrderRequest:
        quantity = str(self.draw.randrange(1, 10))
        return someone.request(side, self.instrument, quantity, PRICE, client_order_id=uuid.uuid4().hex)

    async def place(self, someone: Trader, request: order_entry_pb2.PlaceOrderRequest) -> str:
        """Places an order, however often it takes, and returns its id."""
        patience = Patience(self.mesh, RECOVERY_SECONDS, 2 * RECOVERY_SECONDS)
        while True:
            try:
                answer = await someone.orders.PlaceOrder(request, timeout=self.draw.uniform(*self.manner.deadlines))
            except grpc.aio.AioRpcError as error:
                if error.code() not in _RETRIED:
                    raise
                if patience.is_over():
                    raise AssertionError(await MeshState(self.mesh).told()) from error
                self.retries[error.code().name] += 1
                self._changed.set()
                await asyncio.sleep(0.05)
            else:
                return answer.order.order_id

    async def orders_of(self, someone: Trader) -> list[order_pb2.Order]:
        """Returns all orders of a trader, by the log."""
        found: list[order_pb2.Order] = []
        token = ""
        while True:
            request = order_query_pb2.ListOrdersRequest(account_id=someone.account_id, page_size=1000, page_token=token)
            page = await answered(partial(someone.orders.ListOrders, request), RECOVERY_SECONDS)
            found += page.orders
            token = page.next_page_token
            if not token:
                return found

    async def _at_engine(self, order_ids: set[str]) -> dict[str, Decimal]:
        """Returns the quantity traded of each order by the engine's journal; an order accepted twice fails."""
        accepted: Counter[str] = Counter()
        traded = dict.fromkeys(order_ids, Decimal(0))
        async for execution in self._executions():
            if execution.instrument_id != self.instrument_id:
                continue
            order_id = str(uuid.UUID(bytes=execution.order_id))
            if execution.execution_type == execution_pb2.EXECUTION_TYPE_NEW:
                accepted[order_id] += 1
            elif execution.execution_type == execution_pb2.EXECUTION_TYPE_TRADE:
                traded[order_id] = traded.get(order_id, Decimal(0)) + execution.last_quantity_lots
        assert set(accepted) == order_ids, "the engine has other orders than the log"
        assert max(accepted.values()) == 1, "the engine has an order twice"
        return traded

    async def _executions(self) -> AsyncIterator[execution_pb2.Execution]:
        """Yields what the engine did for each shard of OrderService, which is a participant of its own."""
        async with self.mesh.channel("engine", as_="broker") as channel:
            stub = OrderEntryServiceStub(channel)
            for shard in range(self.mesh.local.shards):
                after = 0
                while True:
                    request = order_entry_service_pb2.QueryExecutionsRequest(
                        participant=f"simulation/{shard}", after_execution_sequence=after, limit=10_000
                    )
                    page = await answered(partial(stub.QueryExecutions, request), RECOVERY_SECONDS)
                    for execution in page.executions:
                        after = execution.execution_sequence
                        yield execution
                    if not page.executions:
                        break

    async def _assert_position(self, someone: Trader, sign: int, logged: dict[str, Decimal]) -> None:
        mine = {order.order_id for order in await self.orders_of(someone)}
        expected = sign * sum((logged[order_id] for order_id in mine), Decimal(0))
        request = position_query_pb2.ListPositionsRequest(account_id=someone.account_id, include_closed=True)
        async with someone.user.calling("portfolio") as channel:
            stub = PortfolioServiceStub(channel)

            async def held() -> Decimal:
                positions = (await answered(partial(stub.ListPositions, request), RECOVERY_SECONDS)).positions
                return sum((Decimal(p.quantity) for p in positions if p.instrument == self.instrument), Decimal(0))

            async def explain(quantity: Decimal) -> str:
                return f"{someone.account_id} should hold {expected}\n{await MeshState(self.mesh).told()}"

            await eventually(held, lambda quantity: quantity == expected, RECOVERY_SECONDS, explain)


def _live(order: order_pb2.Order) -> bool:
    return order.order_status in (ORDER_STATUS_PENDING_NEW, ORDER_STATUS_NEW, ORDER_STATUS_PARTIALLY_FILLED)


Client = Callable[[Load, Trader, Sequence[order_entry_pb2.PlaceOrderRequest]], Coroutine[Any, Any, None]]
"""Places orders of a trader until each was answered with success."""


async def one_by_one(load: Load, someone: Trader, orders: Sequence[order_entry_pb2.PlaceOrderRequest]) -> None:
    """Places orders by PlaceOrder, one after the other."""
    for request in orders:
        answers = await asyncio.gather(*(load.place(someone, request) for _ in range(load.manner.racing)))
        assert len(set(answers)) == 1, "the same request was told two orders"
        load.told(request.client_order_id, answers[0])
