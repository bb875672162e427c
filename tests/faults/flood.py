"""Clients that send all they have at once, do not wait for answers, and take none for an invitation to try again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import grpc

from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from services.kernel.errors import CodedError
from services.mesh.status import from_rpc_error, from_status
from tests.fakes.trade_client import TradeClient, placing
from tests.faults.load import Load, one_by_one
from tests.fixtures.direct import direct_channels
from tests.fixtures.trader import Trader

PLACED: Final = "PLACED"
_PER_BATCH: Final = 10


@dataclass
class Flood:
    """What clients were told who sent everything at once.

    Attributes:
        told: How often which answer was given, by reason; `PLACED` for success.
        retry_untold: Refusals for load that did not say when to try again.
    """

    told: Counter[str] = field(default_factory=Counter)
    retry_untold: int = 0
    _left: list[tuple[Trader, list[PlaceOrderRequest]]] = field(default_factory=list)

    async def client(self, load: Load, someone: Trader, orders: Sequence[PlaceOrderRequest]) -> None:
        """Sends half of a trader's orders by calls of their own, and half over a Trade stream, all at once."""
        half = len(orders) // 2
        await asyncio.gather(
            *(self._call(load, someone, request) for request in orders[:half]),
            self._stream(load, someone, orders[half:]),
        )
        self._left.append((someone, [each for each in orders if each.client_order_id not in load.placed]))

    async def again(self, load: Load) -> None:
        """Sends what was not placed once more under the same ids, patiently, until it is."""
        left, self._left = self._left, []
        await asyncio.gather(*(one_by_one(load, someone, orders) for someone, orders in left))

    async def _call(self, load: Load, someone: Trader, request: PlaceOrderRequest) -> None:
        try:
            answer = await someone.orders.PlaceOrder(request, timeout=load.draw.uniform(*load.manner.deadlines))
        except grpc.aio.AioRpcError as error:
            self._refused(from_rpc_error(error))
        else:
            self._placed(load, request, answer.order.order_id)

    async def _stream(self, load: Load, someone: Trader, orders: Sequence[PlaceOrderRequest]) -> None:
        batches = [orders[first : first + _PER_BATCH] for first in range(0, len(orders), _PER_BATCH)]
        channels = direct_channels(load.mesh)
        stub: Any = OrderServiceStub(someone.user.authorized(channels.to(load.mesh.address("order"))))
        try:
            async with TradeClient.open(stub, someone.account_id) as trade:
                for batch in batches:
                    await trade.send(*map(placing, batch))
                await trade.until(lambda: len(trade.results) == len(batches))
                for number, batch in enumerate(batches, 1):
                    for request, result in zip(batch, trade.results[number], strict=True):
                        if result.HasField("order"):
                            self._placed(load, request, result.order.order_id)
                        else:
                            self._refused(from_status(result.error))
        finally:
            await channels.close()

    def _placed(self, load: Load, request: PlaceOrderRequest, order_id: str) -> None:
        self.told[PLACED] += 1
        load.told(request.client_order_id, order_id)

    def _refused(self, error: CodedError) -> None:
        self.told[error.reason] += 1
        if error.reason == "OVERLOADED" and error.retry_after_seconds is None:
            self.retry_untold += 1
