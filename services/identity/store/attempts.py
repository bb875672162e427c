"""Attempts, and the removal of what is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from services.identity.domain.throttle import Attempts
from services.storage.database import Database


class PostgresAttemptStore:
    """Keeps what was tried, for all processes, over restarts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(self, keys: Sequence[bytes], decide: Callable[[Sequence[Attempts]], Sequence[Attempts]]) -> None:
        """Replaces what was tried by what is decided, while nobody else can; nothing changes when it raises."""
        # In one order for everybody, so that nobody waits for who waits for them; and in one statement, which locks
        # what is there as it makes what is not: what is forgotten between two would be made again, out of order.
        ordered = sorted(set(keys))
        async with self._database.transaction() as connection:
            rows = await connection.fetch(
                "insert into attempts as known (key, count) select key, 0 from unnest($1::bytea[]) key "
                "on conflict (key) do update set count = known.count "
                "returning key, count, last_at, blocked_until",
                ordered,
            )
            known = {key: Attempts(*rest) for key, *rest in rows}
            decided = decide([known[key] for key in keys])
            await connection.executemany(
                "update attempts set count = $2, last_at = $3, blocked_until = $4 where key = $1",
                [(key, each.count, each.last_at, each.blocked_until) for key, each in zip(keys, decided, strict=True)],
            )

    async def forget(self, key: bytes) -> None:
        """Forgets what was tried."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from attempts where key = $1", key)

    async def sweep(self, sessions_before: datetime, attempts_before: datetime, now: datetime) -> None:
        """Removes sessions that ended and attempts that were made before a time, and challenges that are over."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from session where coalesce(ended_at, expires_at) < $1", sessions_before)
            await connection.execute(
                "delete from attempts where (last_at is null or last_at < $1) "
                "and (blocked_until is null or blocked_until < $1)",
                attempts_before,
            )
            await connection.execute("delete from challenge where expires_at < $1", now)
