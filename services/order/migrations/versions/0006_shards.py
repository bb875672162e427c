"""How many shards there were when a log was made: accounts are split by it."""

from alembic import op

revision = "0006"
down_revision = "0005"

STATEMENTS = (
    # A log that is there already was made by a process that was alone.
    "alter table logs add column shard_count smallint not null default 1",
)


def upgrade() -> None:
    """Adds the column."""
    for statement in STATEMENTS:
        op.execute(statement)
