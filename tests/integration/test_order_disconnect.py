"""Cancel-on-disconnect over a real Postgres: who is gone loses live orders, whoever closes in order keeps them."""

from __future__ import annotations

from pathlib import Path

import asyncpg
import pytest
from google.protobuf.duration_pb2 import Duration

from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_NEW, Order
from ordermesh.order.v1.trade_stream_pb2 import CancelOnDisconnect
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import Client, OrderProcess, client_of, ready, request
from tests.fakes.trade_client import TradeClient, placing
from tests.fixtures.waiting import eventually

AT_ONCE = CancelOnDisconnect()
SHORTLY = CancelOnDisconnect(grace=Duration(nanos=50_000_000))
NEVER = CancelOnDisconnect(grace=Duration(seconds=3600))

pytestmark = pytest.mark.usefixtures("resting_peers")


async def leases(postgres_url: str) -> dict[str, float]:
    """Returns the leases on record: grace in seconds by account."""
    connection = await asyncpg.connect(postgres_url)
    try:
        rows = await connection.fetch("select account_id, grace_seconds from orders.trade_leases")
    finally:
        await connection.close()
    return {row[0]: row[1] for row in rows}


async def resting(client: Client, trade: TradeClient) -> Order:
    """Places an order on a stream, and waits until the venue has it."""
    order = await trade.place(request())
    return await client.until(order.order_id, ORDER_STATUS_NEW)


@pytest.mark.parametrize("asked", [AT_ONCE, SHORTLY])
async def test_the_orders_of_a_client_that_is_gone_are_canceled(
    client: Client, postgres_url: str, asked: CancelOnDisconnect
) -> None:
    """All of the account, also those placed by other calls; the lease is off the record then."""
    other = await client.place()
    stranger = await client.place(account_id="stranger")
    async with TradeClient.open(client.orders, cancel_on_disconnect=asked) as trade:
        order = await resting(client, trade)
        assert await leases(postgres_url) == {"demo": asked.grace.ToNanoseconds() / 1e9}
    for each in (order, other):
        await client.until(each.order_id, ORDER_STATUS_CANCELED)
    assert (await client.order(stranger.order_id)).order_status == ORDER_STATUS_NEW
    await eventually(lambda: leases(postgres_url), lambda found: not found)


async def test_orders_still_on_their_way_in_are_canceled_too(client: Client, postgres_url: str) -> None:
    """A client that sends and is gone leaves nothing behind, whatever its orders had reached."""
    async with TradeClient.open(client.orders, cancel_on_disconnect=AT_ONCE) as trade:
        await trade.until(lambda: "snapshot_end" in trade.items())
        for number in range(20):
            await trade.send(*(placing(request(f"gone-{number}-{index}")) for index in range(10)))
    await eventually(lambda: leases(postgres_url), lambda found: not found)

    async def statuses() -> set[int]:
        return {order.order_status for order in await client.all_orders() if order.account_id == "demo"}

    await eventually(statuses, {ORDER_STATUS_CANCELED}.issuperset)


async def test_who_closes_in_order_keeps_the_orders(client: Client, postgres_url: str) -> None:
    """The lease is off the record when the stream ends with OK, and nothing is canceled."""
    for _ in range(10):
        async with TradeClient.open(client.orders, cancel_on_disconnect=AT_ONCE) as trade:
            order = await resting(client, trade)
            await trade.close()
        assert await leases(postgres_url) == {}
        assert (await client.order(order.order_id)).order_status == ORDER_STATUS_NEW


async def test_who_comes_back_within_the_grace_keeps_the_orders(client: Client, postgres_url: str) -> None:
    """The new stream has the lease, with its own grace; its end in order ends it."""
    async with TradeClient.open(client.orders, cancel_on_disconnect=NEVER) as gone:
        order = await resting(client, gone)
    async with TradeClient.open(client.orders, cancel_on_disconnect=AT_ONCE, resume_token=gone.token) as back:
        await back.until(lambda: bool(back.responses))
        assert await leases(postgres_url) == {"demo": 0}
        await back.close()
    assert await leases(postgres_url) == {}
    assert (await client.order(order.order_id)).order_status == ORDER_STATUS_NEW


async def test_a_second_stream_keeps_the_lease(client: Client) -> None:
    """Orders are canceled when the last of an account's streams is gone, not before."""
    async with TradeClient.open(client.orders, cancel_on_disconnect=AT_ONCE) as stays:
        async with TradeClient.open(client.orders, cancel_on_disconnect=AT_ONCE) as goes:
            order = await resting(client, goes)
        after = await resting(client, stays)
        assert (await client.order(order.order_id)).order_status == ORDER_STATUS_NEW
    for each in (order, after):
        await client.until(each.order_id, ORDER_STATUS_CANCELED)


async def test_a_stream_that_is_ended_for_an_error_is_not_closed_in_order(client: Client) -> None:
    """A client whose stream the server refuses to go on with has to come back, or loses its orders."""
    async with TradeClient.open(client.orders, cancel_on_disconnect=SHORTLY) as trade:
        order = await resting(client, trade)
        await trade.send(placing(request("wrong")), sequence=7)
        await trade.end()
    await client.until(order.order_id, ORDER_STATUS_CANCELED)


async def test_leases_survive_a_crash(tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers) -> None:
    """After kill -9 and a start, a client that stays away loses its orders, and one that comes back keeps them."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    try:
        async with client_of(await process.start()) as client:
            await ready(client, peers)
            async with (
                TradeClient.open(client.orders, cancel_on_disconnect=SHORTLY) as away,
                TradeClient.open(client.orders, "back", cancel_on_disconnect=NEVER) as back,
            ):
                lost = await resting(client, away)
                kept = await back.place(request(account_id="back"))
                await client.until(kept.order_id, ORDER_STATUS_NEW)
                await process.kill()
                await back.end()
        async with client_of(await process.start()) as client:
            again = TradeClient.open(client.orders, "back", cancel_on_disconnect=AT_ONCE, resume_token=back.token)
            async with again as back_again:
                await client.until(lost.order_id, ORDER_STATUS_CANCELED)
                await back_again.close()
            assert (await client.order(kept.order_id)).order_status == ORDER_STATUS_NEW
            assert await leases(postgres_url) == {}
    finally:
        await process.kill()
