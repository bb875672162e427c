"""What became of fills after they were booked: its rows, and the fills of a position as they count now."""

from __future__ import annotations

from typing import Any, Final

from services.portfolio.domain.booking import PositionChange
from services.portfolio.domain.fill import Fill
from services.portfolio.domain.values import Side
from services.storage.database import Connection

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


def adjustment_row(change: PositionChange, epoch: str) -> tuple[Any, ...]:
    """Returns what became of a fill in the order of the table's columns."""
    fill, adjustment = change.fill, change.fill.adjustment
    if adjustment is None:
        raise RuntimeError(f"the fill {fill.trade_id} is booked elsewhere")
    return (
        epoch,
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


async def is_adjusted(connection: Connection, epoch: str, execution_id: str) -> bool:
    """Tells whether a report of what became of a fill is booked."""
    query = "select exists (select from adjustment where epoch = $1 and execution_id = $2)"
    return bool(await connection.fetchval(query, epoch, execution_id))


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
