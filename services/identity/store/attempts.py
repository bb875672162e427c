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
        # In one order for everybody, so that nobody waits for who waits for them.
        ordered = sorted(set(keys))
        async with self._database.transaction() as connection:
            await connection.execute(
                "insert into attempts (key, count) select key, 0 from unnest($1::bytea[]) key on conflict do nothing",
                ordered,
            )
            rows = await connection.fetch(
                "select key, count, last_at, blocked_until from attempts where key = any($1::bytea[]) "
                "order by key for update",
                ordered,
            )
            known = {key: Attempts(*rest) for key, *rest in rows}
            # One that was forgotten in between is as good as new.
            decided = decide([known.get(key, Attempts()) for key in keys])
            await connection.executemany(
                "insert into attempts (key, count, last_at, blocked_until) values ($1, $2, $3, $4) "
                "on conflict (key) do update set count = excluded.count, last_at = excluded.last_at, "
                "blocked_until = excluded.blocked_until",
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
