"""Users."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from services.identity.domain.user import User
from services.identity.domain.values import Environment, Role
from services.mesh.audit import Change
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database

_SELECT: Final = """
    select user_id, environment, username, display_name, email, roles, account_ids, password_hash, created_at,
           updated_at, password_version,
           exists(select from second_factor f where f.user_id = u.user_id and f.confirmed_at is not null) second_factor,
           disabled, version
    from users u
"""

_ANY: Final = "select exists(select from users where environment = $1)"


class PostgresUserStore:
    """Keeps users."""

    def __init__(self, database: Database, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail

    async def by_name(self, environment: Environment, username: str) -> User | None:
        """Returns the user of a name."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"{_SELECT} where environment = $1 and username = $2", environment.value, username
            )
        return None if row is None else _user(row)

    async def by_id(self, user_id: str) -> User | None:
        """Returns the user of an id."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(f"{_SELECT} where user_id = $1", user_id)
        return None if row is None else _user(row)

    async def by_refresh_token(self, token_hash: bytes) -> User | None:
        """Returns the user of the session that a refresh token is of, used or not."""
        async with self._database.connection() as connection:
            row = await connection.fetchrow(
                f"{_SELECT} where user_id = (select s.user_id from session s join refresh_token t using (session_id) "
                "where t.token_hash = $1)",
                token_hash,
            )
        return None if row is None else _user(row)

    async def page(self, environment: Environment, after: str, limit: int) -> Sequence[User]:
        """Returns users by name, after a name."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(
                f'{_SELECT} where environment = $1 and username collate "C" > $2 '
                'order by username collate "C" limit $3',
                environment.value,
                after,
                limit,
            )
        return [_user(row) for row in rows]

    async def insert(self, user: User) -> bool:
        """Stores a new user; returns whether the name was free."""
        async with self._database.transaction() as connection:
            return await self._insert(connection, user)

    async def insert_first(self, environment: Environment, users: Sequence[User]) -> bool:
        """Stores the users of an environment that has none, all or none of them; returns whether it did."""
        async with self._database.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('ordermesh.identity.first', 0))")
            if await connection.fetchval(_ANY, environment.value):
                return False
            return all([await self._insert(connection, user) for user in users])

    async def update(self, user: User) -> bool:
        """Stores what may change of a user but the password, if the stored one is at the version before."""
        async with self._database.transaction() as connection:
            before = await connection.fetchrow(f"{_SELECT} where user_id = $1 for update of u", user.user_id)
            done = await connection.execute(
                """
                update users set display_name = $2, email = $3, roles = $4, account_ids = $5, disabled = $6,
                                 version = $7, updated_at = $8
                where user_id = $1 and version = $7 - 1
                """,
                user.user_id,
                user.display_name,
                user.email,
                [role.value for role in user.roles],
                list(user.account_ids),
                user.disabled,
                user.version,
                user.updated_at,
            )
            if done != "UPDATE 1" or before is None:
                return False
            if user.disabled:
                await connection.execute(
                    "update session set ended_at = $2 where user_id = $1 and ended_at is null",
                    user.user_id,
                    user.updated_at,
                )
            await self._trail.note(connection, _change(user, _user(before)))
        return True

    async def set_password(
        self, user_id: str, current: str, fresh: str, keep_session: str, now: datetime
    ) -> int | None:
        """Replaces a hash, and ends all sessions but one; returns how many, or None when the hash is another."""
        async with self._database.transaction() as connection:
            row = await connection.fetchrow(
                """
                update users set password_hash = $3, password_version = password_version + 1,
                                 version = version + 1, updated_at = $4
                where user_id = $1 and password_hash = $2 returning environment, password_version
                """,
                user_id,
                current,
                fresh,
                now,
            )
            if row is None:
                return None
            await connection.execute("delete from challenge where user_id = $1", user_id)
            ended = await connection.fetch(
                """
                update session set ended_at = $3
                where user_id = $1 and session_id <> $2 and ended_at is null and expires_at > $3 returning 1
                """,
                user_id,
                keep_session,
                now,
            )
            environment, version = row
            new = {"password_version": version, "ended_sessions": len(ended)}
            change = Change("user", user_id, environment=environment, old={"password_version": version - 1}, new=new)
            await self._trail.note(connection, change)
        return len(ended)

    async def rehash(self, user_id: str, current: str, fresh: str) -> None:
        """Replaces a hash by one of the same password, if it is still the current one."""
        async with self._database.transaction() as connection:
            await connection.execute(
                "update users set password_hash = $3 where user_id = $1 and password_hash = $2", user_id, current, fresh
            )

    async def any_of(self, environment: Environment) -> bool:
        """Tells whether there are users in an environment."""
        async with self._database.connection() as connection:
            found: bool = await connection.fetchval(_ANY, environment.value)
        return found

    async def _insert(self, connection: Connection, user: User) -> bool:
        if not await _insert(connection, user):
            return False
        await self._trail.note(connection, _change(user))
        return True


def _change(user: User, before: User | None = None) -> Change:
    return Change("user", user.user_id, environment=user.environment, old=before, new=user)


async def _insert(connection: Connection, user: User) -> bool:
    done = await connection.execute(
        """
        insert into users (user_id, environment, username, display_name, email, roles, account_ids,
                           password_hash, password_version, disabled, version, created_at, updated_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
        on conflict (environment, username) do nothing
        """,
        user.user_id,
        user.environment.value,
        user.username,
        user.display_name,
        user.email,
        [role.value for role in user.roles],
        list(user.account_ids),
        user.password_hash,
        user.password_version,
        user.disabled,
        user.version,
        user.created_at,
        user.updated_at,
    )
    return bool(done == "INSERT 0 1")


def _user(row: asyncpg.Record) -> User:
    values = dict(row)
    values["user_id"] = str(values["user_id"])
    values["environment"] = Environment(values["environment"])
    values["roles"] = tuple(map(Role, values["roles"]))
    values["account_ids"] = tuple(values["account_ids"])
    return User(**values)
