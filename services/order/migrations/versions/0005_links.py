"""What an order belongs to: a parent, a list, a strategy."""

from alembic import op

revision = "0005"
down_revision = "0004"

STATEMENTS = (
    """
    alter table orders
        add column parent_order_id uuid,
        add column order_list_id uuid,
        add column strategy_id text
    """,
    # Few orders belong to anything: the indexes hold those alone, and cost others nothing.
    "create index orders_by_parent on orders (parent_order_id, order_id) where parent_order_id is not null",
    "create index orders_by_list on orders (order_list_id, order_id) where order_list_id is not null",
    "create index orders_by_strategy on orders (strategy_id, order_id) where strategy_id is not null",
)


def upgrade() -> None:
    """Adds the columns."""
    for statement in STATEMENTS:
        op.execute(statement)
