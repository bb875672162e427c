"""Plugs pulled under load: no order lost, none twice. The short part, one fault of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_PENDING_REPLACE,
    EXECUTION_TYPE_REPLACED,
    EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
)
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_PENDING_REPLACE
from ordermesh.risk.v1 import risk_service_pb2
from ordermesh.type.v1.trading_pb2 import ORDER_TYPE_STOP_LIMIT
from tests.faults.load import RECOVERY_SECONDS, Load
from tests.faults.trading import Trading
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

PARTS = ("order", "risk", "broker", "portfolio", "marketdata", "identity", "engine", "redis", "postgres")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def breakable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own, whose parts are killed one after the other."""
    async with running_mesh(tmp_path_factory.mktemp("faults"), WITHOUT_AGENTS) as mesh:
        yield mesh


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_costs_no_order(breakable: Mesh, part: str) -> None:
    """Every order told as placed is in the log once, at the engine once, and in the positions; no other order is."""
    async with Load.open(breakable, seed=42, accounts=4) as load:
        async with load.running(orders=400):
            await load.until_placed(120)
            await breakable.kill(part)
        await breakable.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()


@pytest.mark.parametrize("part", ["order", "risk", "postgres"])
async def test_trade_streams_lose_and_repeat_nothing(breakable: Mesh, part: str) -> None:
    """Clients that send unanswered batches again, and resume, have each order once and know all that happened."""
    async with Load.open(breakable, seed=43, accounts=4) as load:
        trading = Trading()
        async with load.running(orders=400, client=trading.client):
            await load.until_placed(120)
            await breakable.kill(part)
        await breakable.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()
        await trading.assert_told_all(load)


async def order_of(someone: Trader, order_id: str) -> order_pb2.Order:
    """Returns an order as it stands, asked for again while a part is away."""
    request = order_query_pb2.GetOrderRequest(order_id=order_id)
    return (await answered(lambda: someone.orders.GetOrder(request), RECOVERY_SECONDS)).order


async def may_buy(someone: Trader) -> str:
    """Returns what risk holds for the account's open buy orders."""
    request = risk_service_pb2.GetRiskMetricsRequest(account_id=someone.account_id)
    metrics = (await answered(lambda: someone.risk.GetRiskMetrics(request), RECOVERY_SECONDS)).metrics
    return metrics.exposures[0].open_buy_quantity if metrics.exposures else "0"


@pytest.mark.parametrize("part", ["order", "risk", "broker", "engine", "postgres"])
async def test_a_part_killed_while_a_replace_is_on_its_way(breakable: Mesh, part: str) -> None:
    """The engine stands still, so that the replace waits for it; it is made once; risk holds the larger meanwhile."""
    async with trader(breakable) as buyer, trader(breakable) as seller:
        instrument = await new_instrument(buyer)
        bid = await buyer.place(BUY, instrument, "10", "50")
        await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
        asked = order_entry_pb2.ReplaceOrderRequest(
            order_id=bid.order_id, replace_id="r-1", quantity="16", limit_price="51"
        )
        breakable.suspend("engine")
        try:
            pending = (await buyer.orders.ReplaceOrder(asked)).order
            assert (pending.order_status, pending.quantity) == (ORDER_STATUS_PENDING_REPLACE, "10")
            await eventually(lambda: may_buy(buyer), lambda held: held == "16")
            await breakable.kill(part)
            await eventually(lambda: may_buy(buyer), lambda held: held == "16", RECOVERY_SECONDS)
        finally:
            breakable.resume("engine")
        await breakable.until_serving(part)
        again = (await answered(lambda: buyer.orders.ReplaceOrder(asked), RECOVERY_SECONDS)).order
        assert again.replace.replace_id == "r-1"
        replaced = await eventually(
            lambda: order_of(buyer, bid.order_id),
            lambda found: found.order_status == ORDER_STATUS_NEW,
            RECOVERY_SECONDS,
        )
        assert (replaced.quantity, replaced.limit_price) == ("16", "51")
        await seller.place(SELL, instrument, "20", "51")
        filled = await eventually(
            lambda: order_of(buyer, bid.order_id),
            lambda found: found.order_status == ORDER_STATUS_FILLED,
            RECOVERY_SECONDS,
        )
        assert (filled.cumulative_quantity, filled.average_price) == ("16", "51")
        history = await buyer.orders.GetOrderHistory(order_query_pb2.GetOrderHistoryRequest(order_id=bid.order_id))
        types = [report.execution_type for report in history.reports]
        assert [types.count(each) for each in (EXECUTION_TYPE_PENDING_REPLACE, EXECUTION_TYPE_REPLACED)] == [1, 1]
        assert (await buyer.position(instrument, trades=1)).quantity == "16"
        await eventually(lambda: may_buy(buyer), lambda held: held == "0", RECOVERY_SECONDS)


async def test_a_stop_order_outlives_whoever_carries_it(breakable: Mesh) -> None:
    """It waits while order, broker and engine are killed one after the other, and is released and filled once."""
    async with trader(breakable) as someone, trader(breakable) as maker:
        instrument = await new_instrument(someone)
        stop = await someone.place(BUY, instrument, "4", "52", type=ORDER_TYPE_STOP_LIMIT, stop_price="51")
        await someone.reports.until(stop.order_id, ORDER_STATUS_NEW)
        for part in ("order", "broker", "engine"):
            await breakable.kill(part)
            await breakable.until_serving(part)
        waiting = await order_of(someone, stop.order_id)
        assert (waiting.order_status, waiting.stop_price, waiting.triggered) == (ORDER_STATUS_NEW, "51", False)
        assert await may_buy(someone) == "4"
        await maker.place(SELL, instrument, "5", "51")
        async with trader(breakable) as taker:
            await taker.place(BUY, instrument, "1", "51")
            filled = await eventually(
                lambda: order_of(someone, stop.order_id),
                lambda found: found.order_status == ORDER_STATUS_FILLED,
                RECOVERY_SECONDS,
            )
        assert (filled.triggered, filled.average_price) == (True, "51")
        request = order_query_pb2.GetOrderHistoryRequest(order_id=stop.order_id)
        history = await answered(lambda: someone.orders.GetOrderHistory(request), RECOVERY_SECONDS)
        types = [report.execution_type for report in history.reports]
        assert types.count(EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM) == 1
        assert (await someone.position(instrument, trades=1)).quantity == "4"
