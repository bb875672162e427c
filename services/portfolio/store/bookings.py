"""Commits bookings: fills, positions, cash, the log of positions and the cursor, as one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from services.kernel.clock import to_ns
from services.mesh.streams import timestamp
from services.portfolio.codec import change_to_event
from services.portfolio.domain.account import Account
from services.portfolio.domain.booking import PositionChange
from services.portfolio.domain.position import Position
from services.portfolio.pipeline.ports import Commit, Cursor, LoggedChange
from services.portfolio.store.catalogue import insert_account
from services.storage import cursor, event_log
from services.storage.database import Connection

CONSUMER = "portfolio"
FILLS = "trade.executed"
CHANGES = "position.updated"

POSITION_COLUMNS = (
    "account_id",
    "instrument",
    "currency",
    "multiplier",
    "quantity",
    "basis_quantity",
    "basis_cost",
    "invested",
    "fees",
    "bought",
    "sold",
    "trade_count",
    "order_sequence",
    "sequence",
    "opened_at_ns",
    "updated_at_ns",
)
_BOOKING_COLUMNS = (
    "epoch",
    "trade_id",
    "order_sequence",
    "sequence",
    "account_id",
    "instrument",
    "side",
    "price",
    "quantity",
    "fee",
    "realised_profit",
    "executed_at_ns",
)
_UPSERT_POSITION = (
    f"insert into position ({', '.join(POSITION_COLUMNS)}) "
    f"values ({', '.join(f'${n}' for n in range(1, len(POSITION_COLUMNS) + 1))}) "
    "on conflict (account_id, instrument) do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in POSITION_COLUMNS[4:])
)


async def load_cursors(connection: Connection) -> dict[int, Cursor]:
    """Returns how far the order log of each shard has been booked."""
    rows = await connection.fetch(
        "select shard, epoch, sequence from consumer_cursor where consumer = $1 and topic = $2", CONSUMER, FILLS
    )
    return {row["shard"]: Cursor(str(row["epoch"]), int(row["sequence"])) for row in rows}


async def lock_cursor(connection: Connection, shard: int) -> Cursor:
    """Returns how far the order log of a shard has been booked; nobody else books it until the transaction ends."""
    row = await connection.fetchrow(
        "select epoch, sequence from consumer_cursor where consumer = $1 and shard = $2 and topic = $3 for update",
        CONSUMER,
        shard,
        FILLS,
    )
    return Cursor() if row is None else Cursor(str(row["epoch"]), int(row["sequence"]))


async def commit(connection: Connection, commit: Commit, epoch: str) -> list[LoggedChange]:
    """Writes bookings within the caller's transaction.

    Raises:
        RuntimeError: The cursor is not where the commit says: somebody else books too.
    """
    if (found := await lock_cursor(connection, commit.shard)) != commit.before:
        raise RuntimeError(f"the cursor is at {found}, not at {commit.before}: does another process book as well?")
    for account, own in commit.opened:
        await insert_account(connection, account, own)
    booked = commit.booked
    await _insert_bookings(connection, booked.changes, commit.after.epoch)
    await _update_accounts(
        connection, booked.accounts.values(), {change.position.currency for change in booked.changes}
    )
    await connection.executemany(_UPSERT_POSITION, [position_row(each) for each in booked.positions.values()])
    logged = await _log(connection, booked.changes, booked.accounts, epoch)
    await cursor.advance(connection, CONSUMER, commit.shard, commit.after.epoch, {FILLS: commit.after.sequence})
    return logged


async def booked_among(connection: Connection, epoch: str, trade_ids: Collection[str]) -> set[str]:
    """Returns which fills are booked already."""
    rows = await connection.fetch(
        "select trade_id from booking where epoch = $1 and trade_id = any($2::uuid[])", epoch, list(trade_ids)
    )
    return {str(row["trade_id"]) for row in rows}


async def begin_anew(connection: Connection, shard: int, epoch: str) -> None:
    """Empties the books for another order log of a shard. What was booked stays under the old log's name.

    The logs of other shards are to be booked once more, so that what was booked of them is forgotten.
    """
    await connection.execute("delete from position")
    await connection.execute("update balance set amount = opening")
    await connection.execute("update account set change_count = 0, updated_at = now()")
    await connection.execute(f"delete from {event_log.TABLE}")
    await connection.execute("update event_log_epoch set epoch = gen_random_uuid(), created_at = now()")
    for table in ("booking", "adjustment"):
        await connection.execute(
            f"delete from {table} where epoch in"
            " (select epoch from consumer_cursor where consumer = $1 and shard <> $2)",
            CONSUMER,
            shard,
        )
    await connection.execute("delete from consumer_cursor where consumer = $1", CONSUMER)
    await cursor.advance(connection, CONSUMER, shard, epoch, {FILLS: 0})


def position_row(position: Position) -> tuple[Any, ...]:
    """Returns a position's values in the order of the columns."""
    return tuple(getattr(position, name) for name in POSITION_COLUMNS)


async def _insert_bookings(connection: Connection, changes: Iterable[PositionChange], epoch: str) -> None:
    records = [
        (
            epoch,
            change.fill.trade_id,
            change.fill.sequence,
            change.sequence,
            change.fill.account_id,
            change.fill.instrument,
            change.fill.side.value,
            change.fill.price,
            change.fill.quantity,
            change.fill.fee,
            change.realised_profit,
            change.fill.executed_at_ns,
        )
        for change in changes
    ]
    await connection.copy_records_to_table("booking", records=records, columns=list(_BOOKING_COLUMNS))


async def _update_accounts(connection: Connection, accounts: Iterable[Account], currencies: Collection[str]) -> None:
    accounts = list(accounts)
    await connection.executemany(
        "update account set change_count = $2, updated_at = $3 where account_id = $1",
        [(account.account_id, account.change_count, account.updated_at) for account in accounts],
    )
    await connection.executemany(
        """
        insert into balance (account_id, currency, amount, opening) values ($1, $2, $3, $4)
        on conflict (account_id, currency) do update set amount = excluded.amount
        """,
        [
            (account.account_id, currency, balance.amount, balance.opening)
            for account in accounts
            for currency, balance in account.balances.items()
            if currency in currencies
        ],
    )


async def _log(
    connection: Connection, changes: Iterable[PositionChange], accounts: dict[str, Account], epoch: str
) -> list[LoggedChange]:
    logged, entries = [], []
    for change in changes:
        account_id = change.fill.account_id
        at = accounts[account_id].updated_at
        payload = change_to_event(change, epoch, timestamp(to_ns(at))).SerializeToString()
        logged.append(LoggedChange(change.sequence, account_id, change.fill.instrument, payload))
        entries.append(
            event_log.LogEntry(
                change.sequence, CHANGES, change.sequence - 1, account_id, change.account_sequence, payload, at
            )
        )
    await event_log.append(connection, entries)
    return logged
