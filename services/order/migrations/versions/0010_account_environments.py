"""Environments of accounts, as PortfolioService has told them once: they never change."""

from alembic import op

from services.storage import environments

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Makes the table, which all shards share."""
    op.execute(environments.CREATE)
