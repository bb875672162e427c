"""Reads the state that a shard starts with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import Final

import asyncpg
from asyncpg.cursor import Cursor

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.clock import to_ns
from services.kernel.decimals import ZERO
from services.order.domain.order import Order
from services.order.domain.values import Topic
from services.order.pipeline.book import Book
from services.order.wire import order_of
from services.storage.database import KEYED, Connection

_COLUMNS: Final = """
    o.fingerprint, nullif(o.notional, 0), o.accepted, o.placed_sequence, o.cancel_sequence, o.created_at, e.payload
"""
_NEWEST: Final = "join events e on e.shard = o.shard and e.sequence = o.sequence"
ORDER_SELECT: Final = f"""
    select {_COLUMNS} from orders o {_NEWEST}
"""
_ORDERS_AT_ONCE: Final = 1_000
"""Live orders that are read at once: all of them with their reports would double what the process needs for ever."""
_EPOCH: Final = """
    with made as (insert into logs (shard) values ($1) on conflict do nothing returning epoch)
    select epoch from made union all select epoch from logs where shard = $1
"""
_LAST: Final = "select sequence, at from events where shard = $1 order by sequence desc limit 1"
_DIGESTED: Final = "select sequence, topics from log_digests where shard = $1"
HEADS_SINCE: Final = "select topic, max(sequence) from events where shard = $1 and sequence > $2 group by topic"
_ACCOUNTS: Final = """
    select a, coalesce((select e.account_sequence from events e
                        where e.account_id = a order by e.sequence desc limit 1), 0)
    from unnest($1::text[]) a
"""
LIVE: Final = f"""
    select {_COLUMNS}
    from (select * from orders where live and shard = $1 order by order_id offset 0) o {_NEWEST}
    order by o.order_id
"""
"""Sorted before their reports are looked up, so that the first come while the others are still being found."""
_OF_LISTS: Final = f"{ORDER_SELECT} where not o.live and o.order_list_id = any($1::uuid[])"
_SETTINGS: Final = MappingProxyType({**KEYED, "max_parallel_workers_per_gather": "0", "work_mem": "64MB"})
"""Each order and report is found by its key, and the log never read as a whole, however long it is."""
_SET: Final = "select set_config(name, value, true) from unnest($1::text[], $2::text[]) told (name, value)"
_CURSORS: Final = "select connection_id, epoch, sequence from connection_cursors where shard = $1"


def order_of_row(row: asyncpg.Record) -> Order:
    """Returns the order of a row of `ORDER_SELECT`."""
    fingerprint, notional, accepted, placed_sequence, cancel_sequence, created_at, payload = row
    return order_of(
        ExecutionReport.FromString(payload),
        fingerprint=fingerprint,
        notional=notional or ZERO,
        accepted=accepted,
        placed_sequence=placed_sequence,
        cancel_sequence=cancel_sequence,
        created_at_ns=to_ns(created_at),
    )


async def epoch_of(connection: Connection, shard: int) -> str:
    """Returns the incarnation of a shard's log; the first call makes it."""
    return str(await connection.fetchval(_EPOCH, shard))


async def account_sequences(connection: Connection, account_ids: Collection[str]) -> Mapping[str, int]:
    """Returns the last account sequence of accounts, 0 for one without entries."""
    rows = await connection.fetch(_ACCOUNTS, list(account_ids))
    return {row[0]: row[1] for row in rows}


async def use_keys(connection: Connection) -> None:
    """Has the rest of a transaction find each row by its key."""
    await connection.execute(_SET, list(_SETTINGS), list(_SETTINGS.values()))


async def load(connection: Connection, book: Book) -> None:
    """Fills an empty book with what its shard's log says."""
    shard = book.shard
    book.epoch = await epoch_of(connection, shard)
    async with connection.transaction(readonly=True):
        await use_keys(connection)
        if (last := await connection.fetchrow(_LAST, shard)) is not None:
            book.sequence, book.at_ns = last[0], to_ns(last[1])
        await _load_topics(connection, book)
        book.cursors = {name: (epoch, sequence) for name, epoch, sequence in await connection.fetch(_CURSORS, shard)}
        async with aclosing(parts_of(await connection.cursor(LIVE, shard))) as parts:
            async for part in parts:
                book.load(map(order_of_row, part))
        if book.groups:
            book.load_ended(order_of_row(row) for row in await connection.fetch(_OF_LISTS, list(book.groups)))
        accounts = {order.terms.account_id for order in book.live.values()}
        book.load_accounts(await account_sequences(connection, accounts))


async def _load_topics(connection: Connection, book: Book) -> None:
    """Takes the last sequence of each topic: what was noted with the last digest, and what was appended since.

    Looked for from the end of the log, that of a topic with few entries would be found after reading all of it.
    """
    digested = await connection.fetchrow(_DIGESTED, book.shard)
    after, topics = (0, [0] * len(Topic)) if digested is None else digested
    book.topics[1:] = topics
    for topic, sequence in await connection.fetch(HEADS_SINCE, book.shard, after):
        book.topics[topic] = sequence


async def parts_of(rows: Cursor[asyncpg.Record]) -> AsyncGenerator[Sequence[asyncpg.Record], None]:
    """Yields rows in parts. The store finds a part while the one before is taken in: there is a processor for each.

    Closed before the end, it leaves nothing on the connection that the end of the transaction would run into.
    """
    coming = asyncio.ensure_future(rows.fetch(_ORDERS_AT_ONCE))
    try:
        while part := await coming:
            coming = asyncio.ensure_future(rows.fetch(_ORDERS_AT_ONCE))
            # The request is made in the next turn of the loop, and goes out at the end of that turn.
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            yield part
    finally:
        coming.cancel()
        await asyncio.wait([coming])
