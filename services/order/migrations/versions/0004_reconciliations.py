"""Records of reconciliation: what was found when venues were held against the log, and what was decided."""

from alembic import op

revision = "0004"
down_revision = "0003"

STATEMENTS = (
    # Appended and never updated; the oldest are deleted. Ids are UUIDv7: by id is by time.
    """
    create table reconciliations (
        shard smallint not null,
        reconciliation_id uuid not null unique,
        kind smallint not null,
        connection_id text not null,
        found text not null,
        decided text not null,
        count integer not null,
        order_ids text[] not null,
        venue_order_ids text[] not null,
        report_sequence bigint not null,
        at timestamptz not null,
        sequence bigint not null,
        primary key (shard, reconciliation_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the table."""
    for statement in STATEMENTS:
        op.execute(statement)
