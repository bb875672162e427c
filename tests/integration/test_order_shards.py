"""Two shards of OrderService over one Postgres: each call at the right one, wherever it comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from ordermesh.event.v1 import event_log_service_pb2
from ordermesh.order.v1 import (
    order_entry_pb2,
    order_list_pb2,
    order_pb2,
    order_preview_pb2,
    order_query_pb2,
    reconciliation_pb2,
    trade_query_pb2,
)
from ordermesh.type.v1 import risk_breach_pb2, stream_pb2
from services.kernel.errors import CodedError
from tests.fakes.order_peers import Peers
from tests.fakes.order_risk import refuse
from tests.fakes.order_shards import ShardedOrders, account_of, sharded
from tests.fakes.order_venue import rest
from tests.fakes.order_world import Client, request, serving
from tests.fakes.trade_client import TradeClient, canceling_all, placing
from tests.fixtures.waiting import eventually

ACCOUNTS = (account_of(0), account_of(1))
FILLED = order_pb2.ORDER_STATUS_FILLED
NEW = order_pb2.ORDER_STATUS_NEW
CANCELED = order_pb2.ORDER_STATUS_CANCELED


@pytest.fixture
async def two_peers() -> AsyncIterator[tuple[Peers, Peers]]:
    """Peers of each shard, who accept and let rest."""
    async with Peers().serving() as first, Peers().serving() as second:
        first.broker.venue.react = second.broker.venue.react = rest
        yield first, second


@pytest.fixture
async def shards(postgres_url: str, redis_url: str, two_peers: tuple[Peers, Peers]) -> AsyncIterator[ShardedOrders]:
    """Both shards, running."""
    async with sharded(postgres_url, redis_url, two_peers) as running:
        yield running


async def rows(postgres_url: str, query: str) -> list[tuple[Any, ...]]:
    """Returns what Postgres holds."""
    connection = await asyncpg.connect(postgres_url, server_settings={"search_path": "orders"})
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_an_order_is_its_shards_wherever_it_is_placed_changed_and_asked_for(
    shards: ShardedOrders, postgres_url: str
) -> None:
    """Placed, repeated, previewed, replaced, canceled and told through either shard, it is one order of one log."""
    for client in shards.clients:
        for owner, account_id in enumerate(ACCOUNTS):
            other = shards.clients[1 - shards.clients.index(client)]
            order = await client.place(f"c-{shards.clients.index(client)}", account_id=account_id)
            again = await other.place(order.client_order_id, account_id=account_id)
            assert (again.order_id, again.created_at) == (order.order_id, order.created_at)
            asked = request(order.client_order_id, account_id=account_id)
            preview = await other.orders.PreviewOrder(order_preview_pb2.PreviewOrderRequest(order=asked))
            assert (preview.client_order_id_free, preview.result.order.order_id) == (False, order.order_id)
            await other.until(order.order_id, NEW)
            replaced = await client.replace(order.order_id, quantity="50")
            assert replaced.order_status == order_pb2.ORDER_STATUS_PENDING_REPLACE
            await other.until(order.order_id, NEW)
            await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=order.order_id))
            ended = await other.until(order.order_id, CANCELED)
            assert (ended.quantity, ended.account_id) == ("50", account_id)
            assert [report.sequence for report in await client.history(order.order_id)]
            with pytest.raises(CodedError, match="ORDER_NOT_LIVE"):
                await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=order.order_id))
            venues = [peers.broker.venue.commands for peers in shards.peers]
            sent = [[c.new_order.order_id for c in commands if c.HasField("new_order")] for commands in venues]
            assert [ids.count(order.order_id) for ids in sent] == [int(owner == 0), int(owner == 1)]
    with pytest.raises(CodedError, match="UNKNOWN_ORDER"):
        await shards.clients[0].order("01890000-0000-7000-8000-000000000009")
    found = await rows(postgres_url, "select distinct shard, account_id from orders where not live order by shard")
    assert [row for row in found if not row[1].startswith("warm")] == list(enumerate(ACCOUNTS))


async def test_a_batch_is_placed_where_its_accounts_are_and_lists_hold_all(shards: ShardedOrders) -> None:
    """Orders and fills of both logs are in every list, page by page, each once; sums are those of the account."""
    for peers in shards.peers:
        peers.broker.venue.react = Peers().broker.venue.react
    client, other = shards.clients
    count = 12
    batch = [request(f"b{n}", account_id=ACCOUNTS[n % 3 == 0]) for n in range(count)]
    answer = await client.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=batch))
    assert [result.order.client_order_id for result in answer.results] == [order.client_order_id for order in batch]
    assert [result.order.account_id for result in answer.results] == [order.account_id for order in batch]
    for result in answer.results:
        await other.until(result.order.order_id, FILLED)

    listed = [order for order in await other.all_orders() if order.account_id in ACCOUNTS]
    assert sorted(order.order_id for order in listed) == sorted(result.order.order_id for result in answer.results)
    trades, token = [], ""
    while True:
        wanted = order_query_pb2.ListTradesRequest(page_size=1, page_token=token)
        page = await client.orders.ListTrades(wanted)
        trades += [trade for trade in page.trades if not trade.account_id.startswith("warm")]
        assert page.as_of == 0
        if not (token := page.next_page_token):
            break
    assert sorted(trade.order_id for trade in trades) == sorted(order.order_id for order in listed)
    for trade in trades:
        told = await client.orders.GetTrade(trade_query_pb2.GetTradeRequest(trade_id=trade.trade_id))
        assert told.trade == trade
        assert told.as_of >= trade.sequence
    for account_id in ACCOUNTS:
        summed = await client.orders.SummarizeTrades(trade_query_pb2.SummarizeTradesRequest(account_id=account_id))
        assert summed.summaries[0].trade_count == sum(order.account_id == account_id for order in batch)
        own = await other.orders.ListOrders(order_query_pb2.ListOrdersRequest(account_id=account_id))
        assert own.as_of >= max(order.sequence for order in own.orders)


async def test_errors_and_deadlines_pass_through(shards: ShardedOrders) -> None:
    """A refusal comes with all its details; a caller who waits no longer is told so, whichever shard is slow."""
    shards.peers[1].risk.decide = refuse
    with pytest.raises(CodedError) as caught:
        await shards.clients[0].place(account_id=ACCOUNTS[1])
    assert caught.value.reason == "RISK_LIMIT_EXCEEDED"
    (breach,) = caught.value.details
    assert isinstance(breach, risk_breach_pb2.RiskBreach)
    assert (breach.limit, breach.observed) == ("10", "100")

    shards.peers[1].risk.silent = True
    with pytest.raises(CodedError, match="DEADLINE_EXCEEDED"):
        await shards.clients[0].orders.PlaceOrder(request(account_id=ACCOUNTS[1]), timeout=0.3)
    assert (await shards.clients[1].place(account_id=ACCOUNTS[0])).order_id


async def test_a_stream_goes_on_at_either_shard(shards: ShardedOrders) -> None:
    """Begun at the one and resumed at the other, it lacks nothing and repeats nothing."""
    client, other = shards.clients
    first, second = await other.place("s1", account_id=ACCOUNTS[1]), order_pb2.Order()
    reports, token = [], ""
    stream = client.stream(account_id=ACCOUNTS[1])
    async for message in stream:
        reports += message.update.reports
        token = message.update.resume_token or message.snapshot_end.resume_token or token
        if message.HasField("snapshot_end"):
            second = await client.place("s2", account_id=ACCOUNTS[1])
        if any(report.order_status == NEW and report.client_order_id == "s2" for report in reports):
            break
    third = await client.place("s3", account_id=ACCOUNTS[1])
    async for message in other.stream(account_id=ACCOUNTS[1], resume_token=token):
        reports += message.update.reports
        if any(report.order_status == NEW and report.client_order_id == "s3" for report in reports):
            break
    sequences = [report.account_sequence for report in reports]
    assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert {report.order_id for report in reports} - {first.order_id} == {second.order_id, third.order_id}


async def test_a_trade_stream_at_another_shard_is_as_one_at_its_own(shards: ShardedOrders, postgres_url: str) -> None:
    """Commands and results; a client that is cut off loses its orders, one that closes in order keeps them."""
    client, account_id = shards.clients[0], ACCOUNTS[1]
    lease: dict[str, Any] = {"cancel_on_disconnect": {}}
    async with TradeClient.open(client.orders, account_id, **lease) as trading:
        kept = await trading.place(request(account_id=account_id))
        (foreign,) = await trading.ask(placing(request(account_id=ACCOUNTS[0])))
        assert "must be " + account_id in foreign.error.message
        await trading.close()
    assert await rows(postgres_url, "select account_id from trade_leases") == []

    async with TradeClient.open(client.orders, account_id, **lease) as trading:
        lost = await trading.place(request(account_id=account_id))
        assert await rows(postgres_url, "select shard, account_id from trade_leases") == [(1, account_id)]
    for order in (kept, lost):
        await client.until(order.order_id, CANCELED)

    async with TradeClient.open(client.orders, account_id, resume_token=trading.token) as trading:
        await trading.until(lambda: {kept.order_id, lost.order_id} <= {report.order_id for report in trading.reports})
        (canceled,) = await trading.ask(canceling_all(account_id))
        assert canceled.canceled.count == 0


async def test_a_shard_that_drains_sends_its_callers_to_the_other(shards: ShardedOrders) -> None:
    """Streams handed through end with a token that goes on at the shard of the account; its orders are untouched."""
    client, other = shards.clients
    async with TradeClient.open(client.orders, ACCOUNTS[1]) as trading:
        order = await trading.place(request(account_id=ACCOUNTS[1]))
        client.stop()
        await trading.end()
        assert trading.responses[-1].going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
        assert trading.error is None
    async with TradeClient.open(other.orders, ACCOUNTS[1], resume_token=trading.token) as resumed:
        await resumed.until(lambda: True)
        await resumed.place(request(account_id=ACCOUNTS[1]))
        sequences = [report.account_sequence for report in trading.reports + resumed.reports]
        assert sequences == list(range(sequences[0], sequences[0] + len(sequences)))
    assert (await other.order(order.order_id)).order_status in {order_pb2.ORDER_STATUS_PENDING_NEW, NEW}

    # The accounts of the one that is gone are told so; everybody else trades on.
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await other.place(account_id=ACCOUNTS[0])
    assert (await other.place(account_id=ACCOUNTS[1])).order_id


async def test_records_of_all_shards_are_listed(shards: ShardedOrders) -> None:
    """Each says of which shard it is, and pages hold each once."""

    async def records(client: Client) -> list[reconciliation_pb2.Reconciliation]:
        found, token = [], ""
        while True:
            wanted = reconciliation_pb2.ListReconciliationsRequest(page_size=1, page_token=token)
            page = await client.orders.ListReconciliations(wanted)
            found += page.reconciliations
            if not (token := page.next_page_token):
                return found

    await eventually(lambda: records(shards.clients[0]), lambda found: {record.shard for record in found} == {0, 1})
    first, second = [await records(client) for client in shards.clients]
    assert first == second
    assert len({record.reconciliation_id for record in first}) == len(first)


async def test_each_log_is_read_at_its_own_shard(shards: ShardedOrders) -> None:
    """And says how many there are, so that nobody reads too few."""
    await asyncio.gather(
        *(client.place(account_id=name) for client, name in zip(shards.clients, ACCOUNTS, strict=True))
    )
    epochs = set()
    for shard, client in enumerate(shards.clients):
        read = await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest(shard=shard))
        accounts = {event.execution_report.account_id for event in read.events if event.HasField("execution_report")}
        assert ACCOUNTS[shard] in accounts
        assert ACCOUNTS[1 - shard] not in accounts
        assert read.shard_count == 2
        epochs.add(read.epoch)
        with pytest.raises(CodedError, match="INVALID_FIELD"):
            await client.events.ReadEvents(event_log_service_pb2.ReadEventsRequest(shard=1 - shard))
    assert len(epochs) == 2


async def test_the_number_of_shards_stays_what_it_was(
    postgres_url: str, redis_url: str, two_peers: tuple[Peers, Peers]
) -> None:
    """A log that was made by a shard that was alone is not opened by one of two, and the other is not made either."""
    async with serving(postgres_url, redis_url, two_peers[0]):
        pass
    for shard in (0, 1):
        with pytest.raises(CodedError, match=r"SHARD_MISMATCH.*is 1, and this process is told that it is 2"):
            async with serving(
                postgres_url, redis_url, two_peers[0], shard=shard, shard_addresses=("127.0.0.1:1", "127.0.0.1:2")
            ):
                pass
    assert await rows(postgres_url, "select shard, shard_count from logs") == [(0, 1)]
    async with serving(postgres_url, redis_url, two_peers[0]) as client:
        assert (await client.orders.ListOrders(order_query_pb2.ListOrdersRequest())).as_of == 0


async def test_a_list_of_orders_is_its_shards(shards: ShardedOrders) -> None:
    """Placed, repeated, told and canceled at the other shard, it is one list of its account's log."""
    client, other = shards.clients
    account_id = ACCOUNTS[1]
    take_profit = request(account_id=account_id, side=2, limit_price="200")
    stop_loss = request(account_id=account_id, side=2, type=3, limit_price="", stop_price="180")
    asked = order_list_pb2.PlaceOrderListRequest(
        client_order_list_id="l-1",
        contingency_type=order_list_pb2.CONTINGENCY_TYPE_BRACKET,
        orders=[request(account_id=account_id), take_profit, stop_loss],
    )
    placed = (await client.orders.PlaceOrderList(asked)).order_list
    assert (await other.orders.PlaceOrderList(asked)).order_list.order_list_id == placed.order_list_id
    wanted = order_list_pb2.GetOrderListRequest(order_list_id=placed.order_list_id)
    assert (await client.orders.GetOrderList(wanted)).order_list.account_id == account_id
    await client.orders.CancelOrderList(order_list_pb2.CancelOrderListRequest(order_list_id=placed.order_list_id))
    for each in placed.orders:
        await client.until(each.order_id, CANCELED)
    listed = await client.orders.ListOrderLists(order_list_pb2.ListOrderListsRequest(account_id=account_id))
    assert [each.live for each in listed.order_lists] == [False]
    assert listed.as_of > 0
