"""Accounts whose live orders are canceled when their Trade streams are gone."""

from alembic import op

revision = "0003"
down_revision = "0002"

STATEMENTS = (
    # A row while a stream with cancel-on-disconnect is open, and after it until its grace is over: what a process that
    # starts knows of the streams of the one before.
    """
    create table trade_leases (
        shard smallint not null,
        account_id text not null,
        grace_seconds double precision not null,
        opened_at timestamptz not null default now(),
        primary key (shard, account_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the table."""
    for statement in STATEMENTS:
        op.execute(statement)
