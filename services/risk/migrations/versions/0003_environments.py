"""Environments of accounts, so that what holds for the firm in one does not hold in the other."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the table."""
    op.execute("create table account_environment (account_id text primary key, environment smallint not null)")
