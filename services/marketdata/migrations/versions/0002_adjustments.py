"""Whether the venue has taken a trade back."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds the column, to the partitions that there are and to those to come."""
    op.execute("alter table trade add column canceled boolean not null default false")
