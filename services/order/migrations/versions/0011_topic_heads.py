"""The last sequence of each topic, noted with the digests: a start need not look for it in the whole log."""

from alembic import op

revision = "0011"
down_revision = "0010"

STATEMENTS = (
    # In the order of the topics' numbers; nothing of a topic has 0.
    "alter table log_digests add column topics bigint[] not null default '{0, 0, 0, 0}'",
    """
    update log_digests d set topics = array(
        select coalesce(max(e.sequence), 0) from generate_series(1, 4) number
        left join events e on e.topic = number and e.shard = d.shard and e.sequence <= d.sequence
        group by number order by number
    )
    """,
)


def upgrade() -> None:
    """Adds the column, and fills it."""
    for statement in STATEMENTS:
        op.execute(statement)
