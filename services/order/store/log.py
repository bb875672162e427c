"""The single writer's connection: commits drafts, and finds out after a loss what became of the last one."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from typing import Final

import asyncpg

from services.kernel.errors import CodedError
from services.order.domain import refusals
from services.order.pipeline.entries import Draft
from services.order.pipeline.ports import DuplicateKeyError, InDoubtError, NotCommittedError
from services.order.store.transaction import STATEMENT, arguments
from services.storage.database import KEYED, Connection, Database
from services.storage.errors import store_errors

_LOST: Final = (
    TimeoutError,
    OSError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
)
_CLOSE_SECONDS: Final = 1.0
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
                for name, value in KEYED.items():
                    await connection.execute("select set_config($1, $2, false)", name, value)
            except BaseException:
                connection.terminate()
                await self.close()
                raise
        self._connection = connection

    async def close(self) -> None:
        """Ends the connection, whose settings and lock are of no use to others."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(TimeoutError, OSError, asyncpg.InterfaceError):
                await connection.close(timeout=_CLOSE_SECONDS)
        resources, self._resources = self._resources, AsyncExitStack()
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
                await connection.execute(STATEMENT, *arguments(draft, self._shard))
        except asyncpg.UniqueViolationError as error:
            raise DuplicateKeyError from error
        except _LOST as error:
            connection.terminate()
            raise InDoubtError from error
        except asyncpg.PostgresError as error:
            if connection.is_closed():
                raise InDoubtError from error
            raise NotCommittedError from error

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
