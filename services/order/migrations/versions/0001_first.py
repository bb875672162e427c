"""Orders, their log, and how far the reports of each connection were consumed."""

from alembic import op

revision = "0001"
down_revision = None

STATEMENTS = (
    # One incarnation of the log per shard; an accounts's orders and events carry the shard that wrote them.
    """
    create table logs (
        shard smallint primary key,
        epoch uuid not null default gen_random_uuid(),
        created_at timestamptz not null default now()
    )
    """,
    # The terms of an order and its state stand in its newest event; here is what orders are found and changed by. The
    # space left in each page lets an update stay in it and touch no index, as long as `live` does not change.
    """
    create table orders (
        order_id uuid primary key,
        shard smallint not null,
        account_id text not null,
        client_order_id text not null,
        fingerprint bytea not null,
        instrument text not null,
        created_at timestamptz not null,
        placed_sequence bigint not null,
        live boolean not null,
        status smallint not null,
        accepted boolean not null,
        notional numeric not null,
        cancel_sequence bigint not null,
        sequence bigint not null
    ) with (fillfactor = 50)
    """,
    "create unique index orders_by_client_order_id on orders (account_id, client_order_id)",
    # Order ids are UUIDv7: by id is by time.
    "create index orders_by_account on orders (account_id, order_id)",
    "create index orders_live on orders (account_id, order_id) where live",
    """
    create table events (
        shard smallint not null,
        sequence bigint not null,
        previous_sequence bigint not null,
        topic smallint not null,
        account_id text not null,
        account_sequence bigint not null,
        order_id uuid not null,
        instrument text not null,
        type smallint not null,
        at timestamptz not null,
        executed_at timestamptz,
        payload bytea not null,
        primary key (shard, sequence)
    )
    """,
    "create index events_by_account on events (account_id, sequence)",
    "create index events_by_order on events (order_id, sequence)",
    "create index fills_by_account on events (account_id, executed_at, sequence) where executed_at is not null",
    "create index fills_by_time on events (executed_at, sequence) where executed_at is not null",
    """
    create table connection_cursors (
        shard smallint not null,
        connection_id text not null,
        epoch text not null,
        sequence bigint not null,
        primary key (shard, connection_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in STATEMENTS:
        op.execute(statement)
