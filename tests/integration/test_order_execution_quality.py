"""Execution quality over a real Postgres: what is logged at arrival, and what callers are told of it later."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import execution_quality_pb2, execution_quality_summary_pb2, order_entry_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_PARTIALLY_FILLED
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError
from services.order.__main__ import SCHEMA
from services.order.pipeline.queries import FillFilter
from services.order.store.execution_records import LoggedExecutions
from services.order.store.listing import Listing
from services.storage.database import Database
from services.storage.environments import PostgresEnvironments
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import accept, refuse
from tests.fakes.order_venue import ignore
from tests.fakes.order_world import Client, ready, request, serving
from tests.fakes.public_market import trade
from tests.fixtures.waiting import eventually


@asynccontextmanager
async def quoted(postgres_url: str, redis_url: str, peers: Peers, **settings: Any) -> AsyncIterator[Client]:
    """Runs OrderService until it knows the quote that the peers tell."""
    async with serving(postgres_url, redis_url, peers, **settings) as client:
        await ready(client, peers)
        await until_arrival(client, peers)
        yield client


async def until_arrival(client: Client, peers: Peers, *, stale: bool = False) -> None:
    """Waits until orders are logged with the newest quote that was set."""
    wanted = peers.market_data.quotes["AAPL.XNAS"].bid_price

    async def logged() -> tuple[str, bool]:
        placed = await client.place(account_id="probe")
        arrival = (await client.history(placed.order_id))[0].arrival
        return arrival.bid_price, arrival.stale

    await eventually(logged, lambda arrival: arrival == (wanted, stale))


async def quality(client: Client, order_id: str, **fields: Any) -> execution_quality_pb2.ExecutionQuality:
    """Asks how well an order was executed."""
    asked = execution_quality_pb2.GetExecutionQualityRequest(order_id=order_id, **fields)
    response = await client.orders.GetExecutionQuality(asked)
    assert response.as_of >= 1
    told: execution_quality_pb2.ExecutionQuality = response.execution_quality
    return told


async def summary(client: Client, **fields: Any) -> execution_quality_summary_pb2.SummarizeExecutionQualityResponse:
    """Asks for a day."""
    asked = execution_quality_summary_pb2.SummarizeExecutionQualityRequest(**fields)
    told: execution_quality_summary_pb2.SummarizeExecutionQualityResponse = (
        await client.orders.SummarizeExecutionQuality(asked)
    )
    return told


def why(told: execution_quality_pb2.ExecutionQuality) -> dict[str, str]:
    """Returns what is not told."""
    return {each.figure: each.text for each in told.untold}


def trade_report(price: str, quantity: str, cumulative: str, fee: str = "0") -> routing.VenueReport:
    """Returns a fill as the venue reports it."""
    return routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE,
        last_price=price,
        last_quantity=quantity,
        cumulative_quantity=cumulative,
        fee=fee,
    )


@pytest.fixture
def market(peers: Peers) -> Peers:
    """Peers that quote AAPL at 187 to 187.2, last 187.1."""
    peers.market_data.quote("187", "187.2", "187.1")
    return peers


async def test_the_quote_is_logged_with_the_first_entry_alone(postgres_url: str, redis_url: str, market: Peers) -> None:
    """Prices and the venue's time; a later quote changes nothing of it."""
    async with quoted(postgres_url, redis_url, market) as client:
        placed = await client.place()
        await client.until(placed.order_id, ORDER_STATUS_FILLED)
        first, *later = await client.history(placed.order_id)
        arrival = first.arrival
        assert (arrival.bid_price, arrival.ask_price, arrival.last_price, arrival.stale) == (
            "187",
            "187.2",
            "187.1",
            False,
        )
        assert arrival.quoted_at == market.market_data.quotes["AAPL.XNAS"].venue_time
        assert [report.HasField("arrival") for report in later] == [False] * len(later)
        market.market_data.quote("186", "188")
        await until_arrival(client, market)
        assert (await client.history(placed.order_id))[0].arrival == arrival


async def test_figures_of_an_order_in_parts(postgres_url: str, redis_url: str, market: Peers) -> None:
    """Fills, fees and the cancel come out of the log; the end and the market out of public trades."""
    venue = market.broker.venue
    venue.react = ignore
    async with quoted(postgres_url, redis_url, market) as client:
        placed = await client.place(limit_price="187.3")
        await eventually(lambda: placed.order_id in venue.open)
        reports = [
            venue.report(placed.order_id, trade_report("187.2", "40", "40", "0.4")),
            venue.report(placed.order_id, trade_report("187.3", "20", "60", "0.2")),
        ]
        market.broker.tell(reports)
        await client.until(placed.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        live = await quality(client, placed.order_id)
        assert (live.cumulative_quantity, live.fill_ratio, live.HasField("ended_at")) == ("60", "0.6", False)
        assert live.implementation_shortfall.opportunity_cost == "0"
        assert why(live) == {
            "market_impact": "it is known 60 s after the last fill",
            "market": "no public trade is known of the order's life",
        }
        last_ns = reports[1].venue_time.ToNanoseconds()
        market.market_data.trades = [trade("187.4", "30", last_ns), trade("187.5", "10", last_ns + 1)]
        await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=placed.order_id))
        await client.until(placed.order_id, ORDER_STATUS_CANCELED)

        await eventually(
            lambda: quality(client, placed.order_id, impact_interval=Duration(seconds=1)),
            lambda told: told.HasField("market_impact"),
        )
        told = await quality(client, placed.order_id.upper(), impact_interval=Duration(seconds=1))
        assert why(told) == {}
        assert (told.currency, told.contract_multiplier, told.fees, told.notional) == ("USD", "1", "0.6", "11234")
        assert (told.arrival_mid_price, told.average_price) == ("187.1", "187.233333333333")
        assert (told.slippage, told.slippage_basis_points) == ("8", "7.1263")
        assert (told.spread_cost, told.price_improvement) == ("6", "-2")
        shortfall = told.implementation_shortfall
        assert (shortfall.execution_cost, shortfall.opportunity_cost, shortfall.fees) == ("8", "16", "0.6")
        assert (shortfall.total, shortfall.end_price, shortfall.basis_points) == ("24.6", "187.5", "13.148")
        assert (told.market_impact.permanent, told.market_impact.temporary) == ("24", "-16")
        assert (told.market.vwap, told.market.volume, told.market.trade_count) == ("187.425", "40", 2)
        assert [(v.connection_id, v.quantity, v.share, v.fees) for v in told.venues] == [
            ("simulation", "60", "1", "0.6")
        ]
        assert told.ended_at.ToNanoseconds() > last_ns
        assert 0 < told.time_to_first_fill.ToNanoseconds() < 60_000_000_000


async def test_the_figures_survive_a_restart(postgres_url: str, redis_url: str, market: Peers) -> None:
    """They are functions of the log."""
    async with quoted(postgres_url, redis_url, market) as client:
        placed = await client.place()
        await client.until(placed.order_id, ORDER_STATUS_FILLED)
        before = await quality(client, placed.order_id)
        day = await summary(client, account_id="demo")
    market.market_data.quote("1", "2")
    async with serving(postgres_url, redis_url, market) as client:
        await ready(client, market)
        after = await quality(client, placed.order_id)
        assert after == before
        assert (await summary(client, account_id="demo")).summaries == day.summaries


async def test_orders_do_not_wait_for_market_data(postgres_url: str, redis_url: str, market: Peers) -> None:
    """Away: orders are taken with a quote that says it is stale; nothing is measured against it."""
    async with quoted(postgres_url, redis_url, market) as client:
        market.market_data.down = True
        market.market_data.cut()
        await until_arrival(client, market, stale=True)
        placed = await client.place()
        await client.until(placed.order_id, ORDER_STATUS_FILLED)
        told = await quality(client, placed.order_id)
        assert (told.arrival.bid_price, told.arrival.stale, told.arrival_mid_price) == ("187", True, "")
        assert why(told)["arrival_mid_price"] == "the quote at arrival was stale: the feed was lost"
        assert why(told)["market"].startswith("market data is away")
        assert (told.average_price, told.slippage) == ("187.25", "")


async def test_without_any_quote(client: Client) -> None:
    """The first entry has none, and the answer says so."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    assert not (await client.history(placed.order_id))[0].HasField("arrival")
    told = await quality(client, placed.order_id)
    assert not told.HasField("arrival")
    assert why(told)["decision_price"] == "no quote was known at arrival"


async def test_a_day_is_told_by_account_and_instrument(postgres_url: str, redis_url: str, market: Peers) -> None:
    """Every fill of the day once, held against the arrival of its own order; others are left out."""
    async with quoted(postgres_url, redis_url, market) as client:
        orders = [request(limit_price=price, account_id="day") for price in ("187.2", "187.3", "187.1")]
        orders.append(request(limit_price="187", account_id="day", side=2))
        orders.append(request(limit_price="50", account_id="day", instrument="MSFT.XNAS"))
        await client.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=orders))

        told = await eventually(
            lambda: summary(client, account_id="day"),
            lambda told: sum(each.fill_count for each in told.summaries) == 5,
        )
        aapl, msft = told.summaries
        assert (aapl.instrument, aapl.connection_id, aapl.currency) == ("AAPL.XNAS", "simulation", "USD")
        assert (aapl.order_count, aapl.fill_count, aapl.quantity, aapl.benchmarked_quantity) == (4, 4, "400", "400")
        assert (aapl.slippage, aapl.price_improvement, aapl.slippage_basis_points) == ("40", "0", "5.3447")
        assert (aapl.improved_quantity, aapl.at_touch_quantity, aapl.outside_quantity) == ("100", "200", "100")
        assert (aapl.effective_spread, aapl.quoted_spread, aapl.effective_to_quoted_ratio) == ("0.2", "0.2", "1")
        assert (msft.fill_count, msft.benchmarked_quantity, msft.slippage, msft.average_price) == (1, "0", "", "50")
        assert msft.average_time_to_fill.ToNanoseconds() > 0
        assert [s.instrument for s in (await summary(client, account_id="day", instrument="MSFT.XNAS")).summaries] == [
            "MSFT.XNAS"
        ]
        everyone = (await summary(client)).summaries[0]
        assert everyone.fill_count > 4
        today = datetime.now(UTC).date()
        days = {today - timedelta(days=1), today}
        by_day = [await summary(client, account_id="day", day=day.isoformat()) for day in sorted(days)]
        assert sum(each.fill_count for answer in by_day for each in answer.summaries) == 5
        begin = getattr(by_day[-1], "from").ToDatetime(tzinfo=UTC)
        assert (begin.date(), by_day[-1].to.ToDatetime(tzinfo=UTC) - begin) == (today, timedelta(days=1))
        for other in ("0001-01-01", "2001-01-01", "9999-12-30"):
            assert not (await summary(client, account_id="day", day=other)).summaries


async def test_fills_of_one_environment_are_told_apart(postgres_url: str, redis_url: str, market: Peers) -> None:
    """Those of the accounts that are on record as its own, and no others."""
    async with quoted(postgres_url, redis_url, market) as client:
        for account_id in ("day", "real", "unheard"):
            placed = await client.place(account_id=account_id)
            await client.until(placed.order_id, ORDER_STATUS_FILLED)
    async with Database(postgres_url, SCHEMA) as database:
        environments = PostgresEnvironments(database)
        await environments.keep("day", trading_pb2.ENVIRONMENT_SIMULATION)
        await environments.keep("real", trading_pb2.ENVIRONMENT_LIVE)
        executions = LoggedExecutions(database, Listing(database))
        for account_id, environment in (
            ("day", trading_pb2.ENVIRONMENT_SIMULATION),
            ("real", trading_pb2.ENVIRONMENT_LIVE),
        ):
            ((own, _),) = await executions.judged(FillFilter(account_id=account_id), None, 10)
            assert [at for at, _ in await executions.judged(FillFilter(environment=environment), None, 10)] == [own]


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"day": "2026-02-30"}, "day"),
        ({"day": "0000-01-01"}, "day"),
        ({"day": "9999-12-31"}, "day"),
        ({"day": "today"}, "day"),
        ({"day": "2026-01-01", "to": {"seconds": 9}}, "day"),
        ({"to": {"seconds": 9}, "from": {"seconds": 10}}, "to"),
        ({"account_id": " "}, "account_id"),
        ({"instrument": "AAPL"}, "instrument"),
    ],
)
async def test_bad_input_of_a_day(client: Client, fields: dict[str, Any], field: str) -> None:
    """INVALID_FIELD, and the field."""
    with pytest.raises(CodedError, match="INVALID_FIELD") as caught:
        await summary(client, **fields)
    assert [violation.field for violation in caught.value.violations] == [field]


async def test_bad_input_of_an_order(client: Client) -> None:
    """An id that is none, one that nobody knows, an interval out of bounds."""
    for fields in ({"order_id": "7"}, {"order_id": ""}):
        with pytest.raises(CodedError, match="INVALID_FIELD"):
            await quality(client, **fields)
    unknown = "00000000-0000-7000-8000-000000000000"
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await quality(client, unknown)
    for seconds in (0, 3601):
        with pytest.raises(CodedError, match="INVALID_FIELD"):
            await quality(client, unknown, impact_interval=Duration(seconds=seconds))


async def test_an_order_that_risk_refuses_has_figures_too(postgres_url: str, redis_url: str, market: Peers) -> None:
    """It ended as it came in, and nothing of it filled; others go on meanwhile."""
    async with quoted(postgres_url, redis_url, market) as client:
        market.risk.decide = lambda each: refuse(each) if each.quantity == "1000" else accept(each)
        with pytest.raises(CodedError) as caught:
            await client.place("big", quantity="1000")
        told, placed = await asyncio.gather(quality(client, caught.value.metadata["order_id"]), client.place())
        assert (told.fill_ratio, told.cumulative_quantity, told.arrival_mid_price) == ("0", "0", "187.1")
        assert told.ended_at.ToNanoseconds() >= told.arrived_at.ToNanoseconds()
        assert placed.order_id
