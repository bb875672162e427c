"""API keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from services.identity.domain.api_key import ApiKey
from services.identity.domain.values import Scope
from services.mesh.audit import Change, proven
from services.storage.audit_log import AuditTrail
from services.storage.database import Database

_COLUMNS: Final = (
    "api_key_id, user_id, name, scopes, networks, created_at, expires_at, last_used_at, last_address, revoked_at"
)

_LOCK: Final = (
    f"select u.environment, u.roles, {', '.join(f'k.{name}' for name in _COLUMNS.split(', '))} "
    "from api_key k join users u using (user_id)"
)


class PostgresApiKeyStore:
    """Keeps API keys."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def insert(self, key: ApiKey, secret_hash: bytes, most: int, now: datetime) -> bool:
        """Stores a key unless the user has so many good ones; returns whether it did."""
        async with self._database.transaction() as connection:
            # Locked, so that two at once are counted one after the other.
            environment = await connection.fetchval(
                "select environment from users where user_id = $1 for update", key.user_id
            )
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
            await self._trail.note(connection, Change("api_key", key.api_key_id, environment=environment, new=key))
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
            row = await connection.fetchrow(f"{_LOCK} where k.api_key_id = $1 for update of k", api_key_id)
            if row is None:
                return
            environment, roles, *values = row
            before = _key(values)
            await connection.execute(
                "update api_key set last_used_at = $2, last_address = $3 where api_key_id = $1",
                api_key_id,
                now,
                address,
            )
            after = replace(before, last_used_at=now, last_address=address)
            by = proven(before.user_id, roles, api_key_id)
            change = Change("api_key", api_key_id, environment=environment, old=before, new=after, by=by)
            await self._trail.note(connection, change)

    async def revoke(self, user_id: str, api_key_id: str, now: datetime) -> ApiKey | None:
        """Revokes a key of a user's, and returns it; one that was revoked stays so."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                f"{_LOCK} where k.user_id = $1 and k.api_key_id = $2 for update of k", user_id, api_key_id
            )
            if row is None:
                return None
            environment, _, *values = row
            before = _key(values)
            if before.revoked_at is not None:
                return before
            after = replace(before, revoked_at=now)
            await connection.execute("update api_key set revoked_at = $2 where api_key_id = $1", api_key_id, now)
            change = Change("api_key", api_key_id, environment=environment, old=before, new=after)
            await self._trail.note(connection, change)
        return after


def _key(row: Iterable[Any]) -> ApiKey:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    values["api_key_id"] = str(values["api_key_id"])
    values["user_id"] = str(values["user_id"])
    values["scopes"] = tuple(map(Scope, values["scopes"]))
    values["networks"] = tuple(values["networks"])
    return ApiKey(**values)
