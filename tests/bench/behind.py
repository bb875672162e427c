"""Fills the tables of OrderService with a past: real rows, copied by SQL under new ids.

The copies stand before the beginning of the log, at sequences below 1, so that nobody who follows it reads them as
news. Their tables and indexes are as large as after as many real orders. Their payloads still name the orders copied;
nothing in a measurement reads them.
"""

from __future__ import annotations

from typing import Final

import asyncpg

_PREPARE: Final = """
    create unlogged table if not exists orders.bench_source as
        select o.*, row_number() over (order by order_id) as number from orders.orders o where not live;
    create or replace function orders.bench_copy(order_id uuid, round bigint) returns uuid immutable language sql as $$
        select (left(order_id::text, 15) || substr(md5(order_id::text || round), 1, 3) || '-8'
            || substr(md5(order_id::text || round), 4, 3) || '-' || substr(md5(order_id::text || round), 7, 12))::uuid
    $$
"""
_SOURCE: Final = "select count(*) from orders.bench_source"
_SPAN: Final = "select max(sequence) from orders.events"
_COUNT: Final = "select count(*) from orders.orders"
_ORDERS: Final = """
    insert into orders.orders (order_id, shard, account_id, client_order_id, fingerprint, instrument, created_at,
        placed_sequence, live, status, accepted, notional, cancel_sequence, sequence)
    select orders.bench_copy(order_id, round), shard, account_id, client_order_id || '-' || round, fingerprint,
        instrument, created_at - round * interval '1 hour', placed_sequence - round * span, live, status, accepted,
        notional, cancel_sequence, sequence - round * span
    from orders.bench_source, (select $1::bigint as round, $2::bigint as span) as moved
    where number <= $3::bigint
"""
_EVENTS: Final = """
    insert into orders.events
    select e.shard, e.sequence - round * span, e.previous_sequence - round * span, e.topic, e.account_id,
        e.account_sequence - round * span, orders.bench_copy(e.order_id, round), e.instrument, e.type,
        e.at - round * interval '1 hour', e.executed_at - round * interval '1 hour', e.payload
    from orders.bench_source s join orders.events e on e.order_id = s.order_id,
        (select $1::bigint as round, $2::bigint as span) as moved
    where s.number <= $3::bigint
"""


class Past:
    """The past that a log is given, round by round."""

    def __init__(self, postgres_url: str) -> None:
        self._url = postgres_url
        self._round = 0

    async def reach(self, orders: int) -> int:
        """Copies ended orders until there are so many in all, and returns how many there are.

        Raises:
            ValueError: No order has ended yet that could be copied.
        """
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(_PREPARE)
            source, span = await connection.fetchval(_SOURCE), await connection.fetchval(_SPAN)
            if not source:
                raise ValueError("there is no ended order to copy")
            while (missing := orders - await connection.fetchval(_COUNT)) > 0:
                self._round += 1
                for statement in (_ORDERS, _EVENTS):
                    await connection.execute(statement, self._round, span, min(source, missing))
            await connection.execute("analyze orders.orders, orders.events")
            return int(await connection.fetchval(_COUNT))
        finally:
            await connection.close()
