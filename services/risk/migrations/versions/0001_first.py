"""Parameters, circuit breakers, exposures and counters with the cursor on the order log, and the log of alerts."""

from alembic import op

revision = "0001"
down_revision = None

_CREATE = (
    """
    create table parameters (
        account_id text primary key,
        max_order_size numeric,
        max_position_size numeric,
        max_order_value numeric,
        max_position_value numeric,
        price_band_percent numeric,
        max_daily_loss numeric,
        max_daily_volume numeric,
        max_daily_trades bigint,
        circuit_breaker_enabled boolean,
        circuit_breaker_refusals bigint,
        version integer not null,
        updated_at timestamptz not null
    )
    """,
    """
    create table breaker (
        account_id text primary key,
        is_open boolean not null,
        cause bytea,
        tripped_at timestamptz,
        reset_at timestamptz,
        reset_text text not null,
        version integer not null
    )
    """,
    """
    create table log_cursor (
        shard integer primary key,
        epoch text not null,
        sequence bigint not null
    )
    """,
    """
    create table exposure (
        account_id text not null,
        instrument text not null,
        shard integer not null,
        position numeric not null,
        day_cash numeric not null,
        start_position numeric not null,
        start_price numeric not null,
        last_price numeric,
        primary key (account_id, instrument)
    )
    """,
    """
    create table account_day (
        account_id text primary key,
        shard integer not null,
        day integer not null,
        trades bigint not null,
        volume numeric not null
    )
    """,
    """
    create table alert (
        sequence bigint primary key,
        account_id text not null,
        kind smallint not null,
        at timestamptz not null,
        payload bytea not null
    )
    """,
    "create index alert_by_account on alert (account_id, sequence desc)",
    """
    create table alert_epoch (
        single boolean primary key default true check (single),
        epoch uuid not null default gen_random_uuid()
    )
    """,
    "insert into alert_epoch default values",
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in _CREATE:
        op.execute(statement)
