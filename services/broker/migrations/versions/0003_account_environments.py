"""Environments of accounts, as PortfolioService has told them once: they never change."""

from alembic import op

from services.storage import environments

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes the table."""
    op.execute(environments.CREATE)
