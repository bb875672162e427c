"""The same orders over REST, Server-Sent Events and grpc-web, through the real gateway."""

from __future__ import annotations

import asyncio
import base64
import uuid
from typing import Any

import httpx
import pytest

from ordermesh.marketdata.v1 import market_data_service_pb2
from tests.fixtures.events import events, web_frame, web_frames
from tests.fixtures.trader import Trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

INSTRUMENT = "MSFT.XNAS"


def order(account: str, side: str = "SIDE_BUY", **changes: Any) -> dict[str, Any]:
    """Returns the JSON of a limit order, changed as asked; a field that is None is left out."""
    fields = {
        "client_order_id": uuid.uuid4().hex,
        "account_id": account,
        "instrument": INSTRUMENT,
        "side": side,
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "quantity": "10",
        "limit_price": "300",
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


async def until_status(rest: httpx.AsyncClient, order_id: str, *statuses: str) -> dict[str, Any]:
    """Asks for an order until it is in one of some states."""

    async def ask() -> dict[str, Any]:
        answer = await rest.get(f"/api/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()["order"]
        return found

    return await eventually(ask, lambda found: found["order_status"] in statuses)


async def test_an_order_from_first_to_last(someone: Trader) -> None:
    """Placed by POST, read by GET, listed, its history told, canceled by DELETE."""
    rest, account = someone.rest, someone.account_id
    placed = await rest.post("/api/v1/orders", json=order(account, limit_price="300.50"))
    assert placed.status_code == 200, placed.text
    told = placed.json()["order"]
    assert told["order_status"] == "ORDER_STATUS_PENDING_NEW"
    assert told["limit_price"] == "300.5"
    order_id = told["order_id"]
    await until_status(rest, order_id, "ORDER_STATUS_NEW")
    listed = (await rest.get("/api/v1/orders", params={"account_id": account, "status": "ORDER_STATUS_NEW"})).json()
    assert [entry["order_id"] for entry in listed["orders"]] == [order_id]
    canceled = await rest.delete(f"/api/v1/orders/{order_id}")
    assert canceled.json()["order"]["order_status"] == "ORDER_STATUS_PENDING_CANCEL"
    await until_status(rest, order_id, "ORDER_STATUS_CANCELED")
    history = (await rest.get(f"/api/v1/orders/{order_id}/history")).json()["reports"]
    assert [report["execution_type"].removeprefix("EXECUTION_TYPE_") for report in history] == [
        "PENDING_NEW",
        "NEW",
        "PENDING_CANCEL",
        "CANCELED",
    ]
    again = await rest.post(f"/api/v1/orders/{order_id}/cancel", json={})
    assert again.status_code == 400
    assert again.json()["details"][0]["reason"] == "ORDER_NOT_LIVE"


async def test_an_order_is_replaced_by_put(someone: Trader) -> None:
    """The order's own path takes new terms; what is wrong with them is told, and changes nothing."""
    rest, account = someone.rest, someone.account_id
    placed = (await rest.post("/api/v1/orders", json=order(account))).json()["order"]
    path = f"/api/v1/orders/{placed['order_id']}"
    before = await until_status(rest, placed["order_id"], "ORDER_STATUS_NEW")
    for body, code, reason in (
        ({"quantity": "5"}, 400, "INVALID_FIELD"),
        ({"replace_id": "r-1"}, 400, "INVALID_FIELD"),
        ({"replace_id": "r-1", "quantity": "0"}, 400, "INVALID_FIELD"),
        ({"replace_id": "r-1", "quantity": "5", "price": "1"}, 400, "UNKNOWN_FIELD"),
        ({"replace_id": "r-1", "limit_price": "300.001"}, 400, "PRICE_OFF_TICK"),
        ({"replace_id": "r-1", "quantity": "5", "expected_version": 1}, 409, "VERSION_MISMATCH"),
    ):
        refused = await rest.put(path, json=body)
        assert (refused.status_code, refused.json()["details"][0]["reason"]) == (code, reason), refused.text
    assert (await rest.get(path)).json()["order"]["version"] == before["version"]
    nobody = await rest.put(
        "/api/v1/orders/01890000-0000-7000-8000-000000000000", json={"replace_id": "r", "quantity": "1"}
    )
    assert nobody.status_code == 404
    body = {"replace_id": "r-1", "quantity": "5", "limit_price": "299", "expected_version": before["version"]}
    pending = await rest.put(path, json=body)
    assert pending.json()["order"]["order_status"] == "ORDER_STATUS_PENDING_REPLACE", pending.text
    after = await until_status(rest, placed["order_id"], "ORDER_STATUS_NEW")
    assert (after["quantity"], after["limit_price"]) == ("5", "299")
    assert after["replace"]["replace_status"] == "REPLACE_STATUS_REPLACED"
    again = (await rest.put(path, json=body)).json()["order"]
    assert again["version"] == after["version"]
    other = await rest.put(path, json={**body, "quantity": "6"})
    assert (other.status_code, other.json()["details"][0]["reason"]) == (409, "DUPLICATE_REPLACE_ID")
    await rest.delete(path)


async def test_a_fill_is_in_trades_and_positions(someone: Trader, other: Trader) -> None:
    """Two accounts trade; both find the fill under their trades and positions."""
    buyer, seller = someone.account_id, other.account_id
    bid = (await someone.rest.post("/api/v1/orders", json=order(buyer, limit_price="310"))).json()["order"]
    await until_status(someone.rest, bid["order_id"], "ORDER_STATUS_NEW")
    ask = (await other.rest.post("/api/v1/orders", json=order(seller, "SIDE_SELL", limit_price="309"))).json()["order"]
    filled = await until_status(other.rest, ask["order_id"], "ORDER_STATUS_FILLED")
    assert filled["average_price"] == "310"
    await until_status(someone.rest, bid["order_id"], "ORDER_STATUS_FILLED")
    trades = (await someone.rest.get("/api/v1/trades", params={"account_id": buyer})).json()["trades"]
    assert [(trade["price"], trade["quantity"]) for trade in trades] == [("310", "10")]

    one = await someone.rest.get(f"/api/v1/trades/{trades[0]['trade_id']}")
    assert one.json()["trade"] == trades[0]
    summed = (await someone.rest.get("/api/v1/trades/summary", params={"account_id": buyer})).json()["summaries"]
    assert [(each["instrument"], each["bought_quantity"], each["average_bought_price"]) for each in summed] == [
        (INSTRUMENT, "10", "310")
    ]

    async def position() -> list[dict[str, Any]]:
        answer = await other.rest.get("/api/v1/positions", params={"account_id": seller})
        found: list[dict[str, Any]] = answer.json()["positions"]
        return found

    (held,) = await eventually(position, bool)
    assert (held["instrument"], held["quantity"]) == (INSTRUMENT, "-10")
    one = await other.rest.get("/api/v1/positions/XNAS/MSFT", params={"account_id": seller})
    assert one.json()["position"]["quantity"] == "-10"


async def test_orders_are_streamed_as_events(someone: Trader) -> None:
    """An EventSource gets subscribed, snapshot and then the order's reports as JSON."""
    rest, account = someone.rest, someone.account_id
    seen: list[str] = []
    async with (
        asyncio.timeout(20),
        rest.stream("GET", "/api/v1/stream/orders", params={"account_id": account}) as stream,
    ):
        assert stream.headers["content-type"].startswith("text/event-stream")
        placed: asyncio.Task[httpx.Response] | None = None
        async for event in events(stream):
            if "snapshot_end" in event:
                placed = asyncio.create_task(rest.post("/api/v1/orders", json=order(account, limit_price="305")))
            reports = event.get("update", {}).get("reports", [])
            seen += [report["execution_type"].removeprefix("EXECUTION_TYPE_") for report in reports]
            if "NEW" in seen:
                break
        assert placed is not None
        assert (await placed).status_code == 200
    assert seen == ["PENDING_NEW", "NEW"]


async def test_heartbeats_come_at_the_interval_asked_for(someone: Trader) -> None:
    """A silent stream says every second that it lives."""
    rest, account = someone.rest, someone.account_id
    query = {"account_id": account, "heartbeat_interval": "1s"}
    async with asyncio.timeout(10), rest.stream("GET", "/api/v1/stream/orders", params=query) as stream:
        async for event in events(stream):
            if "heartbeat" in event:
                assert event["heartbeat"]["resume_token"]
                return
    pytest.fail("the stream ended without a heartbeat")


@pytest.mark.parametrize("text", [False, True])
async def test_grpc_web_calls_and_streams(rest: httpx.AsyncClient, text: bool) -> None:
    """A browser's grpc-web call is answered in binary and in text form, unary and streaming."""
    kind = "application/grpc-web-text" if text else "application/grpc-web+proto"
    encode = base64.b64encode if text else bytes
    request = market_data_service_pb2.ListInstrumentsRequest(page_size=3).SerializeToString()
    answer = await rest.post(
        "/ordermesh.marketdata.v1.MarketDataService/ListInstruments",
        content=encode(web_frame(request)),
        headers={"content-type": kind, "x-grpc-web": "1", "accept": kind},
    )
    messages, trailers = web_frames(answer.content, text=text)
    assert trailers["grpc-status"] == "0"
    listed = market_data_service_pb2.ListInstrumentsResponse.FromString(messages[0])
    assert len(listed.instruments) == 3


async def test_system_pages(rest: httpx.AsyncClient) -> None:
    """Health, readiness, metrics, the OpenAPI document and its page are where they are said to be."""
    health = await rest.get("/health")
    assert health.status_code == 200, health.text
    assert (await rest.get("/ready")).status_code == 200
    metrics = await rest.get("/metrics")
    assert 'service="order"' in metrics.text
    document = (await rest.get("/openapi.json")).json()
    assert "/api/v1/orders" in document["paths"]
    assert "<html" in (await rest.get("/docs")).text.lower()


@pytest.mark.parametrize("length", [5_000, 15_000])
async def test_a_long_path_is_answered_by_the_service(rest: httpx.AsyncClient, length: int) -> None:
    """Whatever the gateway takes, a service takes: it says itself which field is wrong."""
    for path in (f"/api/v1/accounts/{'a' * length}", f"/api/v1/orders?account_id={'a' * length}"):
        answer = await rest.get(path)
        assert answer.status_code == 400, answer.text
        assert answer.json()["details"][0]["reason"] == "INVALID_FIELD"
