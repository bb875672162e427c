"""Environments of the connections that records of reconciliation are about: there was the simulation alone before."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Adds the column."""
    op.execute("alter table reconciliations add column environment smallint not null default 1")
