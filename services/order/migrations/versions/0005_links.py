"""What an order belongs to: a parent, a list, a strategy. Lists themselves."""

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
    """
    create table order_lists (
        order_list_id uuid primary key,
        shard smallint not null,
        account_id text not null,
        client_order_list_id text not null,
        contingency_type smallint not null,
        created_at timestamptz not null,
        unique (account_id, client_order_list_id)
    )
    """,
    "create index order_lists_by_account on order_lists (account_id, order_list_id)",
)


def upgrade() -> None:
    """Adds the columns and the table."""
    for statement in STATEMENTS:
        op.execute(statement)
