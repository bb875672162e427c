"""The store as the pipeline sees it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ordermesh.event.v1 import event_pb2
from services.mesh.audit import Change
from services.portfolio.domain.account import Account, Portfolio
from services.portfolio.domain.cash import CashChange
from services.portfolio.domain.fill import Fill
from services.portfolio.domain.position import Position
from services.portfolio.pipeline.ports import Commit, LoggedChange, State
from services.portfolio.store import adjustments, bookings, cash, catalogue
from services.storage import event_log
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection, Database


class PortfolioStore:
    """Everything in Postgres. Methods raise CodedError STORE_UNAVAILABLE."""

    def __init__(self, database: Database, bookings: Database, trail: AuditTrail) -> None:
        """Makes the store.

        Args:
            database: The schema.
            bookings: Once more the same for bookings, whose sessions have the settings `KEYED`.
            trail: Records what is changed by hand.
        """
        self._database, self._bookings, self._trail = database, bookings, trail
        self._epoch = ""

    async def load(self) -> State:
        """Returns everything, as of one moment."""
        async with self._database.connection() as connection, connection.transaction(isolation="repeatable_read"):
            self._epoch = await event_log.epoch(connection)
            return State(
                accounts=await catalogue.load_accounts(connection),
                positions=await _positions(connection),
                portfolios=await catalogue.load_portfolios(connection),
                sequence=await event_log.last_sequence(connection),
                cursors=await bookings.load_cursors(connection),
            )

    async def commit(self, commit: Commit) -> list[LoggedChange]:
        """Stores bookings and cursor as one, and returns the entries of the log of positions."""
        async with self._bookings.connection() as connection:
            return await bookings.commit(connection, commit, self._epoch, self._trail)

    async def booked_among(self, epoch: str, trade_ids: Collection[str]) -> set[str]:
        """Returns which fills are booked already."""
        async with self._database.connection() as connection:
            return await bookings.booked_among(connection, epoch, trade_ids)

    async def is_adjusted(self, epoch: str, execution_id: str) -> bool:
        """Tells whether a report of what became of a fill is booked."""
        async with self._database.connection() as connection:
            return await adjustments.is_adjusted(connection, epoch, execution_id)

    async def fills_of(self, epoch: str, account_id: str, instrument: str) -> list[Fill]:
        """Returns a position's fills as they count now, in the order of the log; canceled ones are left out."""
        async with self._database.connection() as connection:
            return await adjustments.fills_of(connection, epoch, account_id, instrument)

    async def changes_after(self, sequence: int, limit: int) -> list[LoggedChange]:
        """Returns entries of the log of positions after a sequence, oldest first; none when there are no more."""
        async with self._database.connection() as connection:
            entries = await event_log.read_after(connection, sequence, limit)
        return [LoggedChange(e.sequence, e.account_id, _instrument(e.payload), e.payload) for e in entries]

    async def begin_anew(self, shard: int, epoch: str) -> None:
        """Empties the books for another order log of a shard."""
        async with self._database.transaction() as connection:
            await bookings.begin_anew(connection, shard, epoch)

    async def add_account(self, account: Account, own: Portfolio) -> None:
        """Stores an account and its portfolio."""
        async with self._database.transaction() as connection:
            await catalogue.insert_account(connection, account, own)
            await self._trail.note(connection, catalogue.account_opened(account))

    async def opened_with(self, account_id: str) -> Mapping[str, Decimal]:
        """Returns the cash that an account was opened with, by currency."""
        async with self._database.connection() as connection:
            return await cash.opened_with(connection, account_id)

    async def cash_change(self, account_id: str, request_id: str) -> CashChange | None:
        """Returns a change of cash that was made; None when none was made under this name."""
        async with self._database.connection() as connection:
            return await cash.find(connection, account_id, request_id)

    async def put_cash(self, change: CashChange, after: Account) -> None:
        """Stores a change of cash, and what it makes of the account."""
        async with self._database.transaction() as connection:
            before = replace(after, balances=await cash.balances_of(connection, change.account_id))
            await cash.put(connection, change, after)
            await self._trail.note(connection, catalogue.account_changed(before, after))

    async def put_portfolio(self, portfolio: Portfolio) -> None:
        """Stores a portfolio, new or changed."""
        async with self._database.transaction() as connection:
            before = await catalogue.load_portfolio(connection, portfolio.portfolio_id)
            await catalogue.put_portfolio(connection, portfolio)
            await self._trail.note(connection, await _change(connection, before, portfolio))

    async def delete_portfolio(self, portfolio_id: str) -> None:
        """Deletes a portfolio."""
        async with self._database.transaction() as connection:
            before = await catalogue.load_portfolio(connection, portfolio_id)
            await connection.execute("delete from portfolio where portfolio_id = $1", portfolio_id)
            if before is not None:
                await self._trail.note(connection, await _change(connection, before, None))


async def _change(connection: Connection, before: Portfolio | None, after: Portfolio | None) -> Change:
    portfolio = after or before
    assert portfolio is not None, "one of them is there"  # noqa: S101 - narrows the type
    account_id = portfolio.account_id
    world = await connection.fetchval("select environment from account where account_id = $1", account_id)
    return Change("portfolio", portfolio.portfolio_id, account_id, environment=world or 0, old=before, new=after)


async def _positions(connection: Connection) -> dict[str, dict[str, Position]]:
    positions: dict[str, dict[str, Position]] = {}
    columns = ", ".join(bookings.POSITION_COLUMNS)
    for row in await connection.fetch(f"select {columns} from position"):
        values: dict[str, Any] = dict(row)
        positions.setdefault(row["account_id"], {})[row["instrument"]] = Position(**values)
    return positions


def _instrument(payload: bytes) -> str:
    return event_pb2.Event.FromString(payload).position_change.position.instrument
