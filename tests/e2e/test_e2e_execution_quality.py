"""Execution quality on the whole mesh, over REST and by the command: real quotes, fills and public trades."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import quote_query_pb2
from ordermesh.order.v1 import order_preview_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import BUY, IOC, SELL, Trader, new_instrument, trader
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def offered(seller: Trader) -> str:
    """Makes an instrument with 10 offered at 20.10 and 10 at 20.30, and a bid of 100 at 19.90; returns its name."""
    instrument = await new_instrument(seller)
    for side, quantity, price in ((SELL, "10", "20.1"), (SELL, "10", "20.3"), (BUY, "100", "19.9")):
        order = await seller.place(side, instrument, quantity, price)
        await seller.reports.until(order.order_id, ORDER_STATUS_NEW)
    return instrument


async def arrived(someone: Trader, instrument: str, bid: str, ask: str) -> None:
    """Waits until orders are logged with a quote: an order too far away to trade is placed and canceled to see it."""

    async def arrival() -> tuple[str, str]:
        probe = await someone.place(BUY, instrument, "1", "19")
        await someone.cancel(probe.order_id)
        told = someone.reports.of(probe.order_id)[0].arrival if someone.reports.of(probe.order_id) else None
        return ("", "") if told is None else (told.bid_price, told.ask_price)

    await eventually(arrival, lambda quote: quote == (bid, ask))


async def told_of(rest: httpx.AsyncClient, order_id: str, **parameters: str) -> Any:
    """Returns the figures of an order."""
    answer = await rest.get(f"/api/v1/orders/{order_id}/execution-quality", params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["execution_quality"]


async def test_a_market_order_from_arrival_to_impact(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """It walks the book: the slippage that was foretold, its split, shortfall, impact and VWAP; the day has it, too."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        await arrived(buyer, instrument, "19.9", "20.1")
        request = buyer.request(BUY, instrument, "15")
        preview = await buyer.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=request))
        order = (await buyer.orders.PlaceOrder(request)).order
        filled = await buyer.reports.until(order.order_id, ORDER_STATUS_FILLED)
        # What is left is offered at 20.30: the next order must find that quote.
        await arrived(buyer, instrument, "19.9", "20.3")
        other = await buyer.place(BUY, instrument, "1", "20.3", time_in_force=IOC)
        later = await buyer.reports.until(other.order_id, ORDER_STATUS_FILLED)
        seconds = later.times.venue_at.seconds - filled.times.venue_at.seconds + 1

        async def ask() -> Any:
            return await told_of(rest, order.order_id, impact_interval=f"{seconds}s")

        told = await eventually(ask, lambda answer: {"market_impact", "market"} <= answer.keys())
        assert told["untold"] == []
        assert (told["arrival"]["bid_price"], told["arrival"]["ask_price"]) == ("19.9", "20.1")
        assert (told["arrival_mid_price"], told["decision_price_source"]) == ("20", "DECISION_PRICE_SOURCE_ARRIVAL_MID")
        assert (told["cumulative_quantity"], told["fill_ratio"], told["fill_count"]) == ("15", "1", "2")
        # 10 at 20.10 and 5 at 20.30, against 20.
        assert (told["slippage"], told["slippage_basis_points"]) == ("2.5", "83.3333")
        assert told["slippage"] == preview.cost_estimate.slippage
        assert (told["spread_cost"], told["price_improvement"]) == ("1.5", "-1")
        shortfall = told["implementation_shortfall"]
        assert (shortfall["execution_cost"], shortfall["opportunity_cost"]) == ("2.5", "0")
        assert Decimal(shortfall["total"]) == Decimal("2.5") + Decimal(told["fees"])
        impact = told["market_impact"]
        assert (impact["price_after"], impact["permanent"], impact["temporary"]) == ("20.3", "4.5", "-2")
        assert (told["market"]["vwap"], told["market"]["volume"]) == ("20.166666666667", "15")
        assert (told["market"]["slippage_basis_points"], told["market"]["participation"]) == ("0", "1")
        (venue,) = told["venues"]
        assert (venue["connection_id"], venue["quantity"], venue["share"]) == ("simulation", "15", "1")
        assert told["time_to_first_fill"] <= told["time_to_completion"]
        day = await rest.get("/api/v1/execution-quality", params={"account_id": buyer.account_id})
        (summary,) = day.json()["summaries"]
        assert (summary["instrument"], summary["connection_id"], summary["order_count"]) == (
            instrument,
            "simulation",
            "2",
        )
        assert (summary["fill_count"], summary["quantity"], summary["outside_quantity"]) == ("3", "16", "5")


async def test_what_was_not_filled_is_missed(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """Bought in part at the touch, the rest canceled after the market has gone to 20.30."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        await arrived(buyer, instrument, "19.9", "20.1")
        order = await buyer.place(BUY, instrument, "30", "20.1")
        await buyer.reports.until(order.order_id, 3)
        moved = await buyer.place(BUY, instrument, "10", "20.3", time_in_force=IOC)
        await buyer.reports.until(moved.order_id, ORDER_STATUS_FILLED)
        live = await told_of(rest, order.order_id)
        assert (live["fill_ratio"], "ended_at" in live) == ("0.333333", False)
        await buyer.cancel(order.order_id)
        await buyer.reports.until(order.order_id, ORDER_STATUS_CANCELED)
        told = await told_of(rest, order.order_id)
        shortfall = told["implementation_shortfall"]
        assert (shortfall["execution_cost"], shortfall["opportunity_cost"]) == ("1", "6")
        assert (shortfall["end_price"], told["price_improvement"]) == ("20.3", "0")
        assert "ended_at" in told
        assert [each["figure"] for each in told["untold"]] == ["market_impact"]


async def test_the_time_of_the_last_trade_is_told(mesh: Mesh) -> None:
    """By MarketDataService with each quote: when, not only at what price."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        order = await buyer.place(BUY, instrument, "1", "20.1", time_in_force=IOC)
        executed = await buyer.reports.until(order.order_id, ORDER_STATUS_FILLED)

        async def ask() -> Any:
            # It lists what it has heard of.
            response = await buyer.market_data.ListQuotes(quote_query_pb2.ListQuotesRequest(instruments=[instrument]))
            return next((ticker.quote.last_trade_time for ticker in response.tickers), Timestamp())

        assert await eventually(ask, lambda told: told.seconds > 0) == executed.times.venue_at


@pytest.mark.parametrize(
    ("path", "status", "reason", "field"),
    [
        ("/api/v1/orders/7/execution-quality", 400, "INVALID_FIELD", "order_id"),
        ("/api/v1/orders/00000000-0000-7000-8000-000000000000/execution-quality", 404, "UNKNOWN_ORDER", ""),
        (
            "/api/v1/orders/00000000-0000-7000-8000-000000000000/execution-quality?impact_interval=7200s",
            400,
            "INVALID_FIELD",
            "impact_interval",
        ),
        ("/api/v1/execution-quality?account_id=demo&day=2026-02-30", 400, "INVALID_FIELD", "day"),
        (
            "/api/v1/execution-quality?account_id=demo&day=2026-02-03&from=2026-02-03T00:00:00Z",
            400,
            "INVALID_FIELD",
            "day",
        ),
        ("/api/v1/execution-quality?days=1", 400, "UNKNOWN_FIELD", "days"),
    ],
)
async def test_bad_input_over_rest(rest: httpx.AsyncClient, path: str, status: int, reason: str, field: str) -> None:
    """The reason, and the field."""
    answer = await rest.get(path)
    details = answer.json()["details"]
    assert (answer.status_code, details[0]["reason"]) == (status, reason)
    if field:
        assert [violation["field"] for violation in details[1]["field_violations"]] == [field]


async def test_by_the_command(mesh: Mesh) -> None:
    """`order quality`: one order in lines and as JSON, a day as a table, wrong words, an unknown order."""
    async with trader(mesh) as seller, trader(mesh) as buyer:
        instrument = await offered(seller)
        await arrived(buyer, instrument, "19.9", "20.1")
        order = await buyer.place(BUY, instrument, "15", "20.3", time_in_force=IOC)
        await buyer.reports.until(order.order_id, ORDER_STATUS_FILLED)
        shown = await ordermesh(buyer.user, "order", "quality", order.order_id)
        assert (shown.code, shown.err) == (0, "")
        assert shown.out.startswith(f"buy 15 {instrument}, 15 at 20.166666666667 on average")
        for words in (
            "arrival    19.9 / 20.1",
            "slippage   2.5 USD, 83.3333 bp of 20",
            "effective spread 0.333333333333",
            "execution 2.5, opportunity 0",
            "market_impact: it is known 60 s after the last fill",
        ):
            assert words in shown.out
        document = await ordermesh(buyer.user, "order", "quality", order.order_id, "--json")
        assert document.json["execution_quality"]["slippage"] == "2.5"
        mine = ("--account", buyer.account_id)
        day = await ordermesh(buyer.user, "order", "quality", *mine)
        assert instrument in day.out
        today = datetime.now(UTC).date().isoformat()
        dated = await ordermesh(buyer.user, "order", "quality", "--day", today, "--json", *mine)
        assert dated.code == 0
        nothing = await ordermesh(buyer.user, "order", "quality", "--day", "2001-01-01", *mine)
        assert (nothing.code, nothing.err) == (0, f"no fills of {buyer.account_id}\n")
        both = await ordermesh(buyer.user, "order", "quality", order.order_id, "--day", today)
        assert both.code == 2
        unknown = await ordermesh(buyer.user, "order", "quality", "00000000-0000-7000-8000-000000000000")
        assert (unknown.code, unknown.err.startswith("ordermesh: UNKNOWN_ORDER: ")) == (1, True)
