"""Accounts and portfolios in the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from services.kernel.errors import already_exists
from services.mesh.audit import Change
from services.portfolio.domain.account import Account, Balance, Portfolio
from services.portfolio.domain.values import Environment
from services.storage.database import Connection

_PUT_PORTFOLIO = """
    insert into portfolio (portfolio_id, account_id, name, description, base_currency, account_own, instruments,
                           version, created_at, updated_at)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
    on conflict (portfolio_id) do update set name = excluded.name, description = excluded.description,
        base_currency = excluded.base_currency, instruments = excluded.instruments, version = excluded.version,
        updated_at = excluded.updated_at
"""


async def insert_account(connection: Connection, account: Account, own: Portfolio) -> None:
    """Inserts an account and its portfolio, within the caller's transaction.

    Raises:
        CodedError: ALREADY_EXISTS.
    """
    with unique(f"account {account.account_id} exists"):
        await connection.execute(
            """
            insert into account (account_id, name, environment, base_currency, portfolio_id, change_count, created_at,
                                 updated_at)
            values ($1, $2, $3, $4, $5, $6, $7, $8)
            """,
            account.account_id,
            account.name,
            account.environment.value,
            account.base_currency,
            account.portfolio_id,
            account.change_count,
            account.created_at,
            account.updated_at,
        )
    await connection.executemany(
        "insert into balance (account_id, currency, amount, opening) values ($1, $2, $3, $4)",
        [(account.account_id, currency, each.amount, each.opening) for currency, each in account.balances.items()],
    )
    await connection.executemany(
        "insert into opened_balance (account_id, currency, amount) values ($1, $2, $3)",
        [(account.account_id, currency, each.opening) for currency, each in account.balances.items()],
    )
    await put_portfolio(connection, own)


def account_opened(account: Account) -> Change:
    """Returns what is recorded of an account that is opened."""
    account_id = account.account_id
    return Change("account", account_id, account_id, environment=account.environment, new=account)


def account_changed(before: Account, after: Account) -> Change:
    """Returns what is recorded of an account whose cash is set."""
    account_id = after.account_id
    return Change("account", account_id, account_id, environment=after.environment, old=before, new=after)


async def put_portfolio(connection: Connection, portfolio: Portfolio) -> None:
    """Stores a portfolio, new or changed.

    Raises:
        CodedError: ALREADY_EXISTS, when the account has another one of that name.
    """
    with unique(f"account {portfolio.account_id} has a portfolio named {portfolio.name}"):
        await connection.execute(
            _PUT_PORTFOLIO,
            portfolio.portfolio_id,
            portfolio.account_id,
            portfolio.name,
            portfolio.description,
            portfolio.base_currency,
            portfolio.account_own,
            sorted(portfolio.instruments),
            portfolio.version,
            portfolio.created_at,
            portfolio.updated_at,
        )


async def load_accounts(connection: Connection) -> dict[str, Account]:
    """Returns all accounts by id."""
    balances: dict[str, dict[str, Balance]] = {}
    for row in await connection.fetch("select account_id, currency, amount, opening from balance"):
        balances.setdefault(row["account_id"], {})[row["currency"]] = Balance(row["amount"], row["opening"])
    rows = await connection.fetch("select * from account")
    return {
        row["account_id"]: Account(
            account_id=row["account_id"],
            name=row["name"],
            environment=Environment(row["environment"]),
            base_currency=row["base_currency"],
            portfolio_id=str(row["portfolio_id"]),
            balances=balances.get(row["account_id"], {}),
            change_count=row["change_count"],
            created_at=row["created_at"],
            updated_at=row["updated_at"],
        )
        for row in rows
    }


async def load_portfolios(connection: Connection) -> dict[str, Portfolio]:
    """Returns all portfolios by id."""
    return {str(row["portfolio_id"]): _portfolio(row) for row in await connection.fetch("select * from portfolio")}


async def load_portfolio(connection: Connection, portfolio_id: str) -> Portfolio | None:
    """Returns a portfolio, which nobody else changes while the transaction goes on."""
    row = await connection.fetchrow("select * from portfolio where portfolio_id = $1 for update", portfolio_id)
    return None if row is None else _portfolio(row)


def _portfolio(row: asyncpg.Record) -> Portfolio:
    return Portfolio(
        portfolio_id=str(row["portfolio_id"]),
        account_id=row["account_id"],
        name=row["name"],
        description=row["description"],
        base_currency=row["base_currency"],
        account_own=row["account_own"],
        instruments=frozenset(row["instruments"]),
        version=row["version"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


@contextmanager
def unique(text: str) -> Iterator[None]:
    """Raises ALREADY_EXISTS in place of a broken unique index."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise already_exists("ALREADY_EXISTS", text) from error
