"""Reads the log: for streams, for risk, for other services, for the bus."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from services.kernel.clock import to_ns
from services.order.domain.values import SETTLING, Topic
from services.order.pipeline.entries import LoggedEntry, LoggedReport
from services.storage.database import Database

_OF_ACCOUNT: Final = """
    select sequence, payload from events
    where account_id = $1 and sequence > $2 and sequence <= $3 and shard = $4 and ($5 = '' or instrument = $5)
    order by sequence limit $6
"""
_AFTER: Final = """
    select sequence, previous_sequence, topic, at, payload from events
    where shard = $1 and sequence > $2 and sequence <= $3 and topic = any($4::smallint[])
    order by sequence limit $5
"""
_SETTLING: Final = """
    select sequence, payload from events
    where shard = $1 and sequence > $2 and sequence <= $3 and type = any($4::smallint[])
    order by sequence limit $5
"""
_SETTLING_TYPES: Final = sorted(SETTLING)
_HEAD: Final = "select coalesce(max(sequence), 0) from events where shard = $1"
_NO_LIMIT: Final = 2**63 - 1


class History:
    """The log of one shard."""

    def __init__(self, database: Database, shard: int) -> None:
        self._database, self._shard = database, shard

    async def of_account(
        self, account_id: str, instrument: str, after: int, up_to: int, limit: int
    ) -> list[LoggedReport]:
        """Returns entries of an account after one sequence up to another, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_OF_ACCOUNT, account_id, after, up_to, self._shard, instrument, limit)
        return [LoggedReport(*row) for row in rows]

    async def settling(self, after: int, up_to: int, limit: int) -> list[LoggedReport]:
        """Returns fills, ends and decided replaces of orders after one sequence up to another, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            rows = await connection.fetch(_SETTLING, self._shard, after, up_to, _SETTLING_TYPES, limit)
        return [LoggedReport(*row) for row in rows]

    async def after(
        self, sequence: int, limit: int, topics: Collection[Topic] = (), up_to: int = _NO_LIMIT
    ) -> list[LoggedEntry]:
        """Returns entries of some topics (none named: of all) after a sequence, oldest first.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        wanted = list(topics or Topic)
        if Topic.TRADE in wanted:
            # A fill stands in the log once, under the topic of its order's event.
            wanted.append(Topic.EXECUTED)
        async with self._database.connection() as connection:
            rows = await connection.fetch(_AFTER, self._shard, sequence, up_to, wanted, limit)
        return [LoggedEntry(row[0], row[1], Topic(row[2]), to_ns(row[3]), row[4]) for row in rows]

    async def head(self) -> int:
        """Returns the last sequence of the log.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection:
            return int(await connection.fetchval(_HEAD, self._shard))
