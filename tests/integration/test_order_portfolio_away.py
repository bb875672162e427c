"""OrderService starts anew while PortfolioService is away: who has open orders finds and cancels them all the same."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import grpc
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_entry_pb2 import CancelAllOrdersRequest, CancelOrderRequest
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_NEW, ORDER_STATUS_REJECTED
from ordermesh.order.v1.order_query_pb2 import GetOrderRequest
from services.mesh.status import from_rpc_error
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, Trader, new_instrument, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def breakable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own."""
    async with running_mesh(tmp_path_factory.mktemp("portfolio-away"), WITHOUT_AGENTS) as running:
        yield running


@pytest.mark.parametrize("restarted", [("order",), ("broker",), ("order", "broker")], ids="-".join)
async def test_open_orders_are_canceled_by_what_the_services_have_stored(
    breakable: Mesh, restarted: tuple[str, ...]
) -> None:
    """Over gRPC and REST, one by one and all at once; another's stay unknown, as before.

    The order that another has just placed may still be on its way to the venue: nobody can tell then whose it is. It
    holds up nobody else's.
    """
    async with trader(breakable) as someone, trader(breakable) as other:
        instrument = await new_instrument(someone)
        orders = [await someone.place(BUY, instrument, "1", "5") for _ in range(4)]
        for each in orders:
            await someone.reports.until(each.order_id, ORDER_STATUS_NEW)
        another = await other.place(BUY, instrument, "1", "5")
        breakable.suspend("portfolio")
        try:
            for name in restarted:
                await breakable.kill(name)
            for name in restarted:
                await breakable.until_serving(name)
            first, second, *rest = (each.order_id for each in orders)
            with pytest.raises(grpc.aio.AioRpcError) as failure:
                await answered(lambda: other.cancel(first))
            assert from_rpc_error(failure.value).reason == "UNKNOWN_ORDER"
            await _canceled(someone, first)
            assert (await someone.rest.delete(f"/api/v1/orders/{second}")).status_code == 200
            listed = await someone.rest.get("/api/v1/orders", params={"account_id": someone.account_id})
            assert {each["order_id"] for each in listed.json()["orders"]} >= set(rest)
            request = CancelAllOrdersRequest(account_id=someone.account_id)
            for canceled in (first, second):
                await eventually(partial(_status, someone, canceled), lambda told: told == ORDER_STATUS_CANCELED)
            assert set((await someone.orders.CancelAllOrders(request, timeout=5)).order_ids) == set(rest)
            for canceled in rest:
                await eventually(partial(_status, someone, canceled), lambda told: told == ORDER_STATUS_CANCELED)
        finally:
            breakable.resume("portfolio")
        decided = (ORDER_STATUS_NEW, ORDER_STATUS_REJECTED)
        await eventually(partial(_status, other, another.order_id), lambda told: told in decided)


async def _canceled(someone: Trader, order_id: str) -> None:
    """Cancels an order, and sees it."""
    stub: Any = someone.orders
    await stub.CancelOrder(CancelOrderRequest(order_id=order_id), timeout=5)
    order = (await stub.GetOrder(GetOrderRequest(order_id=order_id), timeout=5)).order
    assert order.order_id == order_id


async def _status(someone: Trader, order_id: str) -> int:
    return int((await someone.orders.GetOrder(GetOrderRequest(order_id=order_id), timeout=5)).order.order_status)
