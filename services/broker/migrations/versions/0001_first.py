"""Connections with their encrypted credentials, and the books of simulated venues."""

from alembic import op

revision = "0001"
down_revision = None

_CREATE = (
    """
    create table connection (
        connection_id text primary key,
        display_name text not null,
        adapter text not null,
        environment smallint not null,
        enabled boolean not null,
        version integer not null,
        created_at timestamptz not null,
        updated_at timestamptz not null
    )
    """,
    """
    create table credential (
        connection_id text not null references connection on delete cascade,
        name text not null,
        sealed bytea not null,
        primary key (connection_id, name)
    )
    """,
    """
    create table default_connection (
        account_id text primary key,
        connection_id text not null references connection on delete cascade
    )
    """,
    "create index default_connection_by_connection on default_connection (connection_id)",
    """
    create table venue_book (
        connection_id text not null,
        shard integer not null,
        epoch text not null,
        sequence bigint not null,
        primary key (connection_id, shard)
    )
    """,
    """
    create table venue_position (
        connection_id text not null,
        shard integer not null,
        venue_number bigint not null,
        lots bigint not null,
        cost numeric not null,
        bought_lots numeric not null,
        sold_lots numeric not null,
        paid numeric not null,
        fees numeric not null,
        primary key (connection_id, shard, venue_number),
        foreign key (connection_id, shard) references venue_book on delete cascade
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in _CREATE:
        op.execute(statement)
