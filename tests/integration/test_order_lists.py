"""Lists over a real Postgres and Redis: what callers, risk and the venue are told, and what a crash leaves."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import Any

import pytest

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import order_entry_pb2, order_list_pb2, order_query_pb2
from ordermesh.order.v1.order_list_pb2 import (
    CONTINGENCY_TYPE_BRACKET,
    CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER,
    CONTINGENCY_TYPE_ONE_TRIGGERS_THE_OTHER,
)
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PENDING_CANCEL,
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_SUSPENDED,
)
from ordermesh.risk.v1 import reservation_service_pb2 as reserving
from ordermesh.type.v1 import error_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import Client, OrderProcess, client_of, ready, request, serving
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.usefixtures("resting_peers")

BUY, SELL, MARKET, LIMIT, STOP, IOC = 1, 2, 1, 2, 3, 3


def stop(side: int = SELL) -> order_entry_pb2.PlaceOrderRequest:
    """Returns a stop order of 100."""
    return request(side=side, type=STOP, limit_price="", stop_price="180")


def bracket(**changes: Any) -> order_list_pb2.PlaceOrderListRequest:
    """Returns a request for an entry of 100 with a take-profit and a stop-loss."""
    fields: dict[str, Any] = {
        "client_order_list_id": uuid.uuid4().hex,
        "contingency_type": CONTINGENCY_TYPE_BRACKET,
        "orders": [
            request(),
            request(side=SELL, limit_price="200"),
            stop(),
        ],
    }
    return order_list_pb2.PlaceOrderListRequest(**(fields | changes))


async def place(client: Client, asked: order_list_pb2.PlaceOrderListRequest) -> order_list_pb2.OrderList:
    """Places a list."""
    placed: order_list_pb2.OrderList = (await client.orders.PlaceOrderList(asked)).order_list
    return placed


async def told(client: Client, order_list_id: str) -> order_list_pb2.OrderList:
    """Returns a list as it stands."""
    response = await client.orders.GetOrderList(order_list_pb2.GetOrderListRequest(order_list_id=order_list_id))
    found: order_list_pb2.OrderList = response.order_list
    return found


async def until(client: Client, order_list_id: str, *statuses: int) -> order_list_pb2.OrderList:
    """Waits until the orders of a list have statuses."""
    return await eventually(
        lambda: told(client, order_list_id),
        lambda found: [order.order_status for order in found.orders] == list(statuses),
    )


def trade(peers: Peers, order_id: str, quantity: str, cumulative: str) -> None:
    """Lets the venue trade some of an order."""
    report = routing.VenueReport(
        type=routing.VENUE_REPORT_TYPE_TRADE,
        last_price="187.25",
        last_quantity=quantity,
        cumulative_quantity=cumulative,
    )
    peers.broker.tell([peers.broker.venue.report(order_id, report)])


async def test_a_bracket_from_entry_to_exit(client: Client, peers: Peers) -> None:
    """The venue gets the entry alone, then the take-profit; what that fills is gone from the stop-loss, which ends."""
    placed = await place(client, bracket())
    assert placed.live
    assert [order.order_status for order in placed.orders] == [
        ORDER_STATUS_PENDING_NEW,
        ORDER_STATUS_SUSPENDED,
        ORDER_STATUS_SUSPENDED,
    ]
    entry, profit, loss = (order.order_id for order in placed.orders)
    assert {peers.risk.reserved[each].group_id for each in (profit, loss)} == {placed.order_list_id}
    await until(client, placed.order_list_id, ORDER_STATUS_NEW, ORDER_STATUS_SUSPENDED, ORDER_STATUS_SUSPENDED)
    assert peers.broker.venue.open.keys() & {entry, profit, loss} == {entry}
    trade(peers, entry, "100", "100")
    await until(client, placed.order_list_id, ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_SUSPENDED)
    trade(peers, profit, "30", "30")
    await eventually(lambda: client.order(loss), lambda order: order.quantity == "70")
    trade(peers, profit, "70", "100")
    ended = await until(client, placed.order_list_id, ORDER_STATUS_FILLED, ORDER_STATUS_FILLED, ORDER_STATUS_CANCELED)
    assert not ended.live
    assert {order.ordered_quantity for order in ended.orders} == {"100"}
    await eventually(lambda: not peers.risk.reserved.keys() & {entry, profit, loss})


async def test_a_repeated_request_answers_the_list_as_it_stands(client: Client, peers: Peers) -> None:
    """The same list again is placed once; another under its id, or its orders alone, are refused."""
    asked = bracket()
    first, second = await asyncio.gather(place(client, asked), place(client, asked))
    assert first.order_list_id == second.order_list_id
    again = await place(client, asked)
    assert again.order_list_id == first.order_list_id
    other = bracket(client_order_list_id=asked.client_order_list_id)
    with pytest.raises(CodedError) as refused:
        await place(client, other)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.ALREADY_EXISTS, "DUPLICATE_CLIENT_ORDER_LIST_ID")
    with pytest.raises(CodedError) as taken:
        await client.orders.PlaceOrder(asked.orders[0])
    assert taken.value.reason == "DUPLICATE_CLIENT_ORDER_ID"
    single = await client.place()
    with pytest.raises(CodedError) as used:
        await place(client, bracket(orders=[request(single.client_order_id), *asked.orders[1:]]))
    assert used.value.reason == "DUPLICATE_CLIENT_ORDER_ID"


async def test_a_refusal_of_one_order_leaves_nothing_of_the_list(client: Client, peers: Peers) -> None:
    """Risk refuses the last order: nothing is kept or reserved, and the ids stay free."""

    def no_stops(reservation: reserving.Reservation) -> reserving.ReservationDecision:
        reason = error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED if reservation.stop_price else 0
        return reserving.ReservationDecision(reason=reason, text="too much")  # type: ignore[arg-type]  # 0 is none

    before, decide = len(await client.all_orders()), peers.risk.decide
    asked = bracket()
    peers.risk.decide = no_stops
    with pytest.raises(CodedError) as refused:
        await place(client, asked)
    assert (refused.value.kind, refused.value.reason) == (ErrorKind.PRECONDITION, "RISK_LIMIT_EXCEEDED")
    peers.risk.decide = decide
    assert len(await client.all_orders()) == before
    await eventually(lambda: len(peers.risk.released) >= 2)
    assert (await place(client, asked)).live


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"contingency_type": CONTINGENCY_TYPE_ONE_TRIGGERS_THE_OTHER}, "orders"),
        ({"orders": [request(), request(side=SELL), request(side=SELL, limit_price="210")]}, "orders[2].type"),
        (
            {"orders": [request(), request(side=SELL), request(type=STOP, limit_price="", stop_price="9")]},
            "orders[2].side",
        ),
        (
            {
                "contingency_type": CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER,
                "orders": [request(), request(type=MARKET, limit_price="", time_in_force=IOC)],
            },
            "orders[1].type",
        ),
        (
            {"contingency_type": CONTINGENCY_TYPE_ONE_CANCELS_THE_OTHER, "orders": [request(), request(quantity="5")]},
            "orders[1].quantity",
        ),
        (
            {
                "contingency_type": CONTINGENCY_TYPE_ONE_TRIGGERS_THE_OTHER,
                "orders": [request(), request(side=SELL, time_in_force=IOC)],
            },
            "orders[1].time_in_force",
        ),
    ],
)
async def test_what_is_no_list_is_refused_with_the_field(client: Client, changes: dict[str, Any], field: str) -> None:
    """Orders that do not make a list of their type are refused; the error names the order and its field."""
    with pytest.raises(CodedError) as refused:
        await place(client, bracket(**changes))
    assert refused.value.reason == "ORDER_LIST_MISMATCH"
    assert [violation.field for violation in refused.value.violations] == [field]


async def test_a_rule_that_an_order_of_a_list_breaks_names_the_order(client: Client) -> None:
    """A price off the tick in the second order is told as that of the second order."""
    with pytest.raises(CodedError) as refused:
        await place(client, bracket(orders=[request(), request(side=SELL, limit_price="200.001"), stop()]))
    assert refused.value.reason == "PRICE_OFF_TICK"
    assert [violation.field for violation in refused.value.violations] == ["orders[1].limit_price"]


async def test_prices_of_exits_can_be_replaced_and_quantities_cannot(client: Client, peers: Peers) -> None:
    """A stop-loss held here takes another stop price at once; its quantity follows the list."""
    placed = await place(client, bracket())
    loss = placed.orders[2].order_id
    after = await client.replace(loss, stop_price="181")
    assert (after.order_status, after.stop_price) == (ORDER_STATUS_SUSPENDED, "181")
    assert (await client.replace(loss, stop_price="181")).version == after.version
    with pytest.raises(CodedError) as refused:
        await client.replace(loss, "r-2", quantity="50")
    assert refused.value.reason == "QUANTITY_FOLLOWS_LIST"


async def test_a_list_is_canceled_as_a_whole(client: Client, peers: Peers) -> None:
    """The entry is called back from its venue, what is held here ends at once; by list or by strategy."""
    placed = await place(client, bracket())
    asked = order_list_pb2.CancelOrderListRequest(order_list_id=placed.order_list_id)
    canceled = (await client.orders.CancelOrderList(asked)).order_list
    assert [order.order_status for order in canceled.orders][1:] == [ORDER_STATUS_CANCELED] * 2
    ended = await until(client, placed.order_list_id, *[ORDER_STATUS_CANCELED] * 3)
    assert not ended.live
    assert not (await client.orders.CancelOrderList(asked)).order_list.live
    tagged = await client.place(strategy_id="momentum")
    other = await client.place()
    mass = order_entry_pb2.CancelAllOrdersRequest(account_id="demo", strategy_id="momentum")
    assert list((await client.orders.CancelAllOrders(mass)).order_ids) == [tagged.order_id]
    assert (await client.order(other.order_id)).order_status not in (ORDER_STATUS_PENDING_CANCEL, ORDER_STATUS_CANCELED)
    wanted = order_query_pb2.ListOrdersRequest(strategy_id="momentum")
    assert [order.order_id for order in (await client.orders.ListOrders(wanted)).orders] == [tagged.order_id]


async def test_lists_are_told_in_pages_newest_first(client: Client) -> None:
    """Pages of lists follow one another, and one list is found by its client's id."""
    placed = [await place(client, bracket()) for _ in range(3)]
    found: list[order_list_pb2.OrderList] = []
    token = ""
    for _ in range(3):
        page = await client.orders.ListOrderLists(order_list_pb2.ListOrderListsRequest(page_size=1, page_token=token))
        found += page.order_lists
        token = page.next_page_token
    assert [each.order_list_id for each in found] == [each.order_list_id for each in reversed(placed)]
    assert [len(each.orders) for each in found] == [3, 3, 3]
    one = order_list_pb2.ListOrderListsRequest(client_order_list_id=placed[1].client_order_list_id)
    assert [e.order_list_id for e in (await client.orders.ListOrderLists(one)).order_lists] == [placed[1].order_list_id]
    with pytest.raises(CodedError) as unknown:
        await told(client, str(uuid.uuid4()))
    assert (unknown.value.kind, unknown.value.reason) == (ErrorKind.NOT_FOUND, "UNKNOWN_ORDER_LIST")


async def test_a_list_goes_on_after_a_crash(tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers) -> None:
    """After a crash the stop-loss has what the take-profit has left of what the entry has filled."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    try:
        async with client_of(await process.start()) as client:
            await ready(client, peers)
            placed = await place(client, bracket())
            entry, profit, loss = (order.order_id for order in placed.orders)
            await client.until(entry, ORDER_STATUS_NEW)
            trade(peers, entry, "40", "40")
            await client.until(profit, ORDER_STATUS_NEW)
            await process.kill()
        trade(peers, profit, "15", "15")
        trade(peers, entry, "60", "100")
        async with client_of(await process.start()) as client:
            await eventually(lambda: client.order(loss), lambda order: order.quantity == "85")
            await eventually(lambda: client.order(profit), lambda order: order.quantity == "100")
            assert [c.new_order.order_id for c in peers.broker.venue.commands if c.HasField("new_order")][-2:] == [
                entry,
                profit,
            ]
    finally:
        await process.kill()


async def test_a_list_survives_a_stop_of_the_service(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """After a stop in order, the list is told as before and the repeated request finds it."""
    asked = bracket()
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        placed = await place(client, asked)
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        assert (await place(client, asked)).order_list_id == placed.order_list_id
