"""Environments of accounts, as PortfolioService has told them once: they never change."""

from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Makes the table, which all shards share."""
    op.execute("create table account_environments (account_id text primary key, environment smallint not null)")
