"""Changes of virtual cash in the store: each under the name that its caller gave it."""

from __future__ import annotations

from decimal import Decimal

from services.portfolio.domain.account import Account, Balance
from services.portfolio.domain.cash import CashChange, CashChangeKind
from services.storage.database import Connection


async def opened_with(connection: Connection, account_id: str) -> dict[str, Decimal]:
    """Returns the cash that an account was opened with, by currency."""
    rows = await connection.fetch("select currency, amount from opened_balance where account_id = $1", account_id)
    return {row["currency"]: row["amount"] for row in rows}


async def balances_of(connection: Connection, account_id: str) -> dict[str, Balance]:
    """Returns the cash of an account, by currency."""
    rows = await connection.fetch("select currency, amount, opening from balance where account_id = $1", account_id)
    return {row["currency"]: Balance(row["amount"], row["opening"]) for row in rows}


async def find(connection: Connection, account_id: str, request_id: str) -> CashChange | None:
    """Returns a change that was made; None when none was made under this name."""
    row = await connection.fetchrow(
        "select kind, currency, amount, text from cash_change where account_id = $1 and request_id = $2",
        account_id,
        request_id,
    )
    if row is None:
        return None
    return CashChange(account_id, request_id, CashChangeKind(row["kind"]), row["currency"], row["amount"], row["text"])


async def put(connection: Connection, change: CashChange, after: Account) -> None:
    """Stores a change and what it makes of the account, within the caller's transaction."""
    await connection.execute(
        "insert into cash_change (account_id, request_id, kind, currency, amount, text, at)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        change.account_id,
        change.request_id,
        change.kind.value,
        change.currency,
        change.amount,
        change.text,
        after.updated_at,
    )
    await connection.executemany(
        "insert into balance (account_id, currency, amount, opening) values ($1, $2, $3, $4)"
        " on conflict (account_id, currency) do update set amount = excluded.amount, opening = excluded.opening",
        [(after.account_id, currency, each.amount, each.opening) for currency, each in after.balances.items()],
    )
    await connection.execute(
        "update account set updated_at = $2 where account_id = $1", after.account_id, after.updated_at
    )
