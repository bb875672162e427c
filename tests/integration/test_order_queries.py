"""OrderService over a real Postgres: orders, fills, sums and histories, page by page."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import order_query_pb2, trade_query_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_FILLED, ORDER_STATUS_NEW, ORDER_STATUS_PENDING_NEW
from ordermesh.type.v1 import trading_pb2
from services.kernel.errors import CodedError, ErrorKind
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import rest
from tests.fakes.order_world import Client


@pytest.mark.parametrize("method", ["ListOrders", "ListTrades"])
async def test_lists_take_any_time_there_is_and_refuse_what_is_none(client: Client, method: str) -> None:
    """From the year 1 to the end of 9999 is everything; what lies beyond, or ends before it begins, is refused."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    first, last = Timestamp(seconds=-62_135_596_800), Timestamp(seconds=253_402_300_799, nanos=999_999_999)
    of_method = {"ListOrders": order_query_pb2.ListOrdersRequest, "ListTrades": order_query_pb2.ListTradesRequest}

    async def ask(begin: Timestamp, end: Timestamp) -> Any:
        return await getattr(client.orders, method)(of_method[method](**{"from": begin, "to": end}))

    assert await ask(first, last) == await getattr(client.orders, method)(of_method[method]())
    for begin, end, field in (
        (Timestamp(seconds=first.seconds - 1), last, "from"),
        (first, Timestamp(seconds=last.seconds + 1), "to"),
        (last, first, "to"),
    ):
        with pytest.raises(CodedError) as caught:
            await ask(begin, end)
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, "INVALID_FIELD")
        assert [violation.field for violation in caught.value.violations] == [field]


async def test_orders_are_listed_newest_first_page_by_page(client: Client) -> None:
    """Pages join without a gap or an overlap, though orders come in between."""
    placed = [(await client.place(account_id="pages")).order_id for _ in range(7)]
    found, token = [], ""
    while True:
        wanted = order_query_pb2.ListOrdersRequest(account_id="pages", page_size=3, page_token=token)
        page = await client.orders.ListOrders(wanted)
        found += [order.order_id for order in page.orders]
        token = page.next_page_token
        if not token:
            break
        await client.place(account_id="pages")
    assert found == placed[::-1]


async def test_lists_can_be_filtered(client: Client, peers: Peers) -> None:
    """By status, instrument, client order id and time; a status set of live ones too."""
    filled = await client.place("f", account_id="filters")
    await client.until(filled.order_id, ORDER_STATUS_FILLED)
    peers.broker.venue.react = rest
    live = await client.place("l", account_id="filters", instrument="MSFT.XNAS")
    resting = await client.until(live.order_id, ORDER_STATUS_NEW)

    async def listed(**fields: Any) -> list[str]:
        wanted = order_query_pb2.ListOrdersRequest(**{"account_id": "filters"} | fields)
        return [order.client_order_id for order in (await client.orders.ListOrders(wanted)).orders]

    assert await listed() == ["l", "f"]
    assert await listed(status=[ORDER_STATUS_NEW, ORDER_STATUS_PENDING_NEW]) == ["l"]
    assert await listed(status=[ORDER_STATUS_FILLED]) == ["f"]
    assert await listed(instrument="AAPL.XNAS") == ["f"]
    assert await listed(client_order_id="l") == ["l"]
    assert await listed(**{"from": resting.created_at}) == ["l"]
    assert await listed(to=resting.created_at) == ["f"]
    assert await listed(**{"from": filled.created_at, "to": resting.created_at}) == ["f"]


async def test_fills_are_listed_newest_first_page_by_page(client: Client) -> None:
    """As orders are."""
    placed = []
    for _ in range(5):
        placed.append((await client.place(account_id="fills")).order_id)
        await client.until(placed[-1], ORDER_STATUS_FILLED)
    found, token = [], ""
    while True:
        wanted = order_query_pb2.ListTradesRequest(account_id="fills", page_size=2, page_token=token)
        page = await client.orders.ListTrades(wanted)
        found += [trade.order_id for trade in page.trades]
        token = page.next_page_token
        if not token:
            break
    assert found == placed[::-1]


async def test_a_fill_is_told_by_its_id(client: Client) -> None:
    """Each fill of the log is found again; an id that no fill has, of whatever time, is not."""
    for _ in range(3):
        await client.until((await client.place(account_id="one")).order_id, ORDER_STATUS_FILLED)
    listed = (await client.orders.ListTrades(order_query_pb2.ListTradesRequest(account_id="one"))).trades
    assert len(listed) >= 3
    for trade in listed:
        answer = await client.orders.GetTrade(trade_query_pb2.GetTradeRequest(trade_id=trade.trade_id.upper()))
        assert answer.trade == trade
    near = f"{listed[0].trade_id[:-12]}{'0' * 12}"
    for nobody in (
        near,
        listed[0].order_id,
        "00000000-0000-0000-0000-000000000000",
        "f" * 8 + "-ffff-7fff-bfff-" + "f" * 12,
    ):
        with pytest.raises(CodedError, match="UNKNOWN_TRADE") as caught:
            await client.orders.GetTrade(trade_query_pb2.GetTradeRequest(trade_id=nobody))
        assert caught.value.kind is ErrorKind.NOT_FOUND


async def test_fills_are_summed_up_by_instrument(client: Client) -> None:
    """Of the day, or of the time asked for, as the list of fills tells them one by one."""
    for instrument, side in (("AAPL.XNAS", "BUY"), ("AAPL.XNAS", "SELL"), ("MSFT.XNAS", "BUY"), ("AAPL.XNAS", "BUY")):
        number = trading_pb2.Side.Value(f"SIDE_{side}")
        placed = await client.place(account_id="sums", instrument=instrument, side=number)
        await client.until(placed.order_id, ORDER_STATUS_FILLED)
    trades = (await client.orders.ListTrades(order_query_pb2.ListTradesRequest(account_id="sums"))).trades

    async def summed(**fields: Any) -> Any:
        wanted = trade_query_pb2.SummarizeTradesRequest(**{"account_id": "sums"} | fields)
        return (await client.orders.SummarizeTrades(wanted)).summaries

    everything = {"from": Timestamp(seconds=0)}
    told = await summed(**everything)
    assert [each.instrument for each in told] == ["AAPL.XNAS", "MSFT.XNAS"]
    for each in told:
        own = [trade for trade in trades if trade.instrument == each.instrument]
        bought = [trade for trade in own if trade.side == trading_pb2.SIDE_BUY]
        assert each.trade_count == len(own)
        assert Decimal(each.bought_quantity) == sum(Decimal(trade.quantity) for trade in bought)
        value = sum(Decimal(trade.quantity) * Decimal(trade.price) for trade in bought)
        assert Decimal(each.average_bought_price) * Decimal(each.bought_quantity) == value
        assert bool(each.average_sold_price) == (each.instrument == "AAPL.XNAS")
        times = [trade.executed_at.ToNanoseconds() for trade in own]
        assert each.first_executed_at.ToNanoseconds() == min(times)
        assert each.last_executed_at.ToNanoseconds() == max(times)
    assert [each.instrument for each in await summed(instrument="MSFT.XNAS", **everything)] == ["MSFT.XNAS"]
    assert not await summed(to=Timestamp(seconds=1), **everything)
    assert not await summed(account_id="nobody", **everything)
    day_after = Timestamp(seconds=max(trade.executed_at.seconds for trade in trades) // 86_400 * 86_400 + 86_400)
    answer = await client.orders.SummarizeTrades(
        trade_query_pb2.SummarizeTradesRequest(account_id="sums", to=Timestamp(seconds=86_400))
    )
    assert getattr(answer, "from") == Timestamp(seconds=0)
    assert await summed(**{"from": Timestamp(seconds=0), "to": day_after}) == told


async def test_a_page_token_of_other_filters_or_a_damaged_one_is_refused(client: Client) -> None:
    """INVALID_PAGE_TOKEN names the field."""
    for _ in range(2):
        await client.place(account_id="pages")
    page = await client.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id="pages", page_size=1))
    for account, token in (("other", page.next_page_token), ("pages", page.next_page_token[:-2]), ("pages", "x")):
        with pytest.raises(CodedError, match="INVALID_PAGE_TOKEN") as caught:
            await client.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=account, page_token=token))
        assert [violation.field for violation in caught.value.violations] == ["page_token"]


async def test_a_history_is_told_page_by_page(client: Client) -> None:
    """Oldest first."""
    placed = await client.place()
    await client.until(placed.order_id, ORDER_STATUS_FILLED)
    wanted = order_query_pb2.GetOrderHistoryRequest(order_id=placed.order_id, page_size=2)
    first = await client.orders.GetOrderHistory(wanted)
    wanted.page_token = first.next_page_token
    second = await client.orders.GetOrderHistory(wanted)
    assert [r.version for r in (*first.reports, *second.reports)] == [1, 2, 3]
    assert not second.next_page_token
