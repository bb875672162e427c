"""Secrets of second factors, sealed, and recovery codes, hashed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.identity.domain.totp import secret_of, secret_text
from services.mesh.audit import Change
from services.mesh.vault import Vault
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database

_PLACE: Final = "second factor"


class PostgresSecondFactorStore:
    """Keeps second factors."""

    def __init__(self, database: Database, vault: Vault, trail: AuditTrail) -> None:
        self._database, self._vault, self._trail = database, vault, trail

    async def enroll(self, user_id: str, secret: bytes) -> bool:
        """Stores a secret to be confirmed, in place of one that was not; returns whether none is confirmed."""
        async with self._database.transaction() as connection:
            done = await connection.execute(
                """
                insert into second_factor (user_id, sealed, last_step) values ($1, $2, -1)
                on conflict (user_id) do update set sealed = excluded.sealed, last_step = -1
                where second_factor.confirmed_at is null
                """,
                user_id,
                self._vault.seal(secret_text(secret), _PLACE, user_id),
            )
            if done == "INSERT 0 1":
                await self._note(connection, user_id, None, "begun")
        return bool(done == "INSERT 0 1")

    async def secret(self, user_id: str, *, confirmed: bool) -> bytes | None:
        """Returns the secret of a user, confirmed or to be confirmed."""
        async with self._database.connection() as connection:
            sealed = await connection.fetchval(
                "select sealed from second_factor where user_id = $1 and (confirmed_at is not null) = $2",
                user_id,
                confirmed,
            )
        return None if sealed is None else secret_of(self._vault.open(sealed, _PLACE, user_id))

    async def confirm(self, user_id: str, step: int, recovery: Sequence[bytes], now: datetime) -> bool:
        """Confirms the secret and stores the recovery codes; returns whether it was to be confirmed."""
        async with self._database.transaction() as connection:
            done = await connection.execute(
                "update second_factor set confirmed_at = $2, last_step = $3 "
                "where user_id = $1 and confirmed_at is null",
                user_id,
                now,
                step,
            )
            if done != "UPDATE 1":
                return False
            await _replace_recovery(connection, user_id, recovery)
            await _changed(connection, user_id, now)
            await self._note(connection, user_id, "begun", "confirmed")
        return True

    async def spend_step(self, user_id: str, step: int) -> bool:
        """Uses up a step and those before it; returns whether it was not used up."""
        async with self._database.transaction() as connection:
            done = await connection.execute(
                "update second_factor set last_step = $2 where user_id = $1 and last_step < $2", user_id, step
            )
        return bool(done == "UPDATE 1")

    async def spend_recovery(self, user_id: str, code_hash: bytes) -> bool:
        """Uses up a recovery code; returns whether it was good."""
        async with self._database.transaction() as connection:
            done = await connection.execute(
                "delete from recovery_code where user_id = $1 and code_hash = $2", user_id, code_hash
            )
            if done == "DELETE 1":
                await self._note(connection, user_id, None, "recovery code used")
        return bool(done == "DELETE 1")

    async def replace_recovery(self, user_id: str, recovery: Sequence[bytes]) -> None:
        """Replaces the recovery codes."""
        async with self._database.transaction() as connection:
            await _replace_recovery(connection, user_id, recovery)
            await self._note(connection, user_id, None, "recovery codes renewed")

    async def remove(self, user_id: str, now: datetime) -> None:
        """Removes the second factor and the recovery codes."""
        async with self._database.transaction() as connection:
            await connection.execute("delete from second_factor where user_id = $1", user_id)
            await _replace_recovery(connection, user_id, ())
            await _changed(connection, user_id, now)
            await self._note(connection, user_id, "confirmed", None)

    async def _note(self, connection: Connection, user_id: str, before: str | None, after: str | None) -> None:
        environment = await connection.fetchval("select environment from users where user_id = $1", user_id)
        old, new = ({"state": state} if state is not None else None for state in (before, after))
        await self._trail.note(connection, Change("second_factor", user_id, environment=environment, old=old, new=new))


async def _replace_recovery(connection: Connection, user_id: str, recovery: Sequence[bytes]) -> None:
    await connection.execute("delete from recovery_code where user_id = $1", user_id)
    await connection.executemany(
        "insert into recovery_code (user_id, code_hash) values ($1, $2)", [(user_id, each) for each in recovery]
    )


async def _changed(connection: Connection, user_id: str, now: datetime) -> None:
    await connection.execute("update users set version = version + 1, updated_at = $2 where user_id = $1", user_id, now)
