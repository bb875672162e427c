"""Reads the state that a shard starts with."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

import asyncpg

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.clock import to_ns
from services.order.domain.order import Order
from services.order.domain.values import Topic
from services.order.pipeline.book import Book
from services.order.wire import order_of
from services.storage.database import Connection

ORDER_SELECT: Final = """
    select o.fingerprint, o.notional, o.accepted, o.placed_sequence, o.cancel_sequence, o.created_at, e.payload
    from orders o join events e on e.shard = o.shard and e.sequence = o.sequence
"""
_ORDERS_AT_ONCE: Final = 5_000
"""Live orders that are read at once: all of them with their reports would double what the process needs for ever."""
_EPOCH: Final = """
    with made as (insert into logs (shard) values ($1) on conflict do nothing returning epoch)
    select epoch from made union all select epoch from logs where shard = $1
"""
_LAST: Final = "select sequence, at from events where shard = $1 order by sequence desc limit 1"
_LAST_OF_TOPIC: Final = """
    select sequence from events where shard = $1 and topic = $2 order by sequence desc limit 1
"""
_ACCOUNTS: Final = """
    select a, coalesce((select e.account_sequence from events e
                        where e.account_id = a order by e.sequence desc limit 1), 0)
    from unnest($1::text[]) a
"""
_LIVE: Final = f"{ORDER_SELECT} where o.live and o.shard = $1 order by o.order_id"
_OF_LISTS: Final = f"{ORDER_SELECT} where not o.live and o.order_list_id = any($1::uuid[])"
_CURSORS: Final = "select connection_id, epoch, sequence from connection_cursors where shard = $1"


def order_of_row(row: asyncpg.Record) -> Order:
    """Returns the order of a row of `ORDER_SELECT`."""
    fingerprint, notional, accepted, placed_sequence, cancel_sequence, created_at, payload = row
    return order_of(
        ExecutionReport.FromString(payload),
        fingerprint=fingerprint,
        notional=notional,
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


async def load(connection: Connection, book: Book) -> None:
    """Fills an empty book with what its shard's log says."""
    shard = book.shard
    book.epoch = await epoch_of(connection, shard)
    if (last := await connection.fetchrow(_LAST, shard)) is not None:
        book.sequence, book.at_ns = last[0], to_ns(last[1])
    for topic in Topic:
        book.topics[topic] = await connection.fetchval(_LAST_OF_TOPIC, shard, topic) or 0
    book.cursors = {name: (epoch, sequence) for name, epoch, sequence in await connection.fetch(_CURSORS, shard)}
    async with connection.transaction(readonly=True):
        rows = await connection.cursor(_LIVE, shard)
        while part := await rows.fetch(_ORDERS_AT_ONCE):
            book.load(map(order_of_row, part))
    if book.groups:
        book.load_ended(order_of_row(row) for row in await connection.fetch(_OF_LISTS, list(book.groups)))
    accounts = {order.terms.account_id for order in book.live.values()}
    book.load_accounts(await account_sequences(connection, accounts))
