"""Commits what became of fills after they were booked, and tells the fills of a position as they count now."""

from __future__ import annotations

from typing import Final

from services.kernel.clock import to_ns
from services.mesh.streams import timestamp
from services.portfolio.codec import change_to_event
from services.portfolio.domain.booking import PositionChange
from services.portfolio.domain.fill import Fill
from services.portfolio.domain.values import Side
from services.portfolio.pipeline.ports import Commit, LoggedChange
from services.portfolio.store.bookings import (
    CHANGES,
    CONSUMER,
    FILLS,
    POSITION_COLUMNS,
    lock_cursor,
    position_row,
)
from services.storage import cursor, event_log
from services.storage.database import Connection

_INSERT: Final = """
    insert into adjustment (epoch, execution_id, trade_id, order_sequence, sequence, canceled, price, quantity, fee,
                            realised_profit)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
_KEY: Final = ("account_id", "instrument")
_UPDATE_POSITION: Final = (
    "update position set "
    + ", ".join(f"{name} = ${number}" for number, name in enumerate(POSITION_COLUMNS, 1) if name not in _KEY)
    + " where account_id = $1 and instrument = $2"
)
_FILLS: Final = """
    select b.trade_id, b.side, coalesce(a.price, b.price) as price, coalesce(a.quantity, b.quantity) as quantity,
           coalesce(a.fee, b.fee) as fee, b.order_sequence, b.executed_at_ns
    from booking b
    left join (
        select distinct on (trade_id) trade_id, canceled, price, quantity, fee from adjustment
        where epoch = $1 order by trade_id, order_sequence desc
    ) a on a.trade_id = b.trade_id
    where b.epoch = $1 and b.account_id = $2 and b.instrument = $3 and a.canceled is not true
    order by b.order_sequence
"""


async def commit(connection: Connection, commit: Commit, epoch: str) -> list[LoggedChange]:
    """Writes what became of a fill within the caller's transaction.

    Raises:
        RuntimeError: The cursor is not where the commit says: somebody else books too.
    """
    if (found := await lock_cursor(connection, commit.shard)) != commit.before:
        raise RuntimeError(f"the cursor is at {found}, not at {commit.before}: does another process book as well?")
    logged = [await _write(connection, change, commit, epoch) for change in commit.booked.changes]
    await cursor.advance(connection, CONSUMER, commit.shard, commit.after.epoch, {FILLS: commit.after.sequence})
    return logged


async def _write(connection: Connection, change: PositionChange, commit: Commit, epoch: str) -> LoggedChange:
    fill, adjustment = change.fill, change.fill.adjustment
    account = commit.booked.accounts[fill.account_id]
    currency = change.position.currency
    if adjustment is None:
        raise RuntimeError(f"the fill {fill.trade_id} is booked elsewhere")
    await connection.execute(
        _INSERT,
        commit.after.epoch,
        adjustment.execution_id,
        fill.trade_id,
        fill.sequence,
        change.sequence,
        adjustment.canceled,
        fill.price,
        fill.quantity,
        fill.fee,
        change.realised_profit,
    )
    await connection.execute(
        "update account set change_count = $2, updated_at = $3 where account_id = $1",
        account.account_id,
        account.change_count,
        account.updated_at,
    )
    await connection.execute(
        "update balance set amount = $3 where account_id = $1 and currency = $2",
        account.account_id,
        currency,
        account.balance(currency).amount,
    )
    await connection.execute(_UPDATE_POSITION, *position_row(change.position))
    at = account.updated_at
    payload = change_to_event(change, epoch, timestamp(to_ns(at))).SerializeToString()
    entry = event_log.LogEntry(
        change.sequence, CHANGES, change.sequence - 1, fill.account_id, change.account_sequence, payload, at
    )
    await event_log.append(connection, [entry])
    return LoggedChange(change.sequence, fill.account_id, fill.instrument, payload)


async def fills_of(connection: Connection, epoch: str, account_id: str, instrument: str) -> list[Fill]:
    """Returns a position's fills as they count now, in the order of the log; canceled ones are left out."""
    return [
        Fill(
            trade_id=str(row["trade_id"]),
            account_id=account_id,
            instrument=instrument,
            side=Side(row["side"]),
            price=row["price"],
            quantity=row["quantity"],
            fee=row["fee"],
            sequence=row["order_sequence"],
            executed_at_ns=row["executed_at_ns"],
        )
        for row in await connection.fetch(_FILLS, epoch, account_id, instrument)
    ]
