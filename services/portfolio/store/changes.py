"""The log of positions: for the relay, for streams that resume, and for peers that read it."""

from __future__ import annotations

from collections.abc import Sequence

from services.bus.relay import Published
from services.portfolio.pipeline.ports import LoggedChange
from services.portfolio.store.bookings import CHANGES
from services.storage import event_log
from services.storage.database import Database

_OF_ACCOUNT = """
    select sequence, payload from event_log
    where account_id = $1 and sequence > $2 and sequence <= $3 order by account_sequence limit $4
"""


class ChangeLog:
    """Reads the log of positions. All methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> list[Published]:
        """Returns about `limit` entries after a sequence, oldest first; none when there are no more."""
        async with self._database.connection() as connection:
            entries = await event_log.read_after(connection, sequence, limit, topics)
        return [Published(entry.topic, entry.sequence, entry.payload) for entry in entries]

    async def last_sequence(self) -> int:
        """Returns the last sequence."""
        async with self._database.connection() as connection:
            return await event_log.last_sequence(connection)

    async def epoch(self) -> str:
        """Returns the incarnation of the log."""
        async with self._database.connection() as connection:
            return await event_log.epoch(connection)

    async def of_account(self, account_id: str, after: int, up_to: int, limit: int) -> list[tuple[int, bytes]]:
        """Returns sequence and payload of an account's entries after one sequence and up to another, oldest first."""
        async with self._database.connection() as connection:
            rows = await connection.fetch(_OF_ACCOUNT, account_id, after, up_to, limit)
        return [(int(row["sequence"]), bytes(row["payload"])) for row in rows]


def published(changes: Sequence[LoggedChange]) -> list[Published]:
    """Returns entries of the log as the relay takes them."""
    return [Published(CHANGES, change.sequence, change.payload) for change in changes]
