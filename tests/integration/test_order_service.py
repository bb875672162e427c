"""OrderService over a real Postgres and Redis: what callers see of orders, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.event.v1 import event_log_service_pb2
from ordermesh.marketdata.v1 import instrument_pb2
from ordermesh.order.v1 import order_entry_pb2, order_query_pb2
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PENDING_CANCEL,
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_REJECTED,
)
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.status import from_status
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import refuse
from tests.fakes.order_venue import rest
from tests.fakes.order_world import Client, ready, request, serving
from tests.fixtures.waiting import eventually


async def test_an_order_from_request_to_fill(client: Client) -> None:
    """The answer is the committed order; the fill is in the order, its history and the list of fills."""
    placed = await client.place("c-1")
    assert placed.order_status == ORDER_STATUS_PENDING_NEW
    assert (placed.quantity, placed.leaves_quantity, placed.cumulative_quantity) == ("100", "100", "0")
    filled = await client.until(placed.order_id, ORDER_STATUS_FILLED)
    assert (filled.average_price, filled.leaves_quantity, filled.version) == ("187.25", "0", 3)
    reports = await client.history(placed.order_id)
    assert [report.version for report in reports] == [1, 2, 3]
    assert [report.account_sequence for report in reports] == [1, 2, 3]
    trades = await client.orders.ListTrades(order_query_pb2.ListTradesRequest(order_id=placed.order_id))
    (trade,) = trades.trades
    assert (trade.price, trade.quantity, trade.trade_id) == ("187.25", "100", reports[2].execution_id)
    assert trades.as_of >= trade.sequence


async def test_every_stage_leaves_its_time(client: Client) -> None:
    """A fill tells when the request came in, the venue matched, the report came back, and it was committed."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    times = (await client.history(placed.order_id))[2].times
    stages = [times.received_at, times.venue_at, times.reported_at, times.committed_at]
    assert all(stage.seconds for stage in stages)
    assert [s.ToNanoseconds() for s in stages] == sorted(s.ToNanoseconds() for s in stages)


async def test_numbers_are_told_in_their_shortest_form(client: Client) -> None:
    """Zeros at the end of a number are the same number, and the same request."""
    placed = await client.place("c-1", quantity="100.00", limit_price="187.250")
    assert (placed.quantity, placed.limit_price) == ("100", "187.25")
    assert (await client.place("c-1")).order_id == placed.order_id


@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"client_order_id": " "}, "INVALID_FIELD", "client_order_id"),
        ({"account_id": ""}, "INVALID_FIELD", "account_id"),
        ({"instrument": "AAPL"}, "INVALID_FIELD", "instrument"),
        ({"side": 0}, "INVALID_FIELD", "side"),
        ({"side": 9}, "INVALID_FIELD", "side"),
        ({"type": 0}, "INVALID_FIELD", "type"),
        ({"time_in_force": 77}, "INVALID_FIELD", "time_in_force"),
        ({"quantity": ""}, "INVALID_FIELD", "quantity"),
        ({"quantity": "0"}, "INVALID_FIELD", "quantity"),
        ({"quantity": "-1"}, "INVALID_FIELD", "quantity"),
        ({"quantity": "1e3"}, "INVALID_FIELD", "quantity"),
        ({"quantity": "many"}, "INVALID_FIELD", "quantity"),
        ({"limit_price": "NaN"}, "INVALID_FIELD", "limit_price"),
        ({"limit_price": "0"}, "INVALID_FIELD", "limit_price"),
        ({"limit_price": "187.255"}, "PRICE_OFF_TICK", "limit_price"),
        ({"quantity": "0.5"}, "QUANTITY_OFF_LOT", "quantity"),
        ({"quantity": "99999999"}, "QUANTITY_OUT_OF_RANGE", "quantity"),
        ({"limit_price": ""}, "LIMIT_PRICE_MISMATCH", "limit_price"),
        ({"type": 1}, "LIMIT_PRICE_MISMATCH", "limit_price"),
        ({"type": 1, "limit_price": ""}, "TIME_IN_FORCE_MISMATCH", "time_in_force"),
        ({"instrument": "NONE.XNAS"}, "UNKNOWN_INSTRUMENT", "instrument"),
    ],
)
async def test_bad_input_is_refused_by_field_and_leaves_no_trace(
    client: Client, changes: dict[str, Any], reason: str, field: str
) -> None:
    """INVALID_ARGUMENT with a reason of the contract and the field; no order exists afterwards."""
    before = len(await client.all_orders())
    with pytest.raises(CodedError) as caught:
        await client.orders.PlaceOrder(request(**({"client_order_id": "c-1"} | changes)))
    error = caught.value
    assert (error.kind, error.reason) == (ErrorKind.INVALID, reason)
    assert [violation.field for violation in error.violations] == [field]
    assert len(await client.all_orders()) == before


async def test_a_refusal_by_risk_is_told_in_full_and_again(client: Client, peers: Peers) -> None:
    """FAILED_PRECONDITION with the rule, its limit and what was observed; the order is kept as REJECTED."""
    peers.risk.decide = refuse
    errors = []
    for _ in range(2):
        with pytest.raises(CodedError) as caught:
            await client.place("c-1")
        errors.append(caught.value)
    for error in errors:
        assert (error.kind, error.reason) == (ErrorKind.PRECONDITION, "RISK_LIMIT_EXCEEDED")
        (breach,) = error.details
        assert isinstance(breach, risk_breach_pb2.RiskBreach)
        assert (breach.rule, breach.limit, breach.observed) == (risk_breach_pb2.RISK_RULE_MAX_ORDER_SIZE, "10", "100")
    assert errors[0].metadata["order_id"] == errors[1].metadata["order_id"]
    kept = await client.order(errors[0].metadata["order_id"])
    assert (kept.order_status, kept.reason) == (
        ORDER_STATUS_REJECTED,
        error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED,
    )


async def test_a_batch_tells_the_outcome_of_each_order(client: Client) -> None:
    """In the order of the request: an order, or the status that PlaceOrder would have failed with."""
    orders = [request("a"), request("b", limit_price="1.001"), request("a"), request("a", quantity="1")]
    response = await client.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=orders))
    first, second, third, fourth = response.results
    assert first.order.client_order_id == "a"
    assert from_status(second.error).reason == "PRICE_OFF_TICK"
    assert third.order.order_id == first.order.order_id
    assert from_status(fourth.error).reason == "DUPLICATE_CLIENT_ORDER_ID"


async def test_an_empty_or_oversized_batch_is_refused(client: Client) -> None:
    """The bounds are the contract's."""
    for orders in ([], [request() for _ in range(501)]):
        with pytest.raises(CodedError) as caught:
            await client.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=orders))
        assert [violation.field for violation in caught.value.violations] == ["orders"]


async def test_cancel_on_request(client: Client, peers: Peers) -> None:
    """PENDING_CANCEL at once, CANCELED when the venue has done it, ORDER_NOT_LIVE after that."""
    peers.broker.venue.react = rest
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_NEW)
    response = await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=placed.order_id))
    assert response.order.order_status == ORDER_STATUS_PENDING_CANCEL
    ended = await client.until(placed.order_id, ORDER_STATUS_CANCELED)
    assert ended.reason == error_pb2.ERROR_REASON_CANCELED_ON_REQUEST
    with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
        await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=placed.order_id))


async def test_an_unknown_order_is_not_found(client: Client) -> None:
    """Told, canceled or looked into: NOT_FOUND with UNKNOWN_ORDER."""
    nobody = "00000000-0000-7000-8000-000000000000"
    calls = (
        client.orders.GetOrder(order_query_pb2.GetOrderRequest(order_id=nobody)),
        client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=nobody)),
        client.orders.GetOrderHistory(order_query_pb2.GetOrderHistoryRequest(order_id=nobody)),
    )
    for call in calls:
        with pytest.raises(CodedError, match="UNKNOWN_ORDER") as caught:
            await call
        assert caught.value.kind is ErrorKind.NOT_FOUND


async def test_cancel_all_of_an_account(client: Client, peers: Peers) -> None:
    """Every live order of the account, no other."""
    peers.broker.venue.react = rest
    mine = [(await client.place(account_id="mine")).order_id for _ in range(3)]
    other = await client.place(account_id="other")
    response = await client.orders.CancelAllOrders(order_entry_pb2.CancelAllOrdersRequest(account_id="mine"))
    assert (response.count, set(response.order_ids)) == (3, set(mine))
    for order_id in mine:
        await client.until(order_id, ORDER_STATUS_CANCELED)
    assert (await client.order(other.order_id)).order_status in (ORDER_STATUS_PENDING_NEW, ORDER_STATUS_NEW)


async def test_a_halt_is_noticed_and_its_end_too(client: Client, peers: Peers) -> None:
    """Orders are refused with INSTRUMENT_NOT_TRADING while the instrument does not trade."""
    halted = peers.market_data.instruments["AAPL.XNAS"]
    halted.status = instrument_pb2.INSTRUMENT_STATUS_HALTED

    async def refusal() -> str:
        try:
            await client.place()
        except CodedError as error:
            return error.reason
        return ""

    await eventually(refusal, lambda reason: reason == "INSTRUMENT_NOT_TRADING")
    halted.status = instrument_pb2.INSTRUMENT_STATUS_TRADING

    await eventually(refusal, lambda reason: reason != "INSTRUMENT_NOT_TRADING")


async def test_an_order_of_an_account_is_numbered_on_over_a_restart(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """Sequences, ids and epoch go on where they were; what was placed before is found and not placed again."""
    peers.broker.venue.react = rest
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        first = await client.place("c-1")
        await client.until(first.order_id, ORDER_STATUS_NEW)
        epoch = (await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest())).epoch
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        again = await client.place("c-1")
        second = await client.place("c-2")
        read = await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest())
        assert again.order_id == first.order_id
        assert [order.order_id for order in await client.all_orders()].index(first.order_id) > 0
        assert read.epoch == epoch
        report = (await client.history(second.order_id))[0]
        assert report.account_sequence == 3


async def test_a_second_writer_of_a_shard_does_not_start(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """Two processes of one shard would both number events; the second one gives up."""
    async with serving(postgres_url, redis_url, peers):
        with pytest.raises(CodedError, match="another process holds the log"):
            async with serving(postgres_url, redis_url, peers, start_timeout_seconds=0.1):
                pass
