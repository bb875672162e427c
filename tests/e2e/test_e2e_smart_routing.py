"""Smart order routing through the whole mesh: one symbol at two venues, makers on both."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import book_access_pb2, instrument_admin_pb2, instrument_pb2
from ordermesh.order.v1 import algorithm_pb2, order_pb2, order_preview_pb2, order_query_pb2, smart_routing_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW
from ordermesh.type.v1.trading_pb2 import TIME_IN_FORCE_DAY
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import BUY, SELL, Trader, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def listed_twice(maker: Trader) -> tuple[str, str]:
    """Makes a symbol with listings at two venues: 10 at 20.05 at the first, 6 at 20 and 20 at 20.10 at the second.

    Returns:
        The names of the listings, once their books tell it.
    """
    symbol = f"R{uuid.uuid4().hex[:10].upper()}"
    first, second = f"{symbol}.XTST", f"{symbol}.XTSB"
    for name in (first, second):
        await _list(maker, name)
    for name, quantity, price in ((first, "10", "20.05"), (second, "6", "20"), (second, "20", "20.1")):
        made = await maker.place(SELL, name, quantity, price)
        await maker.reports.until(made.order_id, ORDER_STATUS_NEW)
    await _told(maker, first, 1)
    await _told(maker, second, 2)
    return first, second


async def _list(maker: Trader, name: str) -> None:
    request = instrument_admin_pb2.CreateInstrumentRequest(
        instrument=name,
        asset_class=instrument_pb2.ASSET_CLASS_EQUITY,
        currency="USD",
        tick_size="0.01",
        lot_size="1",
    )
    await answered(lambda: maker.operator.market_data.CreateInstrument(request))


async def _told(maker: Trader, name: str, levels: int) -> None:
    """Waits until so many levels are offered."""
    asked = book_access_pb2.GetOrderBookRequest(instrument=name, depth=10)

    async def ask() -> book_access_pb2.GetOrderBookResponse:
        return await maker.market_data.GetOrderBook(asked)

    await eventually(ask, lambda told: len(told.book.asks) == levels)


def smart(seconds: int = 30, **asked: Any) -> algorithm_pb2.Algorithm:
    """Returns smart routing for some time."""
    routing = smart_routing_pb2.SmartRouting(**asked)
    return algorithm_pb2.Algorithm(smart_routing=routing, end_time=Timestamp(seconds=int(time.time()) + seconds))


async def children(taker: Trader, parent: order_pb2.Order) -> list[order_pb2.Order]:
    """Returns the children of an order, by instrument and id."""
    asked = order_query_pb2.ListOrdersRequest(account_id=taker.account_id, parent_order_id=parent.order_id)
    listed = (await taker.orders.ListOrders(asked)).orders
    return sorted(listed, key=lambda each: each.order_id)


async def test_a_routed_order_takes_the_cheaper_listing_first_and_fills_over_both(mesh: Mesh) -> None:
    """The preview tells the plan; children are linked, positions are in both, and the plan stays with the order."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        first, second = await listed_twice(maker)
        request = taker.request(BUY, first, "20", "20.1", time_in_force=TIME_IN_FORCE_DAY)
        request.algorithm.CopyFrom(smart())

        async def preview() -> order_preview_pb2.PreviewOrderResponse:
            return await taker.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=request))

        def cheapest(told: order_preview_pb2.PreviewOrderResponse) -> bool:
            routes = told.algorithm_schedule.plan.routing.routes
            planned = [(each.instrument, each.quantity, each.limit_price) for each in routes]
            return planned == [(second, "10", "20.1"), (first, "10", "20.05")]

        # OrderService may hear of the last level a little later than who asks for the book.
        previewed = await eventually(preview, cheapest)
        foretold = previewed.algorithm_schedule.plan.routing
        assert foretold.unrouted_quantity == "0"
        assert all(each.connection_id and float(each.expected_cost) > 0 for each in foretold.routes)

        parent = (await taker.orders.PlaceOrder(request)).order
        report = await taker.reports.until(parent.order_id, ORDER_STATUS_FILLED)
        # 6 x 20 + 10 x 20.05 + 4 x 20.1
        assert report.average_price == "20.045"
        kept = report.algorithm.plan.routing
        assert [(each.instrument, each.quantity) for each in kept.routes] == [(second, "10"), (first, "10")]
        assert kept.round == 1

        sent = await children(taker, parent)
        assert [(each.instrument, each.cumulative_quantity) for each in sent] == [(second, "10"), (first, "10")]
        assert {each.parent_order_id for each in sent} == {parent.order_id}
        assert (await taker.position(first, trades=1)).quantity == "10"
        assert (await taker.position(second, trades=2)).quantity == "10"


async def test_what_no_book_offers_rests_and_takes_what_comes(mesh: Mesh) -> None:
    """The rest of a limit order rests; a cancel of the order takes it back."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        first, _ = await listed_twice(maker)
        parent = await taker.place(
            BUY, first, "20", "20.05", time_in_force=TIME_IN_FORCE_DAY, algorithm=smart(max_rounds=3)
        )

        async def ask() -> list[order_pb2.Order]:
            return await children(taker, parent)

        def rests(child: order_pb2.Order) -> bool:
            return (child.order_status, child.quantity, child.limit_price) == (ORDER_STATUS_NEW, "4", "20.05")

        # A listing that is as new as these may be seen late: what rests by then is called back for it.
        sent = await eventually(ask, lambda found: any(map(rests, found)))
        resting = next(filter(rests, sent))
        sold = await maker.place(SELL, resting.instrument, "3", "20.05")
        await maker.reports.until(sold.order_id, ORDER_STATUS_FILLED)
        await taker.cancel(parent.order_id)
        ended = await taker.reports.until(parent.order_id, ORDER_STATUS_CANCELED)
        assert ended.cumulative_quantity == "19"


async def test_routing_over_rest_and_by_the_command(mesh: Mesh) -> None:
    """REST takes the same message; the command routes with `--algorithm smart`; what does not go with it is a 400."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        first, second = await listed_twice(maker)
        end_time = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30))
        body: dict[str, Any] = {
            "client_order_id": uuid.uuid4().hex,
            "account_id": taker.account_id,
            "instrument": first,
            "side": "SIDE_BUY",
            "type": "ORDER_TYPE_MARKET",
            "time_in_force": "TIME_IN_FORCE_DAY",
            "quantity": "5",
            "algorithm": {"smart_routing": {"venues": ["XTSB"]}, "end_time": end_time},
        }
        answer = await taker.rest.post("/api/v1/orders", json=body)
        assert answer.status_code == 200, answer.text
        report = await taker.reports.until(answer.json()["order"]["order_id"], ORDER_STATUS_FILLED)
        assert [each.instrument for each in report.algorithm.plan.routing.routes] == [second]
        body["algorithm"]["cross_at_end"] = True
        refused = await taker.rest.post("/api/v1/orders", json=body | {"client_order_id": uuid.uuid4().hex})
        assert refused.status_code == 400
        assert "ALGORITHM_MISMATCH" in refused.text
        done = await ordermesh(
            taker.user,
            *("order", "buy", first, "11", "--algorithm", "smart", "--end", "30s", "--json"),
            *("--account", taker.account_id),
        )
        assert done.code == 0, done
        filled = await taker.reports.until(done.json["order_id"], ORDER_STATUS_FILLED)
        assert filled.cumulative_quantity == "11"
