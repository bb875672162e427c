"""Stop, stop-limit, iceberg, post-only and good-till-date orders through the whole mesh: gRPC, REST and the command."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import grpc
import httpx
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import book_access_pb2
from ordermesh.order.v1 import order_entry_pb2, order_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_NEW,
    EXECUTION_TYPE_PENDING_NEW,
    EXECUTION_TYPE_REPLACE_REJECTED,
    EXECUTION_TYPE_REPLACED,
    EXECUTION_TYPE_TRADE,
    EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_EXPIRED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    ORDER_STATUS_REJECTED,
)
from ordermesh.type.v1 import error_pb2, trading_pb2
from tests.e2e.test_e2e_rest import order, until_status
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import BUY, DAY, SELL, Trader, new_instrument, soon, trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

STOP, STOP_LIMIT = trading_pb2.ORDER_TYPE_STOP, trading_pb2.ORDER_TYPE_STOP_LIMIT
GTD = trading_pb2.TIME_IN_FORCE_GTD
TRIGGERED = EXECUTION_TYPE_TRIGGERED_OR_ACTIVATED_BY_SYSTEM


async def resting(someone: Trader, side: trading_pb2.Side.ValueType, *order_of: str, **fields: Any) -> order_pb2.Order:
    """Places an order and waits until the venue has it."""
    placed = await someone.place(side, *order_of, **fields)
    await someone.reports.until(placed.order_id, ORDER_STATUS_NEW)
    return placed


async def asks(someone: Trader, instrument: str) -> list[tuple[str, str]]:
    """Returns prices and quantities that the book offers; nothing while the market has none."""
    try:
        book = await someone.market_data.GetOrderBook(book_access_pb2.GetOrderBookRequest(instrument=instrument))
    except grpc.aio.AioRpcError as error:
        if error.code() != grpc.StatusCode.FAILED_PRECONDITION:
            raise
        return []
    return [(level.price, level.quantity) for level in book.book.asks]


async def test_a_stop_order_waits_is_released_and_fills(mesh: Mesh) -> None:
    """It is in no book and trades nothing until somebody trades at its price; then it takes what is offered."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await new_instrument(maker)
        for quantity, price in (("2", "50"), ("5", "52"), ("9", "53")):
            await resting(maker, SELL, instrument, quantity, price)
        stop = await resting(someone, BUY, instrument, "6", type=STOP, stop_price="52", time_in_force=DAY)
        assert (stop.type, stop.stop_price, stop.limit_price, stop.triggered) == (STOP, "52", "", False)
        limited = await resting(someone, BUY, instrument, "3", "52.5", type=STOP_LIMIT, stop_price="52.01")
        async with trader(mesh) as taker:
            early = await taker.place(BUY, instrument, "2", "50")
            await taker.reports.until(early.order_id, ORDER_STATUS_FILLED)
            assert [report.execution_type for report in someone.reports.of(stop.order_id)] == [
                EXECUTION_TYPE_PENDING_NEW,
                EXECUTION_TYPE_NEW,
            ]
            late = await taker.place(BUY, instrument, "1", "52")
            await taker.reports.until(late.order_id, ORDER_STATUS_FILLED)
        filled = await someone.reports.until(stop.order_id, ORDER_STATUS_FILLED)
        reports = someone.reports.of(stop.order_id)
        assert [report.execution_type for report in reports[2:]] == [
            TRIGGERED,
            EXECUTION_TYPE_TRADE,
            EXECUTION_TYPE_TRADE,
        ]
        assert (reports[2].order_status, reports[2].triggered, reports[1].triggered) == (ORDER_STATUS_NEW, True, False)
        assert [(report.last_quantity, report.last_price) for report in reports[3:]] == [("4", "52"), ("2", "53")]
        assert (filled.type, filled.stop_price) == (STOP, "52")
        # Its fill at 53 has released the stop-limit order in turn, which does not pay so much and rests.
        released = await someone.reports.until_type(limited.order_id, TRIGGERED)
        assert (released.order_status, released.limit_price) == (ORDER_STATUS_NEW, "52.5")
        assert (await someone.position(instrument, trades=2)).quantity == "6"
        metrics = await someone.orders.CancelAllOrders(
            order_entry_pb2.CancelAllOrdersRequest(account_id=someone.account_id)
        )
        assert metrics.count == 1
        await someone.reports.until(limited.order_id, ORDER_STATUS_CANCELED)


async def test_a_stop_price_is_replaced_while_the_order_waits(mesh: Mesh) -> None:
    """The new price counts, at once where it is reached already; after that there is none to replace."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await new_instrument(maker)
        await resting(maker, SELL, instrument, "2", "50")
        await resting(maker, SELL, instrument, "5", "51")
        stop = await resting(someone, BUY, instrument, "1", "51", type=STOP_LIMIT, stop_price="55")
        async with trader(mesh) as taker:
            trade = await taker.place(BUY, instrument, "2", "50")
            await taker.reports.until(trade.order_id, ORDER_STATUS_FILLED)
        asked = order_entry_pb2.ReplaceOrderRequest(order_id=stop.order_id, replace_id="r-1", stop_price="50")
        pending = (await someone.orders.ReplaceOrder(asked)).order
        assert (pending.stop_price, pending.replace.stop_price) == ("55", "50")
        replaced = await someone.reports.until_type(stop.order_id, EXECUTION_TYPE_REPLACED)
        assert (replaced.stop_price, replaced.replace.original_stop_price) == ("50", "55")
        filled = await someone.reports.until(stop.order_id, ORDER_STATUS_FILLED)
        assert (filled.average_price, filled.triggered) == ("51", True)


async def test_an_iceberg_shows_its_tip(mesh: Mesh) -> None:
    """Depth tells the display quantity only; a taker gets all of it; a new quantity leaves the tip as it is."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        instrument = await new_instrument(maker)
        iceberg = await resting(maker, SELL, instrument, "10", "50", display_quantity="2")
        assert iceberg.display_quantity == "2"
        assert await eventually(lambda: asks(maker, instrument), bool) == [("50", "2")]
        bought = await taker.place(BUY, instrument, "5", "50")
        await taker.reports.until(bought.order_id, ORDER_STATUS_FILLED)
        partly = await maker.reports.until(iceberg.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        assert (partly.display_quantity, partly.leaves_quantity) != ("", "0")
        assert await eventually(lambda: asks(maker, instrument), lambda told: told == [("50", "1")])
        asked = order_entry_pb2.ReplaceOrderRequest(order_id=iceberg.order_id, replace_id="r-1", quantity="20")
        await maker.orders.ReplaceOrder(asked)
        replaced = await maker.reports.until_type(iceberg.order_id, EXECUTION_TYPE_REPLACED)
        assert (replaced.leaves_quantity, replaced.display_quantity) == ("15", "2")
        assert await eventually(lambda: asks(maker, instrument), lambda told: told == [("50", "2")])
        await maker.cancel(iceberg.order_id)


async def test_a_dated_order_expires_by_itself(mesh: Mesh) -> None:
    """Until then it rests and trades; then it is EXPIRED with its reason, and nothing of it is in the book."""
    async with trader(mesh) as maker:
        instrument = await new_instrument(maker)

        async def rests(expire_at: datetime) -> order_pb2.Order | None:
            placed = await maker.place(SELL, instrument, "10", "50", time_in_force=GTD, expire_at=expire_at)
            assert placed.expire_at.ToDatetime(tzinfo=UTC) == expire_at
            first = await maker.reports.until(
                placed.order_id, ORDER_STATUS_NEW, ORDER_STATUS_EXPIRED, ORDER_STATUS_REJECTED
            )
            return placed if first.order_status == ORDER_STATUS_NEW else None

        dated = await soon(rests)
        expired = await maker.reports.until(dated.order_id, ORDER_STATUS_EXPIRED)
        assert (expired.reason, expired.leaves_quantity) == (error_pb2.ERROR_REASON_EXPIRE_AT_REACHED, "0")
        assert expired.times.venue_at.ToDatetime(tzinfo=UTC) >= dated.expire_at.ToDatetime(tzinfo=UTC)
        assert await eventually(lambda: asks(maker, instrument), lambda told: not told) == []


async def test_a_post_only_order_never_takes(mesh: Mesh) -> None:
    """One that would is refused by its reason; one that rests stays passive when it is replaced."""
    async with trader(mesh) as maker, trader(mesh) as someone:
        instrument = await new_instrument(maker)
        await resting(maker, SELL, instrument, "10", "50")
        refused = await someone.place(BUY, instrument, "1", "50", post_only=True)
        told = await someone.reports.until(refused.order_id, ORDER_STATUS_REJECTED)
        assert (told.reason, told.post_only) == (error_pb2.ERROR_REASON_POST_ONLY_WOULD_TRADE, True)
        passive = await resting(someone, BUY, instrument, "1", "49", post_only=True)
        asked = order_entry_pb2.ReplaceOrderRequest(order_id=passive.order_id, replace_id="r-1", limit_price="50")
        await someone.orders.ReplaceOrder(asked)
        kept = await someone.reports.until_type(passive.order_id, EXECUTION_TYPE_REPLACE_REJECTED)
        assert (kept.order_status, kept.limit_price) == (ORDER_STATUS_NEW, "49")
        assert kept.reason == error_pb2.ERROR_REASON_POST_ONLY_WOULD_TRADE
        await someone.cancel(passive.order_id)


async def test_stop_orders_over_rest(rest: httpx.AsyncClient, someone: Trader) -> None:
    """Placed with every instruction, read back, seen waiting at the venue, replaced by PUT, canceled."""
    desk, rest = rest, someone.rest
    account, instrument = someone.account_id, await new_instrument(someone)
    body = order(
        account,
        instrument=instrument,
        type="ORDER_TYPE_STOP_LIMIT",
        stop_price="300.50",
        limit_price="301",
        display_quantity="4",
        time_in_force="TIME_IN_FORCE_GTD",
        expire_at="2100-01-02T03:04:05.000006Z",
    )
    answer = await rest.post("/api/v1/orders", json=body)
    assert answer.status_code == 200, answer.text
    again = await rest.post("/api/v1/orders", json=body)
    order_id = answer.json()["order"]["order_id"]
    assert again.json()["order"]["order_id"] == order_id
    other = await rest.post("/api/v1/orders", json={**body, "stop_price": "300.51"})
    assert (other.status_code, other.json()["details"][0]["reason"]) == (409, "DUPLICATE_CLIENT_ORDER_ID")
    told = await until_status(rest, order_id, "ORDER_STATUS_NEW")
    assert (told["stop_price"], told["display_quantity"], told["post_only"], told["triggered"]) == (
        "300.5",
        "4",
        False,
        False,
    )
    assert told["expire_at"] == "2100-01-02T03:04:05.000006Z"
    listed = (await desk.get("/api/v1/brokers/simulation/orders", params={"page_size": 1000})).json()["orders"]
    [waiting] = [each for each in listed if each["order_id"] == order_id]
    assert (waiting["terms"]["type"], waiting["terms"]["instructions"]["stop_price"]) == (
        "ORDER_TYPE_STOP_LIMIT",
        "300.5",
    )
    assert waiting["terms"]["instructions"]["expire_at"] == told["expire_at"]
    path = f"/api/v1/orders/{order_id}"
    refused = await rest.put(path, json={"replace_id": "r-1", "stop_price": "300.001"})
    assert (refused.status_code, refused.json()["details"][0]["reason"]) == (400, "PRICE_OFF_TICK")
    assert (await rest.put(path, json={"replace_id": "r-1", "stop_price": "299"})).status_code == 200
    replaced = await until_status(rest, order_id, "ORDER_STATUS_NEW")
    assert (replaced["stop_price"], replaced["display_quantity"]) == ("299", "4")
    history = (await rest.get(f"{path}/history")).json()["reports"]
    assert [report["stop_price"] for report in history] == ["300.5", "300.5", "300.5", "299"]
    assert (await rest.delete(path)).status_code == 200
    await until_status(rest, order_id, "ORDER_STATUS_CANCELED")


async def test_the_command_takes_every_instruction(mesh: Mesh) -> None:
    """In words, in the table, and replaced; what is no time is wrong usage."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        mine = ("--account", someone.account_id)
        words = ("order", "buy", instrument, "10", "--limit", "21", "--stop", "20.50", "--display", "4", *mine)
        placed = await ordermesh(someone.user, *words, "--until", "2100-01-02T03:04:05Z")
        assert (placed.code, placed.err) == (0, "")
        assert placed.out.startswith(f"new: buy 10 {instrument} at 21 or better from 20.5 on (shows 4, until 2100-01-0")
        passive = await ordermesh(
            someone.user, "order", "buy", instrument, "1", "--limit", "20", "--post-only", "--json", *mine
        )
        assert (passive.json["post_only"], passive.json["time_in_force"]) == (True, "TIME_IN_FORCE_DAY")
        listed = await ordermesh(someone.user, "orders", *mine)
        assert "shows 4, until 2100-01-0" in listed.out
        assert "post-only" in listed.out
        first = next(
            each
            for each in (await ordermesh(someone.user, "orders", "--json", *mine)).json["orders"]
            if each["stop_price"]
        )
        replaced = await ordermesh(someone.user, "replace", first["order_id"], "--stop", "20.25")
        assert "from 20.25 on" in replaced.out
        stop = await ordermesh(someone.user, "order", "sell", instrument, "1", "--stop", "19", "--json", *mine)
        assert (stop.json["type"], stop.json["order_status"]) == ("ORDER_TYPE_STOP", "ORDER_STATUS_NEW")
        for wrong in (("--until", "tomorrow"), ("--until", "2100-01-01", "--tif", "gtc")):
            outcome = await ordermesh(someone.user, "order", "buy", instrument, "1", "--limit", "5", *wrong, *mine)
            assert (outcome.code, outcome.out) == (2, "")
        await ordermesh(someone.user, "cancel", "--all", *mine)
