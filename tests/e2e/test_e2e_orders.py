"""Orders over gRPC through the gateway, from the client to the position."""

from __future__ import annotations

import asyncio
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1 import execution_report_pb2, order_entry_pb2, order_query_pb2, order_stream_pb2
from ordermesh.order.v1.execution_report_pb2 import (
    EXECUTION_TYPE_CANCELED,
    EXECUTION_TYPE_NEW,
    EXECUTION_TYPE_PENDING_CANCEL,
    EXECUTION_TYPE_PENDING_NEW,
    EXECUTION_TYPE_PENDING_REPLACE,
    EXECUTION_TYPE_REPLACED,
    EXECUTION_TYPE_TRADE,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PARTIALLY_FILLED,
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_REJECTED,
)
from ordermesh.type.v1 import risk_breach_pb2
from tests.fixtures.trader import BUY, FOK, IOC, SELL, Trader, new_instrument, trader

Detail = TypeVar("Detail", bound=Message)

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Returns the reason in an error's details."""
    status = rpc_status.from_call(error)
    assert status is not None
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details)
    assert info.domain == "ordermesh.dev"
    return str(info.reason)


def detail_of(status: status_pb2.Status, kind: type[Detail]) -> Detail:
    """Returns the detail of a kind in a status."""
    for detail in status.details:
        message = kind()
        if detail.Unpack(message):
            return message
    raise AssertionError(f"no {kind.__name__} in {status}")


async def test_two_traders_trade(mesh: Mesh) -> None:
    """A buy and a sell of two accounts meet: both are told, both fill, and both positions follow."""
    async with trader(mesh) as buyer, trader(mesh) as seller:
        instrument = await new_instrument(buyer)
        bid = await buyer.place(BUY, instrument, "10", "50.25")
        assert bid.order_status == ORDER_STATUS_PENDING_NEW
        await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
        ask = await seller.place(SELL, instrument, "4", "50")
        filled = await seller.reports.until(ask.order_id, ORDER_STATUS_FILLED)
        assert (filled.last_price, filled.last_quantity, filled.average_price) == ("50.25", "4", "50.25")
        partly = await buyer.reports.until(bid.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        assert (partly.cumulative_quantity, partly.leaves_quantity) == ("4", "6")
        position = await buyer.position(instrument, trades=1)
        assert (position.quantity, position.average_cost) == ("4", "50.25")
        short = await seller.position(instrument, trades=1)
        assert (short.quantity, short.average_cost) == ("-4", "50.25")


async def test_history_tells_the_life_of_an_order(mesh: Mesh) -> None:
    """Placed, accepted, cancel asked for, canceled: each is a report, with growing versions and sequences."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        order = await someone.place(BUY, instrument, "10", "50")
        await someone.reports.until(order.order_id, ORDER_STATUS_NEW)
        await someone.cancel(order.order_id)
        await someone.reports.until(order.order_id, ORDER_STATUS_CANCELED)
        history = await someone.orders.GetOrderHistory(order_query_pb2.GetOrderHistoryRequest(order_id=order.order_id))
        assert [report.execution_type for report in history.reports] == [
            EXECUTION_TYPE_PENDING_NEW,
            EXECUTION_TYPE_NEW,
            EXECUTION_TYPE_PENDING_CANCEL,
            EXECUTION_TYPE_CANCELED,
        ]
        assert [report.version for report in history.reports] == [1, 2, 3, 4]
        sequences = [report.account_sequence for report in history.reports]
        assert sequences == list(range(sequences[0], sequences[0] + 4))
        assert list(history.reports) == someone.reports.of(order.order_id)


async def test_a_replaced_order_trades_at_its_new_terms(mesh: Mesh) -> None:
    """Price and quantity are replaced at the venue; fills follow the new terms, and so do position and history."""
    async with trader(mesh) as buyer, trader(mesh) as seller:
        instrument = await new_instrument(buyer)
        bid = await buyer.place(BUY, instrument, "10", "50")
        await buyer.reports.until(bid.order_id, ORDER_STATUS_NEW)
        asked = order_entry_pb2.ReplaceOrderRequest(
            order_id=bid.order_id, replace_id="r-1", quantity="6", limit_price="51", expected_version=2
        )
        answers = await asyncio.gather(*(buyer.orders.ReplaceOrder(asked) for _ in range(4)))
        assert {answer.order.replace.replace_id for answer in answers} == {"r-1"}
        await buyer.reports.until_type(bid.order_id, EXECUTION_TYPE_REPLACED)
        ask = await seller.place(SELL, instrument, "8", "51")
        await seller.reports.until(ask.order_id, ORDER_STATUS_PARTIALLY_FILLED)
        filled = await buyer.reports.until(bid.order_id, ORDER_STATUS_FILLED)
        assert (filled.last_price, filled.quantity, filled.cumulative_quantity) == ("51", "6", "6")
        assert (await buyer.position(instrument, trades=1)).quantity == "6"
        assert [report.execution_type for report in buyer.reports.of(bid.order_id)] == [
            EXECUTION_TYPE_PENDING_NEW,
            EXECUTION_TYPE_NEW,
            EXECUTION_TYPE_PENDING_REPLACE,
            EXECUTION_TYPE_REPLACED,
            EXECUTION_TYPE_TRADE,
        ]
        # The rest of the ask is replaced to less than it has traded: it is done with what it has.
        below = order_entry_pb2.ReplaceOrderRequest(order_id=ask.order_id, replace_id="r-1", quantity="3")
        await seller.orders.ReplaceOrder(below)
        done = await seller.reports.until(ask.order_id, ORDER_STATUS_FILLED)
        assert (done.execution_type, done.quantity, done.cumulative_quantity) == (EXECUTION_TYPE_REPLACED, "6", "6")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await seller.orders.ReplaceOrder(
                order_entry_pb2.ReplaceOrderRequest(order_id=ask.order_id, replace_id="r-2", quantity="9")
            )
        assert (refused.value.code(), reason_of(refused.value)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "ORDER_NOT_LIVE",
        )


async def test_the_same_request_again_is_the_same_order(mesh: Mesh) -> None:
    """Under one client order id there is one order, however often it is asked for; another payload fails."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        request = someone.request(BUY, instrument, "10", "50", client_order_id="mine-1")
        answers = await asyncio.gather(*(someone.orders.PlaceOrder(request) for _ in range(8)))
        assert len({answer.order.order_id for answer in answers}) == 1
        other = someone.request(BUY, instrument, "11", "50", client_order_id="mine-1")
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await someone.orders.PlaceOrder(other)
        assert refused.value.code() == grpc.StatusCode.ALREADY_EXISTS
        assert reason_of(refused.value) == "DUPLICATE_CLIENT_ORDER_ID"
        listed = await someone.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=someone.account_id))
        assert len(listed.orders) == 1


async def test_immediate_orders_do_not_rest(mesh: Mesh) -> None:
    """An IOC order trades what it can and ends; a FOK order that cannot fill in full trades nothing."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        instrument = await new_instrument(maker)
        resting = await maker.place(SELL, instrument, "5", "20")
        await maker.reports.until(resting.order_id, ORDER_STATUS_NEW)
        kill = await taker.place(BUY, instrument, "6", "20", time_in_force=FOK)
        assert (await taker.reports.until(kill.order_id, ORDER_STATUS_CANCELED)).cumulative_quantity == "0"
        part = await taker.place(BUY, instrument, "6", "20", time_in_force=IOC)
        ended = await taker.reports.until(part.order_id, ORDER_STATUS_CANCELED)
        assert (ended.cumulative_quantity, ended.leaves_quantity) == ("5", "0")


async def test_a_market_order_without_a_price_to_check_it_against_is_refused(mesh: Mesh) -> None:
    """Risk refuses what it cannot value; the order is kept as rejected, and asked for again is refused again."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        request = someone.request(BUY, instrument, "1", client_order_id="blind")
        for _ in range(2):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await someone.orders.PlaceOrder(request)
            assert refused.value.code() == grpc.StatusCode.FAILED_PRECONDITION
            assert reason_of(refused.value) == "NO_REFERENCE_PRICE"
        listed = await someone.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=someone.account_id))
        assert [order.order_status for order in listed.orders] == [ORDER_STATUS_REJECTED]


async def test_a_market_order_takes_what_is_offered(mesh: Mesh) -> None:
    """With a quote to value it by, a market order trades at the best price there is."""
    async with trader(mesh) as maker, trader(mesh) as taker:
        instrument = await new_instrument(maker)
        resting = await maker.place(SELL, instrument, "5", "20")
        await maker.reports.until(resting.order_id, ORDER_STATUS_NEW)
        order = await taker.place_when_priced(BUY, instrument, "2")
        filled = await taker.reports.until(order.order_id, ORDER_STATUS_FILLED)
        assert filled.average_price == "20"


async def test_a_breach_of_a_limit_is_told_with_its_numbers(mesh: Mesh) -> None:
    """An order over the largest value is refused with rule, limit and what was observed."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await someone.place(BUY, instrument, "1000000", "100000")
        assert reason_of(refused.value) == "RISK_LIMIT_EXCEEDED"
        status = rpc_status.from_call(refused.value)
        assert status is not None
        breach = detail_of(status, risk_breach_pb2.RiskBreach)
        assert breach.rule != risk_breach_pb2.RISK_RULE_UNSPECIFIED
        assert float(breach.observed) > float(breach.limit)


async def test_a_batch_answers_each_order_for_itself(mesh: Mesh) -> None:
    """One bad order of a batch fails alone, naming its field; the others are placed."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        answer = await someone.orders.PlaceOrders(
            order_entry_pb2.PlaceOrdersRequest(
                orders=[
                    someone.request(BUY, instrument, "1", "10"),
                    someone.request(BUY, instrument, "1", "10.001"),
                    someone.request(BUY, "NOBODY.XTST", "1", "10"),
                    someone.request(BUY, instrument, "2", "10"),
                ]
            )
        )
        assert [result.WhichOneof("outcome") for result in answer.results] == ["order", "error", "error", "order"]
        reasons = [detail_of(answer.results[i].error, error_details_pb2.ErrorInfo).reason for i in (1, 2)]
        assert reasons == ["PRICE_OFF_TICK", "UNKNOWN_INSTRUMENT"]


async def test_cancel_all_cancels_what_was_asked_for(mesh: Mesh) -> None:
    """Only live orders of the account and side are canceled."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        buys = [await someone.place(BUY, instrument, "1", "10") for _ in range(3)]
        sell = await someone.place(SELL, instrument, "1", "11")
        for order in (*buys, sell):
            await someone.reports.until(order.order_id, ORDER_STATUS_NEW)
        answer = await someone.orders.CancelAllOrders(
            order_entry_pb2.CancelAllOrdersRequest(account_id=someone.account_id, side=BUY)
        )
        assert set(answer.order_ids) == {order.order_id for order in buys}
        for order in buys:
            await someone.reports.until(order.order_id, ORDER_STATUS_CANCELED)
        got = await someone.orders.GetOrder(order_query_pb2.GetOrderRequest(order_id=sell.order_id))
        assert got.order.order_status == ORDER_STATUS_NEW


async def test_a_stream_resumes_where_it_was_left(mesh: Mesh) -> None:
    """With the token of its last message a stream goes on with just what came after it."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        call = someone.orders.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id=someone.account_id))
        token = ""
        async for response in call:
            if response.HasField("snapshot_end"):
                token = response.snapshot_end.resume_token
                break
        call.cancel()
        placed = [await someone.place(BUY, instrument, "1", "10") for _ in range(3)]
        for order in placed:
            await someone.reports.until(order.order_id, ORDER_STATUS_NEW)
        resumed = someone.orders.StreamOrders(
            order_stream_pb2.StreamOrdersRequest(account_id=someone.account_id, resume_token=token)
        )
        reports: list[execution_report_pb2.ExecutionReport] = []
        async for response in resumed:
            if response.HasField("subscribed"):
                assert response.subscribed.resumed
            assert not response.HasField("snapshot")
            reports += response.update.reports
            if len(reports) == 6:
                break
        resumed.cancel()
        assert reports == someone.reports.reports


async def test_lists_are_paged(mesh: Mesh) -> None:
    """Pages join without gap or overlap, newest first, and a token goes with its filters only."""
    async with trader(mesh) as someone:
        instrument = await new_instrument(someone)
        placed = [(await someone.place(BUY, instrument, "1", "10")).order_id for _ in range(5)]
        seen, token = [], ""
        while True:
            page = await someone.orders.ListOrders(
                order_query_pb2.ListOrdersRequest(account_id=someone.account_id, page_size=2, page_token=token)
            )
            seen += [order.order_id for order in page.orders]
            token = page.next_page_token or token
            if not page.next_page_token:
                break
        assert seen == placed[::-1]
        other = order_query_pb2.ListOrdersRequest(
            account_id=someone.account_id, instrument="AAPL.XNAS", page_size=2, page_token=token
        )
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await someone.orders.ListOrders(other)
        assert reason_of(refused.value) == "INVALID_PAGE_TOKEN"


async def _flat(someone: Trader, instrument: str) -> str:
    return (await someone.position(instrument, trades=2)).quantity


async def test_a_round_trip_leaves_its_profit(mesh: Mesh) -> None:
    """Bought at 50 and sold at 51, ten units leave a profit of 10 and no position."""
    async with trader(mesh) as someone, trader(mesh) as other:
        instrument = await new_instrument(someone)
        offer = await other.place(SELL, instrument, "10", "50")
        await other.reports.until(offer.order_id, ORDER_STATUS_NEW)
        bought = await someone.place(BUY, instrument, "10", "50")
        await someone.reports.until(bought.order_id, ORDER_STATUS_FILLED)
        bid = await other.place(BUY, instrument, "10", "51")
        await other.reports.until(bid.order_id, ORDER_STATUS_NEW)
        sold = await someone.place(SELL, instrument, "10", "51")
        await someone.reports.until(sold.order_id, ORDER_STATUS_FILLED)
        assert await _flat(someone, instrument) == "0"
        assert (await someone.position(instrument, trades=2)).realised_profit == "10"
        trades = await someone.orders.ListTrades(
            order_query_pb2.ListTradesRequest(account_id=someone.account_id, instrument=instrument)
        )
        assert [(trade.price, trade.quantity) for trade in trades.trades] == [("51", "10"), ("50", "10")]
        assert EXECUTION_TYPE_TRADE in {report.execution_type for report in someone.reports.of(sold.order_id)}
