"""Orders that wait for the market, through the whole mesh: touched, trailed, over gRPC, REST and the command."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_query_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_RESTATED,
    EXECUTION_TYPE_SUSPENDED,
    EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_EXPIRED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_SUSPENDED,
)
from ordermesh.order.v1.trailing_stop_pb2 import TrailingStop
from ordermesh.type.v1 import error_pb2, trading_pb2
from tests.e2e.test_e2e_rest import order, until_status
from tests.fixtures.command import ordermesh
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, soon, trader
from tests.fixtures.waiting import answered, eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

TRIGGERED = EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM
GTC, GTD = trading_pb2.TIME_IN_FORCE_GTC, trading_pb2.TIME_IN_FORCE_GTD
TOUCHED: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_MARKET_IF_TOUCHED, "time_in_force": GTC}
TRAILING: dict[str, Any] = {"type": trading_pb2.ORDER_TYPE_TRAILING_STOP, "time_in_force": GTC}


async def told(someone: Trader, order_id: str) -> order_pb2.Order:
    """Returns an order as it stands, once somebody answers."""
    asked = order_query_pb2.GetOrderRequest(order_id=order_id)
    return (await answered(lambda: someone.orders.GetOrder(asked))).order


async def until(
    someone: Trader, order_id: str, holds: Callable[[order_pb2.Order], bool], seconds: float = 20.0
) -> order_pb2.Order:
    """Waits until an order is as wanted, whoever may be away meanwhile."""
    return await eventually(lambda: told(someone, order_id), holds, seconds)


def filled(order: order_pb2.Order) -> bool:
    """Tells whether an order is filled."""
    return order.order_status == ORDER_STATUS_FILLED


def has_stop_price(stop_price: str, order: order_pb2.Order) -> bool:
    """Tells whether an order has a stop price."""
    return order.stop_price == stop_price


async def trades_at(maker: Trader, taker: Trader, instrument: str, price: str) -> None:
    """Lets one share trade at a price."""
    sold = await maker.place(SELL, instrument, "1", price)
    bought = await taker.place(BUY, instrument, "1", price)
    for someone, each in ((maker, sold), (taker, bought)):
        await until(someone, each.order_id, filled)


async def test_a_touched_order_trades_once_the_market_comes_to_it(mesh: Mesh) -> None:
    """It waits here, in no book, until a trade at its price; then it takes what is there."""
    async with trader(mesh) as maker, trader(mesh) as taker, trader(mesh) as someone:
        instrument = await new_instrument(maker)
        await maker.place(BUY, instrument, "5", "49")
        waiting = await someone.place(SELL, instrument, "5", stop_price="52", **TOUCHED)
        assert waiting.order_status == ORDER_STATUS_SUSPENDED
        await trades_at(maker, taker, instrument, "51.99")
        assert (await told(someone, waiting.order_id)).order_status == ORDER_STATUS_SUSPENDED
        await trades_at(maker, taker, instrument, "52")
        done = await someone.reports.until(waiting.order_id, ORDER_STATUS_FILLED)
        assert (done.average_price, done.triggered) == ("49", True)
        types = [report.execution_type for report in someone.reports.of(waiting.order_id)]
        assert types[:2] == [EXECUTION_TYPE_SUSPENDED, TRIGGERED]


async def test_a_trailing_stop_follows_the_market_and_sells_behind_it(mesh: Mesh) -> None:
    """Its stop price rises with the trades, is told, and is reached from above."""
    async with trader(mesh) as maker, trader(mesh) as taker, trader(mesh) as someone:
        instrument = await new_instrument(maker)
        await maker.place(BUY, instrument, "5", "48")
        await trades_at(maker, taker, instrument, "50")
        trail = TrailingStop(percent="10")
        waiting = await someone.place_when_priced(SELL, instrument, "5", trailing_stop=trail, **TRAILING)
        for price, stop in (("50", "45"), ("60", "54")):
            await trades_at(maker, taker, instrument, price)
            await until(someone, waiting.order_id, partial(has_stop_price, stop))
        asked = order_entry_pb2.ReplaceOrderRequest(
            order_id=waiting.order_id, replace_id="r-1", trailing_stop=TrailingStop(amount="5")
        )
        replaced = (await someone.orders.ReplaceOrder(asked)).order
        assert (replaced.stop_price, replaced.trailing_stop.reference_price) == ("55", "60")
        await trades_at(maker, taker, instrument, "55")
        done = await someone.reports.until(waiting.order_id, ORDER_STATUS_FILLED)
        assert (done.average_price, done.stop_price) == ("48", "55")
        assert EXECUTION_TYPE_RESTATED in [r.execution_type for r in someone.reports.of(waiting.order_id)]


async def test_what_waits_here_expires_at_its_time(mesh: Mesh) -> None:
    """And no venue was ever told of it."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        fields = TOUCHED | {"time_in_force": GTD}
        waiting = await soon(lambda at: someone.place(SELL, instrument, "5", stop_price="52", expire_at=at, **fields))
        expired = await someone.reports.until(waiting.order_id, ORDER_STATUS_EXPIRED)
        assert (expired.reason, expired.venue_order_id) == (error_pb2.ERROR_REASON_EXPIRE_AT_REACHED, "")


async def test_conditional_orders_over_rest(someone: Trader) -> None:
    """Placed, read back, previewed, replaced and canceled; what does not go together names its field."""
    rest, account, instrument = someone.rest, someone.account_id, await new_instrument(someone)
    body = order(
        account,
        instrument=instrument,
        type="ORDER_TYPE_TRAILING_STOP",
        stop_price="300.50",
        trailing_stop={"percent": "2.5"},
        time_in_force="TIME_IN_FORCE_DAY",
    )
    body.pop("limit_price", None)
    previewed = await rest.post("/api/v1/orders:preview", json={"order": body})
    assert previewed.status_code == 200, previewed.text
    assert previewed.json()["route"]["supported"] is True
    answer = await rest.post("/api/v1/orders", json=body)
    assert answer.status_code == 200, answer.text
    placed = answer.json()["order"]
    assert (placed["order_status"], placed["stop_price"]) == ("ORDER_STATUS_SUSPENDED", "300.5")
    assert placed["trailing_stop"]["percent"] == "2.5"
    other = await rest.post("/api/v1/orders", json={**body, "trailing_stop": {"percent": "2.6"}})
    assert (other.status_code, other.json()["details"][0]["reason"]) == (409, "DUPLICATE_CLIENT_ORDER_ID")
    without = {name: value for name, value in body.items() if name != "trailing_stop"} | {"client_order_id": "none"}
    refused = await rest.post("/api/v1/orders", json=without)
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (400, "TRAILING_STOP_MISMATCH")
    path = f"/api/v1/orders/{placed['order_id']}"
    replaced = await rest.put(path, json={"replace_id": "r-1", "trailing_stop": {"ticks": 50}})
    assert replaced.status_code == 200, replaced.text
    assert replaced.json()["order"]["trailing_stop"]["ticks"] == 50
    assert (await rest.delete(path)).status_code == 200
    await until_status(rest, placed["order_id"], "ORDER_STATUS_CANCELED")


async def test_the_command_takes_conditional_orders(mesh: Mesh) -> None:
    """In words, and replaced; what waits for two things at once is wrong usage."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        mine = ("--account", someone.account_id)
        touched = await ordermesh(
            someone.user, "order", "sell", instrument, "5", "--touch", "52", "--limit", "51.5", *mine
        )
        assert (touched.code, touched.err) == (0, "")
        assert touched.out.startswith(f"suspended: sell 5 {instrument} at 51.5 or better once 52 is touched")
        trails = await ordermesh(
            someone.user, "order", "sell", instrument, "5", "--trail", "1.5%", "--stop", "40", "--json", *mine
        )
        assert (trails.json["type"], trails.json["trailing_stop"]["percent"]) == ("ORDER_TYPE_TRAILING_STOP", "1.5")
        replaced = await ordermesh(someone.user, "replace", trails.json["order_id"], "--trail", "20t")
        assert "20 ticks behind the market" in replaced.out
        for wrong in (("--touch", "5", "--stop", "4"), ("--trail", "5", "--limit", "4"), ("--trail", "xt")):
            outcome = await ordermesh(someone.user, "order", "sell", instrument, "1", *wrong, *mine)
            assert (outcome.code, outcome.out) == (2, "")
        await ordermesh(someone.user, "cancel", "--all", *mine)


@pytest.mark.parametrize("part", ["order", "marketdata"])
async def test_what_is_killed_around_a_trigger_releases_once(tmp_path: Path, part: str) -> None:
    """OrderService or MarketDataService, as the trade is made; the fill is one, in the log and in the position."""
    async with (
        running_mesh(tmp_path, WITHOUT_AGENTS) as mesh,
        trader(mesh) as maker,
        trader(mesh) as taker,
        trader(mesh) as someone,
    ):
        instrument = await new_instrument(maker)
        await maker.place(BUY, instrument, "50", "45")
        waiting = await someone.place(SELL, instrument, "5", stop_price="52", **TOUCHED)
        sold = await maker.place(SELL, instrument, "1", "52")
        await until(maker, sold.order_id, lambda each: each.order_status == ORDER_STATUS_NEW)
        bought = await taker.place(BUY, instrument, "1", "52")
        await mesh.kill(part)
        await mesh.until_serving(part)
        await until(taker, bought.order_id, filled, 60)
        await until(someone, waiting.order_id, filled, 60)
        history = order_query_pb2.GetOrderHistoryRequest(order_id=waiting.order_id)
        reports = (await answered(lambda: someone.orders.GetOrderHistory(history))).reports
        assert [report.execution_type for report in reports].count(TRIGGERED) == 1
        assert (await someone.position(instrument, trades=1)).quantity == "-5"
