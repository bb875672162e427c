"""The audit log: who changed what. Who asked for what happened to orders stands beside it in the order log."""

from alembic import op

from services.storage import audit_log

revision = "0009"
down_revision = "0008"

_CREATE = (
    "alter table events add column actor bytea",
    "create table log_digests (shard smallint primary key, sequence bigint not null)",
)


def upgrade() -> None:
    """Makes its tables; adds who asked for an event, and how far the log of each shard was digested."""
    for statement in (*audit_log.CREATE, *_CREATE):
        op.execute(statement)
