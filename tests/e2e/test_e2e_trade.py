"""Trade through the gateway: commands in, executions out, and what happens to the orders of a client that is gone."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from ordermesh.order.v1.trade_stream_pb2 import CancelOnDisconnect
from services.mesh.client import Channels
from tests.fakes.trade_client import TradeClient, canceling, placing
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


@asynccontextmanager
async def trading(mesh: Mesh, someone: Trader, *, leased: bool = False) -> AsyncIterator[TradeClient]:
    """Opens a Trade stream for a trader, through the gateway."""
    channels = Channels()
    fields = {"cancel_on_disconnect": CancelOnDisconnect()} if leased else {}
    try:
        stub = OrderServiceStub(someone.user.authorized(channels.to(mesh.address("gateway"))))
        async with TradeClient.open(stub, someone.account_id, **fields) as client:
            await client.until(lambda: "snapshot_end" in client.items())
            yield client
    finally:
        await channels.close()


async def test_two_traders_trade_on_their_streams(mesh: Mesh) -> None:
    """Orders, cancels and executions of both, each on its own stream, to the positions."""
    async with (
        trader(mesh) as buyer,
        trader(mesh) as seller,
        trading(mesh, buyer) as buys,
        trading(mesh, seller) as sells,
    ):
        instrument = await new_instrument(buyer)
        bids = [buyer.request(BUY, instrument, "1", "50") for _ in range(100)]
        asks = [seller.request(SELL, instrument, "1", "50") for _ in range(99)]
        placed = [result.order for result in await buys.ask(*map(placing, bids))]
        await buys.until(lambda: sum(report.order_status == ORDER_STATUS_NEW for report in buys.reports) == 100)
        await sells.ask(*map(placing, asks))
        await sells.until(lambda: sum(r.order_status == ORDER_STATUS_FILLED for r in sells.reports) == 99)
        await buys.until(lambda: sum(r.order_status == ORDER_STATUS_FILLED for r in buys.reports) == 99)
        filled = {report.order_id for report in buys.reports if report.order_status == ORDER_STATUS_FILLED}
        (left,) = {order.order_id for order in placed} - filled
        await buys.ask(canceling(left))
        await buys.until(lambda: buys.reports[-1].order_status == ORDER_STATUS_CANCELED)
        await buyer.reports.until(left, ORDER_STATUS_CANCELED)
        assert buys.reports == buyer.reports.reports
        assert (await buyer.position(instrument, trades=99)).quantity == "99"
        assert (await seller.position(instrument, trades=99)).quantity == "-99"
        await buys.close()
        await sells.close()


async def test_a_stream_may_take_more_than_the_largest_request(mesh: Mesh) -> None:
    """The gateway's limit is for requests with one message; what a stream takes in all has none."""
    async with trader(mesh) as someone, trading(mesh, someone) as trade:
        wrong = someone.request(BUY, "LONG.XTST", "1", "50", client_order_id="x" * 64)
        wrong.account_id = "y" * 64
        batch = [placing(wrong)] * 500
        size = sum(command.ByteSize() for command in batch)
        batches = -(-(3 << 19) // size)
        for _ in range(batches):
            results = await trade.ask(*batch)
            assert len(results) == 500
            assert all(result.HasField("error") for result in results)
        await trade.close()


async def test_the_gateway_hands_on_how_a_stream_ended(mesh: Mesh) -> None:
    """Closed in order, orders stay; cut, they are canceled; out of sequence, the error has its reason."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        async with trading(mesh, someone, leased=True) as trade:
            kept = await trade.place(someone.request(BUY, instrument, "1", "50"))
            await someone.reports.until(kept.order_id, ORDER_STATUS_NEW)
            await trade.close()
        async with trading(mesh, someone, leased=True) as trade:
            assert [order.order_id for order in trade.responses[2].snapshot.orders] == [kept.order_id]
            await trade.send(placing(someone.request(BUY, instrument, "1", "50")), sequence=5)
            await trade.end()
            assert trade.error is not None
            assert trade.error.reason == "COMMAND_OUT_OF_SEQUENCE"
        await someone.reports.until(kept.order_id, ORDER_STATUS_CANCELED)
        async with trading(mesh, someone, leased=True) as trade:
            lost = await trade.place(someone.request(BUY, instrument, "1", "50", client_order_id=uuid.uuid4().hex))
            await someone.reports.until(lost.order_id, ORDER_STATUS_NEW)
        await someone.reports.until(lost.order_id, ORDER_STATUS_CANCELED)
