"""What a start of OrderService reads: all that is live, as it stands, and where the log of each topic ends."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ordermesh.order.v1 import order_entry_pb2
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_CANCELED, ORDER_STATUS_FILLED, ORDER_STATUS_NEW, Order
from services.order.domain.values import Topic
from services.order.pipeline.book import Book
from services.order.store import loading
from services.order.store.digests import LogDigests
from services.order.wire import order_message
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database
from services.storage.migrations import migrate
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import fill, rest
from tests.fakes.order_world import Client, ready, serving

VERSIONS = Path(__file__).resolve().parents[2] / "services" / "order" / "migrations" / "versions"


@pytest.fixture
async def store(postgres_url: str) -> AsyncIterator[Database]:
    """The database of the service."""
    async with Database(postgres_url, "orders") as made:
        yield made


@pytest.fixture
async def undigested(postgres_url: str, redis_url: str, peers: Peers) -> AsyncIterator[Client]:
    """A client of a service that records a digest when it starts, and none after it."""
    async with serving(postgres_url, redis_url, peers, digest_interval_seconds=3600.0) as running:
        await ready(running, peers)
        yield running


async def loaded(store: Database) -> Book:
    """Returns the book that a start would begin with."""
    book = Book()
    async with store.connection() as connection:
        await loading.load(connection, book)
    return book


async def canceled(client: Client, order: Order) -> None:
    """Cancels an order."""
    await client.orders.CancelOrder(order_entry_pb2.CancelOrderRequest(order_id=order.order_id))
    await client.until(order.order_id, ORDER_STATUS_CANCELED)


async def heads(store: Database) -> list[int]:
    """Returns the last sequence of each topic, looked for in the whole log."""
    async with store.connection() as connection:
        rows = await connection.fetch("select topic, max(sequence) from events group by topic")
    found: dict[int, int] = {row[0]: row[1] for row in rows}
    return [0, *(found.get(topic, 0) for topic in Topic)]


async def test_live_orders_are_read_part_by_part_as_they_stand(
    client: Client, peers: Peers, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts there are: each order once, the oldest first, none that has ended."""
    ended = await client.place()
    await client.until(ended.order_id, ORDER_STATUS_FILLED)
    peers.broker.venue.react = rest
    placed = await client.place_many(7)
    live = [await client.until(order.order_id, ORDER_STATUS_NEW) for order in placed]
    for size in (1, 3, 7, 8):
        monkeypatch.setattr(loading, "_ORDERS_AT_ONCE", size)
        book = await loaded(store)
        assert [order_message(order) for order in book.live.values()] == live
        assert book.sequence == max(await heads(store))
        # Equal numbers are one object: of many orders they would take a good part of the memory.
        assert len({id(order.terms.limit_price) for order in book.live.values()}) == 1


async def test_each_topic_ends_where_the_log_says(undigested: Client, peers: Peers, store: Database) -> None:
    """Before the first digest, after one that has seen all, and when more was appended since."""
    digests = LogDigests(store, AuditTrail("order"))
    assert (await loaded(store)).topics == await heads(store)
    peers.broker.venue.react = rest
    await canceled(undigested, await undigested.place())
    assert (await loaded(store)).topics == await heads(store)
    while await digests.record(0):
        pass
    assert (await loaded(store)).topics == await heads(store)
    peers.broker.venue.react = fill
    await undigested.until((await undigested.place()).order_id, ORDER_STATUS_FILLED)
    found = await heads(store)
    assert (await loaded(store)).topics == found
    # Of a cancel the digest alone knows: nothing was appended since.
    assert found[Topic.CANCELED] > 0


async def test_a_log_from_before_the_ends_of_topics_were_noted(
    postgres_url: str, store: Database, tmp_path: Path
) -> None:
    """They are looked for once, up to where it was digested; what came after that is found as ever."""
    for path in VERSIONS.glob("[0-9]*.py"):
        if path.name < "0011":
            shutil.copy(path, tmp_path)
    async with store.connection() as connection:
        await connection.execute("drop schema if exists orders cascade")
    await migrate(postgres_url, "order", schema="orders", folder=tmp_path)
    async with store.transaction() as connection:
        await connection.execute("insert into log_digests values (0, 3)")
        await connection.executemany(
            "insert into events select $1::smallint, $2::bigint, 0, $3::smallint, "
            "'demo', 0, gen_random_uuid(), 'A.X', 1, now(), null, '', null",
            [(0, 1, 3), (0, 2, 1), (0, 3, 1), (0, 4, 2), (1, 9, 3)],
        )
    await migrate(postgres_url, "order", schema="orders")
    assert (await loaded(store)).topics == [0, 3, 4, 1, 0]


async def test_a_start_never_reads_the_whole_log(client: Client, store: Database) -> None:
    """Postgres finds each row by a key, also when it takes the tables for small ones."""
    await client.place()
    plans: list[str] = []

    async def explained(connection: Connection, query: str, *arguments: object) -> None:
        rows = await connection.fetch(f"explain {query}", *arguments)
        plans.append("\n".join(row[0] for row in rows))

    async with store.connection() as connection, connection.transaction(readonly=True):
        await loading.use_keys(connection)
        await explained(connection, loading.LIVE, 0)
        await explained(connection, loading.HEADS_SINCE, 0, 0)
    assert not [plan for plan in plans if "Seq Scan" in plan]
    assert "Sort" not in plans[0].partition("Nested Loop")[0]
