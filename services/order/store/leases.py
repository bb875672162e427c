"""The leases of Trade streams that are on record."""

from __future__ import annotations

from typing import Final

from services.storage.database import Database

_LOAD: Final = "select account_id, grace_seconds from trade_leases where shard = $1"
_SAVE: Final = """
    insert into trade_leases (shard, account_id, grace_seconds) values ($1, $2, $3)
    on conflict (shard, account_id) do update set grace_seconds = excluded.grace_seconds, opened_at = now()
"""
_REMOVE: Final = "delete from trade_leases where shard = $1 and account_id = $2"


class PostgresLeases:
    """Leases of one shard. Each method raises STORE_UNAVAILABLE."""

    def __init__(self, database: Database, shard: int) -> None:
        self._database, self._shard = database, shard

    async def load(self) -> dict[str, float]:
        """Returns the grace in seconds of every account that has a lease."""
        async with self._database.connection() as connection:
            return {row[0]: row[1] for row in await connection.fetch(_LOAD, self._shard)}

    async def save(self, account_id: str, grace_seconds: float) -> None:
        """Puts a lease on record, or its new grace."""
        async with self._database.connection() as connection:
            await connection.execute(_SAVE, self._shard, account_id, grace_seconds)

    async def remove(self, account_id: str) -> None:
        """Takes a lease off the record."""
        async with self._database.connection() as connection:
            await connection.execute(_REMOVE, self._shard, account_id)
