"""Cash that accounts were opened with, and changes of it by hand."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLES = (
    """
    create table opened_balance (
        account_id text not null references account,
        currency text not null,
        amount numeric not null,
        primary key (account_id, currency)
    )
    """,
    "insert into opened_balance select account_id, currency, opening from balance where opening <> 0",
    # Each change is made once: its caller has named it.
    """
    create table cash_change (
        account_id text not null references account,
        request_id text not null,
        kind smallint not null,
        currency text not null,
        amount numeric,
        text text not null,
        at timestamptz not null,
        primary key (account_id, request_id)
    )
    """,
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in _TABLES:
        op.execute(statement)
