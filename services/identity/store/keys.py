"""Private keys that sign, sealed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from services.identity.domain.keys import KeyTimes
from services.mesh.audit import Change
from services.mesh.vault import Vault
from services.storage.audit_log import AuditTrail
from services.storage.database import Database

_PLACE: Final = "signing key"


class PostgresKeyStore:
    """Keeps signing keys."""

    def __init__(self, database: Database, vault: Vault, trail: AuditTrail) -> None:
        self._database, self._vault, self._trail = database, vault, trail

    async def load(self) -> Sequence[tuple[KeyTimes, str]]:
        """Returns all keys with their private parts.

        Raises:
            SealBrokenError: One was sealed with another key than this process has.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch("select key_id, active_from, sealed from signing_key order by active_from")
        return [
            (KeyTimes(key_id, active_from), self._vault.open(sealed, _PLACE, key_id))
            for key_id, active_from, sealed in rows
        ]

    async def change(
        self, decide: Callable[[Sequence[KeyTimes]], tuple[Sequence[tuple[KeyTimes, str]], Sequence[str]]]
    ) -> None:
        """Adds and removes keys as decided, while no other process does."""
        async with self._database.transaction() as connection:
            await connection.execute("select pg_advisory_xact_lock(hashtextextended('ordermesh.identity.keys', 0))")
            rows = await connection.fetch("select key_id, active_from from signing_key order by active_from")
            added, gone = decide([KeyTimes(*row) for row in rows])
            await connection.execute("delete from signing_key where key_id = any($1::text[])", list(gone))
            await connection.executemany(
                "insert into signing_key (key_id, active_from, sealed) values ($1, $2, $3)",
                [
                    (times.key_id, times.active_from, self._vault.seal(private, _PLACE, times.key_id))
                    for times, private in added
                ],
            )
            made = [Change("signing_key", times.key_id, new=times) for times, _ in added]
            await self._trail.note(connection, *made, *(Change("signing_key", key_id, old={}) for key_id in gone))
