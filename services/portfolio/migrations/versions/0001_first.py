"""Accounts with their cash, positions, bookings, portfolios, and the log of positions."""

from __future__ import annotations

from alembic import op

from services.storage import cursor, event_log

revision = "0001"
down_revision = None

_TABLES = (
    """
    create table account (
        account_id text primary key,
        name text not null,
        environment smallint not null,
        base_currency text not null,
        portfolio_id uuid not null unique,
        change_count bigint not null,
        created_at timestamptz not null,
        updated_at timestamptz not null
    )
    """,
    """
    create table balance (
        account_id text not null references account,
        currency text not null,
        amount numeric not null,
        opening numeric not null,
        primary key (account_id, currency)
    )
    """,
    """
    create table position (
        account_id text not null references account,
        instrument text not null,
        currency text not null,
        multiplier numeric not null,
        quantity numeric not null,
        basis_quantity numeric not null,
        basis_cost numeric not null,
        invested numeric not null,
        fees numeric not null,
        bought numeric not null,
        sold numeric not null,
        trade_count bigint not null,
        order_sequence bigint not null,
        sequence bigint not null,
        opened_at_ns bigint not null,
        updated_at_ns bigint not null,
        primary key (account_id, instrument)
    )
    """,
    # Every fill ever booked, under the incarnation of the order log that it was in: what makes a booking happen once.
    """
    create table booking (
        epoch uuid not null,
        trade_id uuid not null,
        order_sequence bigint not null,
        sequence bigint not null,
        account_id text not null,
        instrument text not null,
        side smallint not null,
        price numeric not null,
        quantity numeric not null,
        fee numeric not null,
        realised_profit numeric not null,
        executed_at_ns bigint not null,
        primary key (epoch, trade_id),
        unique (epoch, order_sequence)
    )
    """,
    """
    create table portfolio (
        portfolio_id uuid primary key,
        account_id text not null references account,
        name text not null,
        description text not null,
        base_currency text not null,
        account_own boolean not null,
        instruments text[] not null,
        version integer not null,
        created_at timestamptz not null,
        updated_at timestamptz not null,
        unique (account_id, name)
    )
    """,
    "create unique index portfolio_own on portfolio (account_id) where account_own",
)


def upgrade() -> None:
    """Makes the tables."""
    for statement in (*_TABLES, *event_log.CREATE, *cursor.CREATE):
        op.execute(statement)
