"""Instruments, epochs and cursors of the feed, public trades and candles, both partitioned by time."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    """
    create table instrument (
        number integer primary key,
        name text not null unique,
        description text not null,
        asset_class smallint not null,
        currency text not null,
        tick_size numeric not null check (tick_size > 0),
        lot_size numeric not null check (lot_size > 0),
        min_quantity numeric not null check (min_quantity > 0),
        max_quantity numeric not null check (max_quantity >= min_quantity),
        contract_multiplier numeric not null check (contract_multiplier > 0),
        expires_at timestamptz,
        status smallint not null,
        version integer not null,
        updated_at timestamptz not null
    )
    """,
    """
    create table feed_epoch (
        number integer primary key,
        epoch text not null unique,
        met_at timestamptz not null default now()
    )
    """,
    # How far the history of an instrument reaches: a position, which is an epoch's number and a feed sequence.
    """
    create table feed_cursor (
        instrument integer primary key references instrument (number),
        position bigint not null
    )
    """,
    """
    create table trade (
        instrument integer not null,
        venue_time timestamptz not null,
        nanosecond smallint not null,
        position bigint not null,
        trade_id numeric not null,
        price numeric not null,
        quantity numeric not null,
        aggressor smallint not null,
        primary key (instrument, venue_time, position)
    ) partition by range (venue_time)
    """,
    """
    create table candle (
        instrument integer not null,
        interval_seconds integer not null,
        open_time timestamptz not null,
        first_position bigint not null,
        last_position bigint not null,
        open numeric not null,
        high numeric not null,
        low numeric not null,
        close numeric not null,
        volume numeric not null,
        turnover numeric not null,
        trade_count bigint not null,
        primary key (instrument, interval_seconds, open_time)
    ) partition by list (interval_seconds)
    """,
    *(
        f"create table candle_{seconds} partition of candle for values in ({seconds}) partition by range (open_time)"
        for seconds in (1, 60, 300, 900, 3600, 86_400)
    ),
)


def upgrade() -> None:
    """Makes the tables; their partitions in time are made by the service, ahead of what it writes."""
    for statement in STATEMENTS:
        op.execute(statement)
