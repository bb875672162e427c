"""Exposures, counters and cursors."""

from __future__ import annotations

from services.risk.pipeline.ports import Changes, Kept, LogCursor, SavedDay, SavedExposure
from services.storage.database import Connection, Database


class PostgresBookStore:
    """Keeps the book; the cursor moves in the transaction of what it stands for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> Kept:
        """Returns everything, as of one instant.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            exposures = await connection.fetch(
                "select account_id, shard, instrument, position, day_cash, start_position, start_price, last_price "
                "from exposure"
            )
            days = await connection.fetch("select account_id, shard, day, trades, volume from account_day")
            cursors = await connection.fetch("select shard, epoch, sequence from log_cursor")
            environments = await connection.fetch("select account_id, environment from account_environment")
        return Kept(
            [SavedExposure(*row) for row in exposures],
            [SavedDay(*row) for row in days],
            [LogCursor(*row) for row in cursors],
            {row["account_id"]: row["environment"] for row in environments},
        )

    async def save(self, changes: Changes) -> None:
        """Saves what changed, in one transaction.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as connection:
            for shard in changes.begun_anew:
                await connection.execute("delete from exposure where shard = $1", shard)
                await connection.execute("delete from account_day where shard = $1", shard)
            await _save_exposures(connection, changes)
            await _save_days(connection, changes)
            await connection.executemany(
                "insert into log_cursor values ($1, $2, $3) "
                "on conflict (shard) do update set epoch = excluded.epoch, sequence = excluded.sequence",
                [(cursor.shard, cursor.epoch, cursor.sequence) for cursor in changes.cursors],
            )
            await connection.executemany(
                "insert into account_environment values ($1, $2) on conflict (account_id) do nothing",
                changes.environments,
            )


async def _save_exposures(connection: Connection, changes: Changes) -> None:
    await connection.executemany(
        """
        insert into exposure
            (account_id, shard, instrument, position, day_cash, start_position, start_price, last_price)
        values ($1, $2, $3, $4, $5, $6, $7, $8)
        on conflict (account_id, instrument) do update set
            shard = excluded.shard, position = excluded.position, day_cash = excluded.day_cash,
            start_position = excluded.start_position, start_price = excluded.start_price,
            last_price = excluded.last_price
        """,
        [
            (
                each.account_id,
                each.shard,
                each.instrument,
                each.position,
                each.day_cash,
                each.start_position,
                each.start_price,
                each.last_price,
            )
            for each in changes.exposures
        ],
    )


async def _save_days(connection: Connection, changes: Changes) -> None:
    await connection.executemany(
        """
        insert into account_day (account_id, shard, day, trades, volume) values ($1, $2, $3, $4, $5)
        on conflict (account_id) do update set
            shard = excluded.shard, day = excluded.day, trades = excluded.trades, volume = excluded.volume
        """,
        [(each.account_id, each.shard, each.day, each.trades, each.volume) for each in changes.days],
    )
