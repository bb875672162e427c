"""The single writer's connection: commits drafts, and finds out after a loss what became of the last one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import datetime
from typing import Any, Final

import asyncpg

from services.kernel.clock import from_ns
from services.kernel.errors import CodedError
from services.order.domain import refusals
from services.order.domain.order import Order
from services.order.pipeline.entries import Draft, Entry
from services.order.pipeline.ports import DuplicateKeyError, InDoubtError, NotCommittedError
from services.storage.database import Connection, Database
from services.storage.errors import store_errors

_ORDER_COLUMNS: Final = (
    "order_id",
    "shard",
    "account_id",
    "client_order_id",
    "fingerprint",
    "instrument",
    "created_at",
    "placed_sequence",
    "live",
    "status",
    "accepted",
    "notional",
    "cancel_sequence",
    "sequence",
)
_EVENT_COLUMNS: Final = (
    "shard",
    "sequence",
    "previous_sequence",
    "topic",
    "account_id",
    "account_sequence",
    "order_id",
    "instrument",
    "type",
    "at",
    "executed_at",
    "payload",
)
_UPDATE: Final = """
    update orders as o
    set live = n.live, status = n.status, accepted = n.accepted, notional = n.notional,
        cancel_sequence = n.cancel_sequence, sequence = n.sequence
    from unnest($1::uuid[], $2::boolean[], $3::smallint[], $4::boolean[], $5::numeric[], $6::bigint[], $7::bigint[])
        as n (order_id, live, status, accepted, notional, cancel_sequence, sequence)
    where o.order_id = n.order_id
"""
_MOVE_CURSORS: Final = """
    insert into connection_cursors (shard, connection_id, epoch, sequence)
    select $1, c, e, s from unnest($2::text[], $3::text[], $4::bigint[]) as n (c, e, s)
    on conflict (shard, connection_id) do update set epoch = excluded.epoch, sequence = excluded.sequence
"""
_LOCK: Final = "select pg_try_advisory_lock(hashtextextended('ordermesh.orders.log', $1))"
_WHO: Final = "select pid, backend_start from pg_stat_activity where pid = pg_backend_pid()"
_END_SESSION: Final = (
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity where pid = $1 and backend_start = $2"
)
_HEAD: Final = "select coalesce(max(sequence), 0) from events where shard = $1"


class OrderLog:
    """Writes the log of one shard. Holds a lock in Postgres while connected, so that there is no second writer."""

    def __init__(self, database: Database, shard: int, *, commit_seconds: float = 10.0) -> None:
        self._database, self._shard, self._commit_seconds = database, shard, commit_seconds
        self._resources = AsyncExitStack()
        self._connection: Connection | None = None
        self._session: tuple[int, datetime] | None = None

    async def open(self) -> None:
        """Connects, and makes sure to be the only writer of the shard.

        Raises:
            CodedError: STORE_UNAVAILABLE; also while another writer holds the log.
        """
        with store_errors():
            await self.close()
            connection = await self._resources.enter_async_context(self._database.connection())
            try:
                await self._lock(connection)
            except BaseException:
                await self.close()
                raise
        self._connection = connection

    async def close(self) -> None:
        """Gives the connection back; a lost one is thrown away."""
        resources, self._resources, self._connection = self._resources, AsyncExitStack(), None
        await resources.aclose()

    async def head(self) -> int:
        """Returns the last sequence of the log.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        if self._connection is None:
            raise refusals.store_unavailable()
        with store_errors():
            async with asyncio.timeout(self._commit_seconds):
                return int(await self._connection.fetchval(_HEAD, self._shard))

    async def commit(self, draft: Draft) -> None:
        """Commits a draft as a whole.

        Raises:
            DuplicateKeyError, NotCommittedError, InDoubtError.
        """
        connection = self._connection
        if connection is None or connection.is_closed():
            raise InDoubtError from ConnectionError("not connected")
        try:
            async with asyncio.timeout(self._commit_seconds):
                await self._transact(connection, draft)
        except asyncpg.UniqueViolationError as error:
            raise DuplicateKeyError from error
        except (TimeoutError, OSError, asyncpg.InterfaceError, asyncpg.PostgresConnectionError) as error:
            connection.terminate()
            raise InDoubtError from error
        except asyncpg.PostgresError as error:
            if connection.is_closed() or isinstance(error, asyncpg.OperatorInterventionError):
                connection.terminate()
                raise InDoubtError from error
            raise NotCommittedError from error

    async def _transact(self, connection: Connection, draft: Draft) -> None:
        placed = {order.terms.order_id for order in draft.placed}
        changed = [order for order in draft.orders.values() if order.terms.order_id not in placed]
        at = from_ns(draft.at_ns)
        async with connection.transaction():
            if draft.placed:
                records = [self._order_row(draft.orders[order.terms.order_id], at) for order in draft.placed]
                await connection.copy_records_to_table("orders", records=records, columns=_ORDER_COLUMNS)
            if draft.entries:
                rows = [self._event_row(entry, at) for entry in draft.entries]
                await connection.copy_records_to_table("events", records=rows, columns=_EVENT_COLUMNS)
            if changed:
                await connection.execute(_UPDATE, *_update_arguments(changed))
            if draft.cursors:
                await connection.execute(_MOVE_CURSORS, self._shard, *_cursor_arguments(draft))

    def _order_row(self, order: Order, at: datetime) -> tuple[Any, ...]:
        terms = order.terms
        return (
            terms.order_id,
            self._shard,
            terms.account_id,
            terms.client_order_id,
            terms.fingerprint,
            terms.instrument,
            at,
            order.placed_sequence,
            order.live,
            order.status,
            order.accepted,
            order.notional,
            order.cancel_sequence,
            order.sequence,
        )

    def _event_row(self, entry: Entry, at: datetime) -> tuple[Any, ...]:
        event = entry.event
        terms = event.order.terms
        executed_at = None
        if event.is_fill and event.report is not None:
            executed_at = from_ns(event.report.venue_at_ns) if event.report.venue_at_ns else at
        return (
            self._shard,
            entry.sequence,
            entry.previous_sequence,
            entry.topic,
            terms.account_id,
            entry.account_sequence,
            terms.order_id,
            terms.instrument,
            event.type,
            at,
            executed_at,
            entry.payload,
        )

    async def _lock(self, connection: Connection) -> None:
        # A session of ours that was cut off may still be finishing its transaction, and holds the lock while it does.
        if self._session is not None:
            await connection.execute(_END_SESSION, *self._session)
        if not await connection.fetchval(_LOCK, self._shard):
            raise CodedError(
                refusals.store_unavailable().kind,
                "STORE_UNAVAILABLE",
                f"another process holds the log of shard {self._shard}",
                retry_after_seconds=refusals.RETRY_SECONDS,
            )
        if (who := await connection.fetchrow(_WHO)) is not None:
            self._session = (who[0], who[1])


def _update_arguments(orders: list[Order]) -> tuple[list[Any], ...]:
    return (
        [order.terms.order_id for order in orders],
        [order.live for order in orders],
        [order.status for order in orders],
        [order.accepted for order in orders],
        [order.notional for order in orders],
        [order.cancel_sequence for order in orders],
        [order.sequence for order in orders],
    )


def _cursor_arguments(draft: Draft) -> tuple[list[Any], ...]:
    return (
        list(draft.cursors),
        [epoch for epoch, _ in draft.cursors.values()],
        [sequence for _, sequence in draft.cursors.values()],
    )
