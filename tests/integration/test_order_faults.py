"""OrderService while its peers, its store and itself fail: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import redis.asyncio

from ordermesh.broker.v1 import routing_service_pb2 as routing
from ordermesh.order.v1 import order_entry_pb2, order_pb2
from ordermesh.order.v1.order_pb2 import (
    ORDER_STATUS_CANCELED,
    ORDER_STATUS_FILLED,
    ORDER_STATUS_NEW,
    ORDER_STATUS_PENDING_NEW,
    ORDER_STATUS_REJECTED,
)
from services.kernel.errors import CodedError
from services.mesh.service import TaskDiedError
from services.mesh.status import from_status
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import CONNECTION, ignore, rest
from tests.fakes.order_world import Client, OrderProcess, checked, client_of, ready, request, serving
from tests.fixtures.waiting import eventually


def placed_at(peers: Peers) -> list[str]:
    """Returns the orders that the venue was told to place, warm-ups left out."""
    commands = peers.broker.venue.commands
    return [c.new_order.order_id for c in commands if c.HasField("new_order") and c.new_order.account_id != "warm-up"]


async def test_orders_wait_for_a_venue_that_is_away_and_reach_it_in_order(client: Client, peers: Peers) -> None:
    """They are committed and PENDING_NEW; once the connection is up each is sent once."""
    peers.broker.disconnect()
    orders = [await client.place() for _ in range(5)]
    assert {order.order_status for order in orders} == {ORDER_STATUS_PENDING_NEW}
    peers.broker.connect()
    for order in orders:
        await client.until(order.order_id, ORDER_STATUS_FILLED)
    assert placed_at(peers) == [order.order_id for order in orders]


async def test_a_cut_stream_to_broker_is_resumed(client: Client, peers: Peers) -> None:
    """Commands lost on the way are sent again, reports lost on the way are asked for again; none counts twice."""
    orders = []
    for _ in range(4):
        orders += await asyncio.gather(*(client.place() for _ in range(10)))
        peers.broker.cut()
    for order in orders:
        await client.until(order.order_id, ORDER_STATUS_FILLED)
        assert len(await client.history(order.order_id)) == 3
    assert sorted(placed_at(peers)) == sorted(order.order_id for order in orders)


async def test_reports_that_come_twice_or_with_a_gap(client: Client, peers: Peers) -> None:
    """A repeated one changes nothing; after a gap the stream is begun anew at the cursor, and nothing is missed."""
    peers.broker.venue.react = rest
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_NEW)
    venue, sessions = peers.broker.venue, len(peers.broker.cursors)
    trades = [
        venue.report(
            order.order_id,
            routing.VenueReport(
                type=routing.VENUE_REPORT_TYPE_TRADE,
                last_price="187.25",
                last_quantity="10",
                cumulative_quantity=str(10 * count),
            ),
        )
        for count in (1, 2, 3)
    ]
    peers.broker.tell([trades[0], trades[0]])
    peers.broker.tell([trades[2]])
    await eventually(lambda: len(peers.broker.cursors) > sessions)

    await eventually(lambda: client.order(order.order_id), lambda told: told.cumulative_quantity == "30")
    assert [r.last_quantity for r in await client.history(order.order_id)] == ["", "", "10", "10", "10"]


async def test_a_venue_that_lost_its_history(client: Client, peers: Peers) -> None:
    """Orders that it had taken and does not know are CANCELED with a text; one it never saw is sent to it."""
    peers.broker.venue.react = rest
    taken = await client.place()
    await client.until(taken.order_id, ORDER_STATUS_NEW)
    peers.broker.disconnect()
    unseen = await client.place()
    peers.broker.venue.lose_history()
    peers.broker.connect()
    lost = await client.until(taken.order_id, ORDER_STATUS_CANCELED)
    assert "lost its history" in lost.text
    await client.until(unseen.order_id, ORDER_STATUS_NEW)
    assert placed_at(peers).count(unseen.order_id) == 1


async def test_a_venue_that_cannot_tell_repeated_commands_is_asked_first(client: Client, peers: Peers) -> None:
    """What it holds already is not sent again, the rest is."""
    peers.broker.venue.react = ignore
    held = await client.place()
    await eventually(lambda: held.order_id in placed_at(peers))
    peers.broker.disconnect()
    peers.broker.deduplicates = False
    new = await client.place()
    peers.broker.connect()
    await eventually(lambda: new.order_id in placed_at(peers))
    assert peers.broker.venue.ignored == 0
    assert placed_at(peers).count(held.order_id) == 1


async def test_an_order_at_the_venue_that_is_not_ours_is_reported(
    postgres_url: str, redis_url: str, peers: Peers, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is logged and counted, and touches nothing."""
    peers.broker.venue.strangers.append(routing.VenueOrder(venue_order_id="stranger", quantity="1"))
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        seen = ""

        def logged() -> bool:
            nonlocal seen
            seen += capfd.readouterr().out
            return "stranger" in seen and "unknown_at_venue" in seen

        await eventually(logged)


async def test_a_venue_that_is_ahead_of_the_log_ends_the_service(
    postgres_url: str, redis_url: str, peers: Peers, capfd: pytest.CaptureFixture[str]
) -> None:
    """A database made anew beside an old venue would have its commands ignored; the service says so and ends."""
    peers.broker.venue.last_command = 1_000
    seen = ""

    def died() -> bool:
        nonlocal seen
        seen += capfd.readouterr().out
        return "background task died" in seen

    with pytest.raises(TaskDiedError, match="order log ends at 0"):
        async with serving(postgres_url, redis_url, peers):
            await eventually(died)


async def test_an_order_for_a_connection_that_does_not_exist(client: Client, peers: Peers) -> None:
    """BrokerService's own refusal, which has no sequence, ends the order."""
    order = await client.place(connection_id="nowhere")
    ended = await client.until(order.order_id, ORDER_STATUS_REJECTED)
    assert ended.text == "there is no such connection"
    # The same request gets its order as it stands: it was accepted first, and rejected by the venue later.
    assert (await client.place(order.client_order_id, connection_id="nowhere")).order_status == ORDER_STATUS_REJECTED


async def test_without_a_risk_answer_orders_are_refused(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """UNAVAILABLE with RISK_UNAVAILABLE within the time allowed; nothing is stored; the reservation is let go."""
    async with serving(postgres_url, redis_url, peers, risk_timeout_seconds=0.2) as client:
        await ready(client, peers)
        peers.risk.silent = True
        with pytest.raises(CodedError, match="RISK_UNAVAILABLE"):
            await client.place("c-1")
        await eventually(lambda: len(peers.risk.released) == 1)
        peers.risk.silent = False
        order = await checked(lambda: client.place("c-1"))
        assert order.order_status == ORDER_STATUS_PENDING_NEW


async def test_risk_is_brought_up_to_date_when_it_comes_back(client: Client, peers: Peers) -> None:
    """It gets the settlements after what it had consumed, and all that may still trade."""
    filled = await client.place()
    await client.until(filled.order_id, ORDER_STATUS_FILLED)
    peers.broker.venue.react = rest
    live = await client.place()
    await client.until(live.order_id, ORDER_STATUS_NEW)
    fills = [report.sequence for report in await client.history(filled.order_id)][2:]
    peers.risk.consumed, peers.risk.settled = 0, []
    peers.risk.reserved.clear()
    peers.risk.cut()
    await eventually(lambda: live.order_id in peers.risk.reserved)
    assert set(fills) <= set(peers.risk.settled)
    assert peers.risk.settled == sorted(peers.risk.settled)
    assert filled.order_id not in peers.risk.reserved
    await ready(client, peers)


async def test_a_flushed_bus_is_filled_again_from_the_log(client: Client, redis_url: str) -> None:
    """Every event is there again, under its own sequence."""
    order = await client.place()
    await client.until(order.order_id, ORDER_STATUS_FILLED)
    async with redis.asyncio.Redis.from_url(redis_url) as bus:
        key = "{ordermesh:0}:order.placed"

        await eventually(lambda: bus.xlen(key), lambda length: length >= 2)
        before = await entry_ids(bus, key)
        await bus.flushall()
        await client.place()
        await eventually(lambda: bus.xlen(key), lambda length: length > len(before))
        assert (await entry_ids(bus, key))[: len(before)] == before


async def test_postgres_goes_away_and_comes_back(own_postgres: Any, redis_url: str, peers: Peers) -> None:
    """Orders are refused with STORE_UNAVAILABLE meanwhile; what was told is in the log once, and work goes on."""
    async with serving(own_postgres.url, redis_url, peers) as client:
        await ready(client, peers)
        told = Told(client)
        load = asyncio.create_task(told.load())
        await eventually(lambda: len(told.accepted) > 20)
        await own_postgres.stop()
        await eventually(lambda: "STORE_UNAVAILABLE" in told.errors)
        await own_postgres.start()
        count = len(told.accepted)
        await eventually(lambda: len(told.accepted) > count + 20)
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        await told.compare(client, peers)
        await check_log(own_postgres.url)


async def entry_ids(bus: Any, key: str) -> list[str]:
    """Returns the ids of a topic's entries."""
    return [entry_id.decode() for entry_id, _ in await bus.xrange(key)]


@pytest.mark.timeout(180)
async def test_the_process_is_killed_again_and_again(
    tmp_path: Path, postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """Kill -9 under load: whatever a client was told is in the log, sent once, filled once; retries get one order."""
    process = OrderProcess(tmp_path, postgres_url, redis_url, peers)
    told = Told(None)
    try:
        for round_number in range(3):
            async with client_of(await process.start()) as client:
                await ready(client, peers)
                told.client = client
                load = asyncio.create_task(told.load())
                await eventually(partial(told.has_accepted, len(told.accepted) + 40))
                if round_number < 2:
                    await process.kill()
                load.cancel()
                await asyncio.gather(load, return_exceptions=True)
                if round_number == 2:
                    await told.compare(client, peers)
    finally:
        await process.kill()
    await check_log(postgres_url)


class Told:
    """A client that sends batches, sends again what it got no answer to, and remembers what it was told."""

    def __init__(self, client: Client | None) -> None:
        self.client = client
        self.accepted: dict[str, order_pb2.Order] = {}
        self.unanswered: dict[str, order_entry_pb2.PlaceOrderRequest] = {}
        self.errors: set[str] = set()

    def has_accepted(self, count: int) -> bool:
        return len(self.accepted) >= count

    async def load(self) -> None:
        await asyncio.gather(*(self._send() for _ in range(4)))

    async def settle(self) -> None:
        """Sends until everything has an answer."""
        while self.unanswered:
            await self._batch(list(self.unanswered.values())[:100])

    async def compare(self, client: Client, peers: Peers) -> None:
        """Compares what was told with the log, and with what the venue got."""
        await self.settle()
        listed = {order.client_order_id: order for order in await client.all_orders()}
        for key, order in self.accepted.items():
            assert listed[key].order_id == order.order_id
            await client.until(order.order_id, ORDER_STATUS_FILLED)
        for order in listed.values():
            if order.account_id == "demo":
                assert order.client_order_id in self.accepted
        places = placed_at(peers)
        assert len(places) == len(set(places))
        assert set(places) == {order.order_id for order in self.accepted.values()}

    async def _send(self) -> None:
        while True:
            # Some are with another sender at this moment: two callers of one id must get one order.
            await self._batch(list(self.unanswered.values())[:5] + [request() for _ in range(5)])

    async def _batch(self, orders: list[order_entry_pb2.PlaceOrderRequest]) -> None:
        assert self.client is not None
        self.unanswered |= {order.client_order_id: order for order in orders}
        try:
            response = await self.client.orders.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=orders))
        except CodedError as error:
            self.errors.add(error.reason)
            await asyncio.sleep(0.01)
            return
        for order, result in zip(orders, response.results, strict=True):
            if result.HasField("order"):
                self.unanswered.pop(order.client_order_id, None)
                known = self.accepted.setdefault(order.client_order_id, result.order)
                assert known.order_id == result.order.order_id
            else:
                self.errors.add(from_status(result.error).reason)


async def check_log(url: str) -> None:
    """The log has no gaps, in all and by account; each order is where its last event left it; no fill stands twice."""
    connection = await asyncpg.connect(url, server_settings={"search_path": "orders"})
    try:
        assert await connection.fetchval("select count(*) = max(sequence) from events")
        assert not await connection.fetch(
            "select account_id from events group by 1 having count(*) <> max(account_sequence)"
        )
        assert not await connection.fetch(
            "select o.order_id from orders o where sequence <> (select max(sequence) from events e"
            " where e.order_id = o.order_id)"
        )
        assert not await connection.fetch(
            "select order_id from events where executed_at is not null group by 1 having count(*) > 1"
        )
        cursor = await connection.fetchval(
            "select sequence from connection_cursors where connection_id = $1", CONNECTION
        )
        reports = await connection.fetchval("select count(*) from events where type in (2, 3)")
        assert cursor == reports
    finally:
        await connection.close()
