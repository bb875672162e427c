"""Cancels and corrections of trades are found by their order. There are few: other entries do not touch the index."""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Makes the index. The numbers are those of TRADE_CANCEL and TRADE_CORRECT."""
    op.execute("create index adjustments_by_order on events (order_id, sequence) where type in (15, 16)")
