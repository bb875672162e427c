"""Environments of accounts that are on record, in the schema of the service that must know them."""

from __future__ import annotations

from typing import Final

from services.storage.database import Database

CREATE: Final = "create table account_environments (account_id text primary key, environment smallint not null)"
"""Statement for a migration of the service."""

_GET: Final = "select environment from account_environments where account_id = $1"
_KEEP: Final = "insert into account_environments (account_id, environment) values ($1, $2) on conflict do nothing"


class PostgresEnvironments:
    """Keeps them, for all processes of a service. Each method raises STORE_UNAVAILABLE."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, account_id: str) -> int | None:
        """Returns the environment of an account; None when it is not on record."""
        async with self._database.connection() as connection:
            found: int | None = await connection.fetchval(_GET, account_id)
        return found

    async def keep(self, account_id: str, environment: int) -> None:
        """Puts it on record."""
        async with self._database.connection() as connection:
            await connection.execute(_KEEP, account_id, environment)
