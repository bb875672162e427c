"""PreviewOrder over a real Postgres and Redis: the same answers as PlaceOrder, and no trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ordermesh.broker.v1 import broker_connection_pb2
from ordermesh.marketdata.v1 import book_pb2, instrument_pb2
from ordermesh.order.v1 import order_preview_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED, ORDER_STATUS_PENDING_NEW
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from ordermesh.type.v1.trading_pb2 import ORDER_TYPE_STOP, TIME_IN_FORCE_GTC
from services.kernel.errors import CodedError
from services.mesh.status import from_status
from tests.fakes.order_market_data import instrument
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import refuse
from tests.fakes.order_world import Client, ready, request, serving
from tests.fixtures.waiting import eventually


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """Peers that accept and fill everything, and a book of AAPL."""
    async with Peers().serving() as running:
        running.market_data.books["AAPL.XNAS"] = book_pb2.OrderBook(
            instrument="AAPL.XNAS",
            bids=[book_pb2.BookLevel(price="187", quantity="500")],
            asks=[
                book_pb2.BookLevel(price="187.2", quantity="60"),
                book_pb2.BookLevel(price="187.25", quantity="30"),
                book_pb2.BookLevel(price="187.3", quantity="500"),
            ],
            sequence=7,
            epoch="e",
        )
        yield running


async def preview(client: Client, client_order_id: str = "", **changes: Any) -> order_preview_pb2.PreviewOrderResponse:
    """Previews an order."""
    order = request(client_order_id, **changes)
    response: order_preview_pb2.PreviewOrderResponse = await client.orders.PreviewOrder(
        order_preview_pb2.PreviewOrderRequest(order=order)
    )
    return response


async def test_an_order_that_would_be_accepted(client: Client) -> None:
    """All parts: the order without an id, risk's yes, the figures of the book, the connection."""
    told = await preview(client, "c-1")
    order = told.result.order
    assert (order.order_status, order.client_order_id, order.leaves_quantity) == (
        ORDER_STATUS_PENDING_NEW,
        "c-1",
        "100",
    )
    assert (order.order_id, order.sequence, order.version, order.HasField("created_at")) == ("", 0, 0, False)
    assert told.client_order_id_free is True
    assert told.risk_decision == order_preview_pb2.RiskPreview(accepted=True, as_of=told.risk_decision.as_of)
    cost = told.cost_estimate
    assert (cost.currency, cost.fill_quantity, cost.remaining_quantity, cost.remaining_rests) == (
        "USD",
        "90",
        "10",
        True,
    )
    assert (cost.average_price, cost.worst_price, cost.notional) == ("187.216666666667", "187.25", "16849.5")
    assert (cost.bid_price, cost.ask_price, cost.mid_price) == ("187", "187.2", "187.1")
    assert (cost.spread_cost, cost.slippage) == ("9", "10.5")
    assert (cost.fee_rate, cost.fee, cost.net_amount) == ("0.001", "16.8495", "16866.3495")
    assert (cost.limit_notional, cost.own_opposite_quantity) == ("18725", "0")
    assert (cost.book_sequence, cost.book_epoch) == (7, "e")
    assert (told.route.connection_id, told.route.state, told.route.supported) == (
        "simulation",
        broker_connection_pb2.CONNECTION_STATE_UP,
        True,
    )


async def test_a_stop_price_that_is_reached_already_is_not_waited_for(client: Client, peers: Peers) -> None:
    """The cost is that of the market order that it becomes, as PlaceOrder releases it at once."""
    stop: dict[str, Any] = {"type": ORDER_TYPE_STOP, "time_in_force": TIME_IN_FORCE_GTC, "limit_price": ""}
    assert (await preview(client, stop_price="187.1", **stop)).cost_estimate.fill_quantity == "0"
    peers.market_data.quote("187", "187.2", "187.1")

    async def filled() -> bool:
        return (await preview(client, stop_price="187.1", **stop)).cost_estimate.fill_quantity == "100"

    await eventually(filled)
    assert (await preview(client, stop_price="187.11", **stop)).cost_estimate.fill_quantity == "0"


async def test_a_preview_leaves_no_trace(client: Client, peers: Peers) -> None:
    """The log, the reservations, the venue and the client order id are as before, however many come at once."""
    first = await client.place("first")
    await client.until(first.order_id, ORDER_STATUS_FILLED)
    before = (len(await client.all_orders()), dict(peers.risk.reserved), peers.risk.checks)
    commands, reports = len(peers.broker.venue.commands), len(peers.broker.venue.reports)
    told = await asyncio.gather(*(preview(client, "c-1") for _ in range(20)))
    assert {answer.as_of for answer in told} == {told[0].as_of}
    assert all(answer.client_order_id_free for answer in told)
    assert (len(await client.all_orders()), dict(peers.risk.reserved), peers.risk.checks) == before
    assert (len(peers.broker.venue.commands), len(peers.broker.venue.reports)) == (commands, reports)
    placed = await client.place("c-1")
    assert placed.sequence == told[0].as_of + 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"limit_price": "187.255"}, "PRICE_OFF_TICK"),
        ({"quantity": "0.5"}, "QUANTITY_OFF_LOT"),
        ({"quantity": "99999999"}, "QUANTITY_OUT_OF_RANGE"),
        ({"limit_price": ""}, "LIMIT_PRICE_MISMATCH"),
        ({"type": 1, "limit_price": ""}, "TIME_IN_FORCE_MISMATCH"),
        ({"instrument": "NONE.XNAS"}, "UNKNOWN_INSTRUMENT"),
        ({"instrument": "HALT.XNAS"}, "INSTRUMENT_NOT_TRADING"),
    ],
)
async def test_it_answers_the_error_that_placing_answers(
    client: Client, peers: Peers, changes: dict[str, Any], reason: str
) -> None:
    """The very same status; risk and cost are absent for the same reason, the route is told."""
    peers.market_data.instruments["HALT.XNAS"] = instrument("HALT.XNAS", status=instrument_pb2.INSTRUMENT_STATUS_HALTED)
    with pytest.raises(CodedError, match=reason) as caught:
        await client.place("c-1", **changes)
    told = await preview(client, "c-1", **changes)
    error = from_status(told.result.error)
    assert (error.kind, error.reason, error.message, error.violations) == (
        caught.value.kind,
        reason,
        caught.value.message,
        caught.value.violations,
    )
    assert from_status(told.risk_unavailable).reason == reason
    assert from_status(told.cost_unavailable).reason == reason
    assert told.route.connection_id == "simulation"
    assert told.client_order_id_free


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"quantity": "-1"}, "order.quantity"), ({"side": 0}, "order.side"), ({"account_id": ""}, "order.account_id")],
)
async def test_what_breaks_the_contract_fails(client: Client, changes: dict[str, Any], field: str) -> None:
    """INVALID_FIELD with the field's path."""
    with pytest.raises(CodedError, match="INVALID_FIELD") as caught:
        await preview(client, "c-1", **changes)
    assert [violation.field for violation in caught.value.violations] == [field]
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        await client.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest())


async def test_risk_says_why(client: Client, peers: Peers) -> None:
    """The breach stands in risk's part and in the error that PlaceOrder would fail with; no order is kept."""
    peers.risk.decide = refuse
    told = await preview(client, "c-1")
    assert (told.risk_decision.accepted, told.risk_decision.reason, told.risk_decision.text) == (
        False,
        error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED,
        "too much",
    )
    assert told.risk_decision.risk_breach.limit == "10"
    error = from_status(told.result.error)
    (breach,) = error.details
    assert isinstance(breach, risk_breach_pb2.RiskBreach)
    assert (error.reason, breach) == ("RISK_LIMIT_EXCEEDED", told.risk_decision.risk_breach)
    assert told.cost_estimate.fill_quantity == "90"
    assert "c-1" not in {order.client_order_id for order in await client.all_orders()}


async def test_a_client_order_id_that_is_taken(client: Client) -> None:
    """The same request is answered with its order, another one with DUPLICATE_CLIENT_ORDER_ID; the parts are told."""
    placed = await client.place("c-1")
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    again = await preview(client, "c-1")
    assert (again.client_order_id_free, again.result.order.order_id) == (False, placed.order_id)
    assert again.result.order.order_status == ORDER_STATUS_FILLED
    other = await preview(client, "c-1", quantity="1")
    assert other.HasField("client_order_id_free")
    assert not other.client_order_id_free
    assert from_status(other.result.error).reason == "DUPLICATE_CLIENT_ORDER_ID"
    assert other.cost_estimate.fill_quantity == "1"


async def test_parts_that_cannot_be_told_are_absent_with_a_reason(client: Client, peers: Peers) -> None:
    """A lost feed, no book, an unknown connection: each takes away its own part and no other."""
    peers.market_data.books["AAPL.XNAS"].stale = True
    stale = await preview(client)
    assert from_status(stale.cost_unavailable).reason == "VENUE_UNAVAILABLE"
    assert (stale.risk_decision.accepted, stale.result.HasField("order")) == (True, True)
    none = await preview(client, instrument="MSFT.XNAS")
    assert none.WhichOneof("cost") == "cost_unavailable"
    peers.market_data.books["AAPL.XNAS"].stale = False
    nowhere = await preview(client, connection_id="nowhere")
    assert nowhere.WhichOneof("routing") == "route_unavailable"
    assert (nowhere.cost_estimate.notional, nowhere.cost_estimate.fee, nowhere.cost_estimate.fee_rate) == (
        "16849.5",
        "",
        "",
    )
    peers.broker.disconnect()
    assert (await preview(client)).route.state == broker_connection_pb2.CONNECTION_STATE_DOWN


async def test_without_risk_the_order_would_be_refused(client: Client, peers: Peers) -> None:
    """RISK_UNAVAILABLE as PlaceOrder answers it, while book and route are told."""
    peers.risk.down = True
    peers.risk.cut()

    def is_told(told: order_preview_pb2.PreviewOrderResponse) -> bool:
        return (
            told.WhichOneof("risk") == "risk_unavailable"
            and from_status(told.result.error).reason == "RISK_UNAVAILABLE"
            and told.WhichOneof("cost") == "cost_estimate"
        )

    await eventually(lambda: preview(client), is_told)


async def test_without_the_store_an_id_is_neither_free_nor_taken(
    own_postgres: Any, redis_url: str, peers: Peers
) -> None:
    """STORE_UNAVAILABLE as result; whether the id is free is not told, the other parts are."""
    async with serving(own_postgres.url, redis_url, peers) as client:
        await ready(client, peers)
        await own_postgres.stop()
        told = await preview(client, "c-1")
        assert from_status(told.result.error).reason == "STORE_UNAVAILABLE"
        assert not told.HasField("client_order_id_free")
        assert told.cost_estimate.fill_quantity == "90"
        await own_postgres.start()
