"""Trades that the operator of the simulated venue takes back and corrects: everything that knew of them follows."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_TRADE_CANCEL,
    EXECUTION_TYPE_TRADE_CORRECT,
    ExecutionReport,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
)
from ordermesh.portfolio.v1 import account_admin_pb2, position_pb2, position_query_pb2
from tests.fixtures.trader import BUY, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def adjust(rest: httpx.AsyncClient, execution_id: str, verb: str, **body: str) -> dict[str, Any]:
    """Has the venue adjust a trade."""
    answer = await rest.post(f"/api/v1/brokers/simulation/trades/{execution_id}:{verb}", json=body)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def position_after(who: Trader, instrument: str, sequence: int) -> position_pb2.Position:
    """Returns a position once it reflects a sequence of the order log."""
    request = position_query_pb2.ListPositionsRequest(account_id=who.account_id, include_closed=True)

    async def ask() -> position_pb2.Position | None:
        positions = (await who.portfolio.ListPositions(request)).positions
        return next((p for p in positions if p.instrument == instrument), None)

    position = await eventually(ask, lambda p: p is not None and p.order_sequence >= sequence)
    assert position is not None
    return position


async def cash(who: Trader) -> str:
    """Returns an account's dollars."""
    answer = await who.portfolio.GetAccount(account_admin_pb2.GetAccountRequest(account_id=who.account_id))
    return next(each.amount for each in answer.account.balances if each.currency == "USD")


async def market_follows(rest: httpx.AsyncClient, instrument: str) -> None:
    """Waits until the only trade of an instrument is marked as canceled, and neither candle nor last price is left."""
    path, of = "/api/v1/market-data", {"instrument": instrument}

    async def ask() -> tuple[list[bool], int, str]:
        trades = (await rest.get(f"{path}/trades", params=of)).json()["trades"]
        candles = await rest.get(f"{path}/ohlcv", params=of | {"interval": "CANDLE_INTERVAL_1M"})
        quote = (await rest.get(f"{path}/{instrument}")).json()["quote"]
        return [trade["canceled"] for trade in trades], len(candles.json()["candles"]), quote["last_price"]

    await eventually(ask, lambda told: told == ([True], 0, ""))


async def test_a_bust_is_followed_by_everything_that_knew_of_the_trade(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """Both orders, one of them long filled; positions, cash, lists and sums; the same again changes nothing."""
    async with trader(mesh) as buyer, trader(mesh) as seller:
        instrument = await new_instrument(buyer)
        before = await cash(seller)
        bid = await buyer.place(BUY, instrument, "10", "50")
        await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
        ask = await seller.place(SELL, instrument, "4", "50")
        sold = await seller.reports.until(ask.order_id, ORDER_STATUS_FILLED)
        bought = await buyer.reports.until(bid.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        assert (await seller.position(instrument, trades=1)).quantity == "-4"

        assert await adjust(rest, sold.venue_execution_id, "bust") == {"changed": True}
        assert await adjust(rest, bought.venue_execution_id, "bust") == {"changed": False}

        undone = await seller.reports.until_type(ask.order_id, EXECUTION_TYPE_TRADE_CANCEL)
        assert (undone.order_status, undone.cumulative_quantity, undone.leaves_quantity) == (
            ORDER_STATUS_CANCELED,
            "0",
            "0",
        )
        assert undone.execution_reference_id == undone.trade_adjustment.trade_id == sold.execution_id
        assert undone.trade_adjustment.previous_quantity == "4"
        resting = await buyer.reports.until_type(bid.order_id, EXECUTION_TYPE_TRADE_CANCEL)
        assert (resting.order_status, resting.quantity, resting.cumulative_quantity, resting.leaves_quantity) == (
            ORDER_STATUS_NEW,
            "6",
            "0",
            "6",
        )
        for who, report in ((seller, undone), (buyer, resting)):
            position = await position_after(who, instrument, report.sequence)
            assert (position.quantity, position.trade_count, position.realised_profit) == ("0", 0, "0")
        assert await cash(seller) == before

        listed = (await rest.get("/api/v1/trades", params={"account_id": seller.account_id})).json()["trades"]
        assert [(each["trade_id"], each["adjustment_type"]) for each in listed] == [
            (sold.execution_id, "TRADE_ADJUSTMENT_TYPE_CANCELED")
        ]
        sums = await rest.get("/api/v1/trades/summary", params={"account_id": seller.account_id})
        assert sums.json()["summaries"] == []
        await market_follows(rest, instrument)
        await buyer.cancel(bid.order_id)
        gone = await buyer.reports.until(bid.order_id, ORDER_STATUS_CANCELED)
        assert (gone.quantity, gone.leaves_quantity) == ("6", "0")


async def test_a_correction_is_booked_as_if_the_trade_had_been_made_so(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """Price and quantity, in its place among later trades; each report names the one before it."""
    async with trader(mesh) as buyer, trader(mesh) as seller:
        instrument = await new_instrument(buyer)
        trades: list[ExecutionReport] = []
        for price in ("50", "60"):
            bid = await buyer.place(BUY, instrument, "10", price)
            await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
            await seller.place(SELL, instrument, "10", price)
            trades.append(await buyer.reports.until(bid.order_id, ORDER_STATUS_FILLED))
        first = trades[0]
        await adjust(rest, first.venue_execution_id, "correct", instrument=instrument, price="40", quantity="10")
        corrected = await buyer.reports.until_type(first.order_id, EXECUTION_TYPE_TRADE_CORRECT)
        assert (corrected.order_status, corrected.average_price, corrected.last_price) == (
            ORDER_STATUS_FILLED,
            "40",
            "40",
        )
        position = await position_after(buyer, instrument, corrected.sequence)
        assert (position.quantity, position.average_cost, position.trade_count) == ("20", "50", 2)
        await adjust(rest, corrected.venue_execution_id, "bust")
        undone = await buyer.reports.until_type(first.order_id, EXECUTION_TYPE_TRADE_CANCEL)
        assert undone.execution_reference_id == corrected.execution_id
        assert undone.trade_adjustment.trade_id == first.execution_id
        assert undone.order_status == ORDER_STATUS_CANCELED
        position = await position_after(buyer, instrument, undone.sequence)
        assert (position.quantity, position.average_cost, position.trade_count) == ("10", "60", 1)
        limits = (await rest.get("/api/v1/risk/metrics", params={"account_id": buyer.account_id})).json()
        assert "10" in str(limits)


async def test_what_cannot_be_adjusted_is_refused(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """Trades that nobody made, prices off the tick, connections that are not there, trades taken back."""
    base = "/api/v1/brokers/simulation/trades"
    correction = {"instrument": "AAPL.XNAS", "price": "100", "quantity": "1"}
    for path, body, status, reason in (
        (f"{base}/999999999-B:bust", {}, 404, "UNKNOWN_TRADE"),
        (f"{base}/nonsense:bust", {}, 404, "UNKNOWN_TRADE"),
        (f"{base}/1-B:correct", correction | {"price": "100.001"}, 400, "PRICE_OFF_TICK"),
        (f"{base}/1-B:correct", correction | {"instrument": "NONE.XNAS"}, 404, "UNKNOWN_INSTRUMENT"),
        (f"{base}/1-B:correct", correction | {"quantity": "0"}, 400, "INVALID_FIELD"),
        (f"/api/v1/brokers/{uuid.uuid4().hex}/trades/1-B:bust", {}, 404, "UNKNOWN_CONNECTION"),
    ):
        answer = await rest.post(path, json=body)
        assert (answer.status_code, reason in answer.text) == (status, True), answer.text
    async with trader(mesh) as buyer, trader(mesh) as seller:
        instrument = await new_instrument(buyer)
        bid = await buyer.place(BUY, instrument, "10", "50")
        await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
        await seller.place(SELL, instrument, "10", "50")
        trade = await buyer.reports.until(bid.order_id, ORDER_STATUS_FILLED)
        await adjust(rest, trade.venue_execution_id, "bust")
        body = {"instrument": instrument, "price": "51", "quantity": "10"}
        answer = await rest.post(f"{base}/{trade.venue_execution_id}:correct", json=body)
        assert (answer.status_code, "TRADE_CANCELED" in answer.text) == (400, True), answer.text
