"""The schema `broker`: connections, sealed credentials, books."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import asyncpg

from services.broker.domain.books import Book, BookPosition
from services.broker.domain.capabilities import Environment
from services.broker.domain.connection import Connection
from services.broker.pipeline.books import Key, SavedBook
from services.kernel.errors import already_exists
from services.mesh.audit import Change
from services.mesh.snapshots import snapshot
from services.mesh.vault import Vault
from services.storage.audit_log import AuditTrail
from services.storage.database import Connection as Driver
from services.storage.database import Database

SCHEMA: Final = "broker"

_SELECT = """
    select connection_id, display_name, adapter, environment, enabled,
           array(select account_id from default_connection d where d.connection_id = c.connection_id order by 1),
           array(select name from credential k where k.connection_id = c.connection_id order by 1),
           version, created_at, updated_at
    from connection c
"""


class BrokerStore:
    """Connections and books in Postgres."""

    def __init__(self, database: Database, vault: Vault, trail: AuditTrail) -> None:
        self._database, self._trail = database, trail
        self._vault = vault

    async def load_connections(self) -> list[Connection]:
        """Returns all connections, by id."""
        async with self._database.connection() as driver:
            return [_connection(row) for row in await driver.fetch(f"{_SELECT} order by connection_id")]

    async def insert(self, connection: Connection, credentials: Mapping[str, str]) -> None:
        """Stores a new connection.

        Raises:
            CodedError: ALREADY_EXISTS, for its id or for the account of another connection; STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as driver:
            done = await driver.execute(
                "insert into connection values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing",
                connection.connection_id,
                connection.display_name,
                connection.adapter,
                int(connection.environment),
                connection.enabled,
                connection.version,
                connection.created_at,
                connection.updated_at,
            )
            if done != "INSERT 0 1":
                text = f"there is a connection {connection.connection_id}"
                raise already_exists("ALREADY_EXISTS", text, connection_id=connection.connection_id)
            await self._store_parts(driver, connection, credentials)
            await self._trail.note(driver, _change(connection, credentials))

    async def update(self, connection: Connection, credentials: Mapping[str, str], forget: Sequence[str]) -> bool:
        """Stores a changed connection if the stored one is at the version before; returns whether it was.

        Raises:
            CodedError: ALREADY_EXISTS, for an account of another connection; STORE_UNAVAILABLE.
        """
        async with self._database.transaction() as driver:
            before = await _found(driver, connection.connection_id)
            done = await driver.execute(
                "update connection set display_name = $2, enabled = $3, version = $4, updated_at = $5 "
                "where connection_id = $1 and version = $4 - 1",
                connection.connection_id,
                connection.display_name,
                connection.enabled,
                connection.version,
                connection.updated_at,
            )
            if done != "UPDATE 1":
                return False
            statement = "delete from credential where connection_id = $1 and name = any($2::text[])"
            await driver.execute(statement, connection.connection_id, list(forget))
            await self._store_parts(driver, connection, credentials)
            await self._trail.note(driver, _change(connection, credentials, before))
            return True

    async def delete(self, connection_id: str, version: int) -> bool:
        """Deletes a connection of a version with its credentials and books; returns whether there was one."""
        async with self._database.transaction() as driver:
            before = await _found(driver, connection_id)
            statement = "delete from connection where connection_id = $1 and version = $2"
            if await driver.execute(statement, connection_id, version) != "DELETE 1":
                return False
            await driver.execute("delete from venue_book where connection_id = $1", connection_id)
            if before is not None:
                change = Change("connection", connection_id, environment=before.environment, old=before)
                await self._trail.note(driver, change)
            return True

    async def credentials(self, connection_id: str) -> dict[str, str]:
        """Returns the credentials of a connection, opened; for its adapter alone.

        Raises:
            SealBrokenError: One cannot be opened.
            CodedError: STORE_UNAVAILABLE.
        """
        async with self._database.connection() as driver:
            rows = await driver.fetch("select name, sealed from credential where connection_id = $1", connection_id)
        return {name: self._vault.open(sealed, connection_id, name) for name, sealed in rows}

    async def load_books(self) -> dict[Key, Book]:
        """Returns the books of all connections and shards."""
        async with self._database.connection() as driver:
            heads = await driver.fetch("select connection_id, shard, epoch, sequence from venue_book")
            rows = await driver.fetch("select * from venue_position")
        positions: dict[Key, list[BookPosition]] = {}
        for connection_id, shard, number, lots, cost, bought, sold, paid, fees in rows:
            position = BookPosition(number, lots, cost, int(bought), int(sold), int(paid), fees)
            positions.setdefault((connection_id, shard), []).append(position)
        return {(name, shard): Book(epoch, seq, positions.get((name, shard), ())) for name, shard, epoch, seq in heads}

    async def save_books(self, books: Iterable[SavedBook]) -> None:
        """Saves what changed of books, in one transaction."""
        async with self._database.transaction() as driver:
            for book in books:
                await _save_book(driver, book)

    async def _store_parts(self, driver: Driver, connection: Connection, credentials: Mapping[str, str]) -> None:
        name = connection.connection_id
        sealed = [(name, key, self._vault.seal(value, name, key)) for key, value in sorted(credentials.items())]
        await driver.executemany(
            "insert into credential values ($1, $2, $3) "
            "on conflict (connection_id, name) do update set sealed = excluded.sealed",
            sealed,
        )
        await driver.execute("delete from default_connection where connection_id = $1", name)
        try:
            await driver.executemany(
                "insert into default_connection values ($1, $2)",
                [(account, name) for account in connection.default_account_ids],
            )
        except asyncpg.UniqueViolationError:
            text = "one of the accounts has another connection as its default"
            raise already_exists("ALREADY_EXISTS", text) from None


async def _found(driver: Driver, connection_id: str) -> Connection | None:
    row = await driver.fetchrow(f"{_SELECT} where connection_id = $1 for update of c", connection_id)
    return None if row is None else _connection(row)


def _change(after: Connection, credentials: Mapping[str, str], before: Connection | None = None) -> Change:
    """Returns a change of a connection, which names the credentials that were set and tells none of them."""
    new = {**snapshot(after), "credentials_set": sorted(credentials)}
    return Change("connection", after.connection_id, environment=after.environment, old=before, new=new)


async def _save_book(driver: Driver, book: SavedBook) -> None:
    await driver.execute(
        "insert into venue_book values ($1, $2, $3, $4) "
        "on conflict (connection_id, shard) do update set epoch = excluded.epoch, sequence = excluded.sequence",
        book.connection_id,
        book.shard,
        book.epoch,
        book.sequence,
    )
    await driver.execute(
        "delete from venue_position where connection_id = $1 and shard = $2 and venue_number = any($3::bigint[])",
        book.connection_id,
        book.shard,
        list(book.gone),
    )
    await driver.executemany(
        """
        insert into venue_position values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (connection_id, shard, venue_number) do update set
            lots = excluded.lots, cost = excluded.cost, bought_lots = excluded.bought_lots,
            sold_lots = excluded.sold_lots, paid = excluded.paid, fees = excluded.fees
        """,
        [(book.connection_id, book.shard, *_columns(position)) for position in book.changed],
    )


def _columns(position: BookPosition) -> tuple[Any, ...]:
    return (
        position.venue_number,
        position.lots,
        position.cost,
        Decimal(position.bought_lots),
        Decimal(position.sold_lots),
        Decimal(position.paid),
        position.fees,
    )


def _connection(row: asyncpg.Record) -> Connection:
    name, display, adapter, environment, enabled, accounts, credentials, version, created, updated = row
    return Connection(
        name,
        display,
        adapter,
        Environment(environment),
        enabled,
        tuple(accounts),
        tuple(credentials),
        version,
        created,
        updated,
    )
