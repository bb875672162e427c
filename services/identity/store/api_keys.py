"""API keys."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.identity.domain.api_key import ApiKey
from services.identity.domain.values import Scope
from services.storage.database import Database

_COLUMNS: Final = (
    "api_key_id, user_id, name, scopes, networks, created_at, expires_at, last_used_at, last_address, revoked_at"
)


class PostgresApiKeyStore:
    """Keeps API keys."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def insert(self, key: ApiKey, secret_hash: bytes, most: int, now: datetime) -> bool:
        """Stores a key unless the user has so many good ones; returns whether it did."""
        async with self._database.transaction() as connection:
            # Locked, so that two at once are counted one after the other.
            await connection.execute("select from users where user_id = $1 for update", key.user_id)
            count = await connection.fetchval(
                "select count(*) from api_key "
                "where user_id = $1 and revoked_at is null and (expires_at is null or expires_at > $2)",
                key.user_id,
                now,
            )
            if count >= most:
                return False
            await connection.execute(
                f"insert into api_key ({_COLUMNS}, secret_hash) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
                key.api_key_id,
                key.user_id,
                key.name,
                [scope.value for scope in key.scopes],
                list(key.networks),
                key.created_at,
                key.expires_at,
                key.last_used_at,
                key.last_address,
                key.revoked_at,
                secret_hash,
            )
        return True

    async def page(self, user_id: str, after: str, limit: int, *, revoked: bool) -> Sequence[ApiKey]:
        """Returns keys by id, after an id."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f"select {_COLUMNS} from api_key where user_id = $1 and api_key_id > $2 and ($4 or revoked_at is null) "
                "order by api_key_id limit $3",
                user_id,
                after,
                limit,
                revoked,
            )
        return [_key(row) for row in rows]

    async def by_secret(self, secret_hash: bytes) -> ApiKey | None:
        """Returns the key of a secret."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(f"select {_COLUMNS} from api_key where secret_hash = $1", secret_hash)
        return None if row is None else _key(row)

    async def get(self, api_key_id: str) -> ApiKey | None:
        """Returns a key."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(f"select {_COLUMNS} from api_key where api_key_id = $1", api_key_id)
        return None if row is None else _key(row)

    async def used(self, api_key_id: str, address: str, now: datetime) -> None:
        """Notes that a key was exchanged."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "update api_key set last_used_at = $2, last_address = $3 where api_key_id = $1",
                api_key_id,
                now,
                address,
            )

    async def revoke(self, user_id: str, api_key_id: str, now: datetime) -> ApiKey | None:
        """Revokes a key of a user's, and returns it; one that was revoked stays so."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                "update api_key set revoked_at = coalesce(revoked_at, $3) where user_id = $1 and api_key_id = $2 "
                f"returning {_COLUMNS}",
                user_id,
                api_key_id,
                now,
            )
        return None if row is None else _key(row)


def _key(row: asyncpg.Record) -> ApiKey:
    values = dict(row)
    values["api_key_id"] = str(values["api_key_id"])
    values["user_id"] = str(values["user_id"])
    values["scopes"] = tuple(map(Scope, values["scopes"]))
    values["networks"] = tuple(values["networks"])
    return ApiKey(**values)
