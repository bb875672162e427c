"""The log of positions has one topic, so that its key serves what an index by topic would."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Drops the index."""
    op.execute("drop index event_log_by_topic")
