"""Commits bookings: fills or what became of one, positions, cash, the log of positions and the cursor, as one.

One statement, outside of a transaction block, is a transaction of its own: one round trip, whatever it carries. It
writes nothing unless the cursor is where the books in memory say.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import asyncpg

from services.kernel.clock import to_ns
from services.mesh.streams import timestamp
from services.portfolio.codec import change_to_event
from services.portfolio.domain.booking import Booked, PositionChange
from services.portfolio.domain.position import Position
from services.portfolio.pipeline.ports import AlreadyBookedError, Commit, Cursor, LoggedChange
from services.portfolio.store.adjustments import adjustment_row
from services.portfolio.store.catalogue import account_opened, insert_account
from services.storage import cursor, event_log
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection

CONSUMER: Final = "portfolio"
FILLS: Final = "trade.executed"
CHANGES: Final = "position.updated"

POSITION_COLUMNS: Final = (
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
_BOOKING_KEY: Final = "booking_pkey"
_OUR_CURSOR: Final = "consumer = $1 and shard = $2 and topic = $3"
# Rows are arrays of the tables' own types: every row is a tuple in the order of its table's columns.
_STATEMENT: Final = f"""
    with ours as (
        update consumer_cursor set epoch = $4, sequence = $5
        where {_OUR_CURSOR} and epoch = $6 and sequence = $7
        returning sequence
    ), booked as (
        insert into {{table}} select n.* from unnest($8::{{table}}[]) n where exists (select from ours)
    ), logged as (
        insert into {event_log.TABLE} select n.* from unnest($9::{event_log.TABLE}[]) n where exists (select from ours)
    ), counted as (
        update account a set change_count = n.change_count, updated_at = $12
        from unnest($10::text[], $11::bigint[]) n (account_id, change_count)
        where a.account_id = n.account_id and exists (select from ours)
    ), paid as (
        insert into balance select n.* from unnest($13::balance[]) n where exists (select from ours)
        on conflict (account_id, currency) do update set amount = excluded.amount
    ), held as (
        insert into position select n.* from unnest($14::"position"[]) n where exists (select from ours)
        on conflict (account_id, instrument) do update set
        {", ".join(f"{name} = excluded.{name}" for name in POSITION_COLUMNS[4:])}
    )
    select exists (select from ours)
"""
_BOOK: Final = _STATEMENT.format(table="booking")
_ADJUST: Final = _STATEMENT.format(table="adjustment")

_BEGIN_CURSOR: Final = """
    insert into consumer_cursor (consumer, shard, topic, epoch, sequence) values ($1, $2, $3, $4, $5)
    on conflict do nothing
"""


async def load_cursors(connection: Connection) -> dict[int, Cursor]:
    """Returns how far the order log of each shard has been booked."""
    rows = await connection.fetch(
        "select shard, epoch, sequence from consumer_cursor where consumer = $1 and topic = $2", CONSUMER, FILLS
    )
    return {row["shard"]: Cursor(str(row["epoch"]), int(row["sequence"])) for row in rows}


async def commit(connection: Connection, commit: Commit, epoch: str, trail: AuditTrail) -> list[LoggedChange]:
    """Writes bookings as one; accounts that are opened for them are recorded.

    Raises:
        AlreadyBookedError: One of the fills is booked; nothing was written.
        RuntimeError: The cursor is not where the commit says: somebody else books too. Nothing was written.
    """
    logged, entries = _logged(commit.booked, epoch)
    try:
        if commit.opened or not commit.before.epoch:
            async with connection.transaction():
                before = await _prepare(connection, commit)
                await _book(connection, commit, before, entries)
                await trail.note(connection, *(account_opened(account) for account, _ in commit.opened))
        else:
            await _book(connection, commit, commit.before, entries)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == _BOOKING_KEY:
            raise AlreadyBookedError from error
        raise
    return logged


async def booked_among(connection: Connection, epoch: str, trade_ids: Collection[str]) -> set[str]:
    """Returns which fills are booked already."""
    rows = await connection.fetch(
        "select trade_id from booking where epoch = $1 and trade_id = any($2::uuid[])", epoch, list(trade_ids)
    )
    return {str(row["trade_id"]) for row in rows}


async def begin_anew(connection: Connection, shard: int, epoch: str) -> None:
    """Empties the books for another order log of a shard. What was booked stays under the old log's name.

    The logs of other shards are to be booked once more, so that what was booked of them is forgotten; so is what was
    booked of this one, should it be a log from before that has come back.
    """
    await connection.execute("delete from position")
    await connection.execute("update balance set amount = opening")
    await connection.execute("update account set change_count = 0, updated_at = now()")
    await connection.execute(f"delete from {event_log.TABLE}")
    await connection.execute("update event_log_epoch set epoch = gen_random_uuid(), created_at = now()")
    for table in ("booking", "adjustment"):
        await connection.execute(
            f"delete from {table} where epoch = $3 or epoch in"
            " (select epoch from consumer_cursor where consumer = $1 and shard <> $2)",
            CONSUMER,
            shard,
            epoch,
        )
    await connection.execute("delete from consumer_cursor where consumer = $1", CONSUMER)
    await cursor.advance(connection, CONSUMER, shard, epoch, {FILLS: 0})


async def _prepare(connection: Connection, commit: Commit) -> Cursor:
    """Writes what few bookings need: the first cursor, accounts to open. Returns the cursor to go on from."""
    for account, own in commit.opened:
        await insert_account(connection, account, own)
    if commit.before.epoch:
        return commit.before
    begun = Cursor(commit.after.epoch, 0)
    await connection.execute(_BEGIN_CURSOR, CONSUMER, commit.shard, FILLS, begun.epoch, begun.sequence)
    return begun


async def _book(connection: Connection, commit: Commit, before: Cursor, entries: list[event_log.LogEntry]) -> None:
    booked, after = commit.booked, commit.after
    accounts = booked.accounts.values()
    statement, row = (_ADJUST, adjustment_row) if commit.adjusts else (_BOOK, _booking_row)
    moved = await connection.fetchval(
        statement,
        *(CONSUMER, commit.shard, FILLS),
        *(after.epoch, after.sequence, before.epoch, before.sequence),
        [row(change, after.epoch) for change in booked.changes],
        entries,
        [account.account_id for account in accounts],
        [account.change_count for account in accounts],
        booked.at,
        _balance_rows(booked),
        [_position_row(position) for position in booked.positions.values()],
    )
    if not moved:
        raise RuntimeError(f"the cursor is not at {before}: does another process book as well?")


def _position_row(position: Position) -> tuple[Any, ...]:
    """Returns a position's values in the order of the columns."""
    return tuple([getattr(position, name) for name in POSITION_COLUMNS])


def _booking_row(change: PositionChange, epoch: str) -> tuple[Any, ...]:
    fill = change.fill
    return (
        epoch,
        fill.trade_id,
        fill.sequence,
        change.sequence,
        fill.account_id,
        fill.instrument,
        fill.side,
        fill.price,
        fill.quantity,
        fill.fee,
        change.realised_profit,
        fill.executed_at_ns,
    )


def _balance_rows(booked: Booked) -> list[tuple[Any, ...]]:
    flowed = {(account_id, position.currency) for (account_id, _), position in booked.positions.items()}
    balances = [
        (account_id, currency, booked.accounts[account_id].balances[currency]) for account_id, currency in flowed
    ]
    return [(account_id, currency, balance.amount, balance.opening) for account_id, currency, balance in balances]


def _logged(booked: Booked, epoch: str) -> tuple[list[LoggedChange], list[event_log.LogEntry]]:
    logged, entries = [], []
    at = timestamp(to_ns(booked.at))
    for change in booked.changes:
        fill, sequence = change.fill, change.sequence
        payload = change_to_event(change, epoch, at).SerializeToString()
        logged.append(LoggedChange(sequence, fill.account_id, fill.instrument, payload))
        entries.append(
            event_log.LogEntry(
                sequence, CHANGES, sequence - 1, fill.account_id, change.account_sequence, payload, booked.at
            )
        )
    return logged, entries
