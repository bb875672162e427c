"""What became of fills after they were booked."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes the table. Each is booked once in an incarnation of the order log; the newest of a fill holds."""
    op.execute(
        """
        create table adjustment (
            epoch uuid not null,
            execution_id uuid not null,
            trade_id uuid not null,
            order_sequence bigint not null,
            sequence bigint not null,
            canceled boolean not null,
            price numeric not null,
            quantity numeric not null,
            fee numeric not null,
            realised_profit numeric not null,
            primary key (epoch, execution_id),
            unique (epoch, order_sequence)
        )
        """
    )
    op.execute("create index adjustment_by_trade on adjustment (epoch, trade_id, order_sequence)")
