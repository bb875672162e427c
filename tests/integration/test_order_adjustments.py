"""Trades that a venue cancels and corrects over a real Postgres and Redis: the log has it all, also over kills."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.broker.v1.venue_adjustment_pb2 import VenueAdjustment
from ordermesh.event.v1 import event_log_service_pb2, event_pb2
from ordermesh.order.v1 import (
    execution_quality_summary_pb2,
    order_pb2,
    order_query_pb2,
    reconciliation_pb2,
    trade_query_pb2,
)
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_RESTATED,
    EXECUTION_TYPE_TRADE,
    EXECUTION_TYPE_TRADE_CANCEL,
    EXECUTION_TYPE_TRADE_CORRECT,
)
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW
from ordermesh.type.v1 import error_pb2, restatement_pb2
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import Client, OrderProcess, client_of, ready, serving
from tests.fixtures.waiting import eventually

TRADE, BUST = routing.VENUE_REPORT_TYPE_TRADE, routing.VENUE_REPORT_TYPE_TRADE_CANCELED
CORRECT = routing.VENUE_REPORT_TYPE_TRADE_CORRECTED

pytestmark = pytest.mark.usefixtures("resting_peers")


def tell(peers: Peers, order_id: str, **report: Any) -> routing.VenueReport:
    """Lets the venue say something of an order."""
    told = peers.broker.venue.report(order_id, routing.VenueReport(**report))
    peers.broker.tell([told])
    return told


def fill(peers: Peers, order_id: str, quantity: str = "100", cumulative: str = "100") -> str:
    """Fills an order, and returns the venue's id of the trade."""
    told = tell(
        peers, order_id, type=TRADE, last_price="10", last_quantity=quantity, cumulative_quantity=cumulative, fee="0.5"
    )
    return told.venue_execution_id


async def test_an_order_that_ended_before_a_restart_is_adjusted(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """The correction, then the bust: lists, sums, the log for others, and risk have it; each names the one before."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place()
        await client.until(order.order_id, ORDER_STATUS_NEW)
        execution = fill(peers, order.order_id)
        await client.until(order.order_id, ORDER_STATUS_FILLED)
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        named = VenueAdjustment(venue_execution_reference_id=execution)
        tell(
            peers,
            order.order_id,
            type=CORRECT,
            last_price="9",
            last_quantity="100",
            venue_execution_id="y-1",
            adjustment=named,
        )
        await eventually(
            lambda: history_types(client, order.order_id), lambda types: EXECUTION_TYPE_TRADE_CORRECT in types
        )
        (trade,) = await trades(client, order.order_id)
        assert (trade.price, trade.quantity, trade.fee) == ("9", "100", "0.5")
        assert trade.adjustment_type == order_pb2.TRADE_ADJUSTMENT_TYPE_CORRECTED
        named = VenueAdjustment(venue_execution_reference_id="y-1")
        tell(peers, order.order_id, type=BUST, adjustment=named)
        after = await client.until(order.order_id, ORDER_STATUS_CANCELED)
        assert (after.cumulative_quantity, after.leaves_quantity, after.average_price) == ("0", "0", "")
        assert after.reason == error_pb2.ERROR_REASON_TRADE_CANCELED
        made, corrected, busted = (await client.history(order.order_id))[-3:]
        assert [each.execution_type for each in (made, corrected, busted)] == [
            EXECUTION_TYPE_TRADE,
            EXECUTION_TYPE_TRADE_CORRECT,
            EXECUTION_TYPE_TRADE_CANCEL,
        ]
        assert corrected.execution_reference_id == made.execution_id
        assert busted.execution_reference_id == corrected.execution_id
        assert busted.trade_adjustment.trade_id == made.execution_id
        assert busted.trade_adjustment.previous_price == "9"
        (trade,) = await trades(client, order.order_id)
        assert (trade.trade_id, trade.price) == (made.execution_id, "9")
        assert trade.adjustment_type == order_pb2.TRADE_ADJUSTMENT_TYPE_CANCELED
        assert trade.adjusted_by_execution_id == busted.execution_id
        got = await client.orders.GetTrade(trade_query_pb2.GetTradeRequest(trade_id=made.execution_id))
        assert got.trade == trade
        sums = await client.orders.SummarizeTrades(trade_query_pb2.SummarizeTradesRequest(account_id="demo"))
        assert not sums.summaries
        await in_the_log(client, busted.sequence)


async def test_an_order_counts_by_its_first_trade_that_stands(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """Its first trade canceled, it counts with the second; both canceled, it does not count at all."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place()
        await client.until(order.order_id, ORDER_STATUS_NEW)
        executions = [fill(peers, order.order_id, "40", "40"), fill(peers, order.order_id, "60", "100")]
        await client.until(order.order_id, ORDER_STATUS_FILLED)

        async def counted() -> list[tuple[int, int, str]]:
            asked = execution_quality_summary_pb2.SummarizeExecutionQualityRequest(account_id="demo")
            told = (await client.orders.SummarizeExecutionQuality(asked)).summaries
            return [(each.order_count, each.fill_count, each.quantity) for each in told]

        assert await counted() == [(1, 2, "100")]
        for execution, left in zip(executions, ([(1, 1, "60")], []), strict=True):
            tell(peers, order.order_id, type=BUST, adjustment=VenueAdjustment(venue_execution_reference_id=execution))
            await eventually(partial(_is, counted, left))


async def _is(ask: Callable[[], Awaitable[object]], wanted: object) -> bool:
    return await ask() == wanted


async def in_the_log(client: Client, last: int) -> None:
    """Checks what others read of it: each trade anew under its id, without a gap."""
    request = event_log_service_pb2.ReadEventsRequest(topics=[event_pb2.TOPIC_TRADE_EXECUTED])
    events = (await client.events.ReadEvents(request)).events
    assert len({event.trade.trade_id for event in events}) == 1
    assert [event.trade.adjustment_type for event in events] == [0, 2, 1]
    assert [event.previous_sequence for event in events] == [0, *(event.sequence for event in events[:-1])]
    assert events[-1].sequence == last


async def test_a_bust_while_the_service_is_killed_is_booked_once(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """Told before, during and after a kill: once in the log, and what is told twice changes nothing."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    async with client_of(await process.start()) as client:
        await ready(client, peers)
        order = await client.place()
        await client.until(order.order_id, ORDER_STATUS_NEW)
        execution = fill(peers, order.order_id)
        await client.until(order.order_id, ORDER_STATUS_FILLED)
        named = VenueAdjustment(venue_execution_reference_id=execution)
        tell(peers, order.order_id, type=BUST, adjustment=named)
        await process.kill()
    tell(peers, order.order_id, type=BUST, adjustment=named)
    async with client_of(await process.start()) as client:
        await ready(client, peers)
        await client.until(order.order_id, ORDER_STATUS_CANCELED)
        other = await client.place()
        await client.until(other.order_id, ORDER_STATUS_NEW)
        types = [report.execution_type for report in await client.history(order.order_id)]
        assert types.count(EXECUTION_TYPE_TRADE_CANCEL) == 1
    await process.kill()


async def test_restated_orders_are_read_back_with_their_terms(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """The reason is in the report, the terms are the order's, also after a restart."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        order = await client.place()
        await client.until(order.order_id, ORDER_STATUS_NEW)
        declined = restatement_pb2.RESTATEMENT_REASON_PARTIAL_DECLINE
        told = VenueAdjustment(quantity="60", restatement_reason=declined)
        tell(peers, order.order_id, type=routing.VENUE_REPORT_TYPE_RESTATED, adjustment=told)
        await eventually(lambda: history_types(client, order.order_id), lambda types: EXECUTION_TYPE_RESTATED in types)
        assert (await client.history(order.order_id))[-1].restatement_reason == declined
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        read = await client.order(order.order_id)
        assert (read.quantity, read.leaves_quantity, read.order_status) == ("60", "60", ORDER_STATUS_NEW)
        assert peers.risk.reserved[order.order_id].quantity == "60"


async def test_a_bust_of_an_unknown_execution_is_recorded(client: Client, peers: Peers) -> None:
    """For an operator to see: nothing was booked."""
    await ready(client, peers)
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_NEW)
    tell(peers, order.order_id, type=BUST, adjustment=VenueAdjustment(venue_execution_reference_id="nobody"))
    request = reconciliation_pb2.ListReconciliationsRequest(
        kinds=[reconciliation_pb2.RECONCILIATION_KIND_ADJUSTMENT_NOT_BOOKED]
    )

    async def recorded() -> list[list[str]]:
        found = (await client.orders.ListReconciliations(request)).reconciliations
        return [list(record.order_ids) for record in found]

    await eventually(recorded, lambda ids: ids == [[order.order_id]])


async def history_types(client: Client, order_id: str) -> list[int]:
    """Returns what has happened to an order."""
    return [report.execution_type for report in await client.history(order_id)]


async def trades(client: Client, order_id: str) -> list[order_pb2.Trade]:
    """Lists the trades of an order."""
    request = order_query_pb2.ListTradesRequest(order_id=order_id)
    return list((await client.orders.ListTrades(request)).trades)
