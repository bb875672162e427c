"""Ids of replaces, each unique in its order for ever."""

from alembic import op

revision = "0002"
down_revision = "0001"

STATEMENTS = (
    # What a replace asked for stands in the entry of the log that it is.
    """
    create table replaces (
        order_id uuid not null,
        replace_id text not null,
        shard smallint not null,
        sequence bigint not null,
        primary key (order_id, replace_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the table."""
    for statement in STATEMENTS:
        op.execute(statement)
