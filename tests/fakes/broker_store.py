"""The store of BrokerService, in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from services.broker.domain.books import Book
from services.broker.domain.connection import Connection
from services.broker.pipeline.books import Key, SavedBook
from services.kernel.errors import already_exists, unavailable


class FakeBrokerStore:
    """Keeps what it is given, and fails when told to.

    Attributes:
        broken: The store does not answer.
        loads: How often all connections were loaded.
    """

    def __init__(self) -> None:
        self.connections: dict[str, Connection] = {}
        self.secrets: dict[tuple[str, str], str] = {}
        self.books: dict[Key, Book] = {}
        self.broken = False
        self.loads = 0

    async def load_connections(self) -> list[Connection]:
        self.loads += 1
        return [self.connections[name] for name in sorted(self.connections)]

    async def insert(self, connection: Connection, credentials: Mapping[str, str]) -> None:
        self._check()
        if connection.connection_id in self.connections:
            raise already_exists("ALREADY_EXISTS", "there is one")
        self._keep(connection, credentials)

    async def update(self, connection: Connection, credentials: Mapping[str, str], forget: Sequence[str]) -> bool:
        self._check()
        before = self.connections.get(connection.connection_id)
        if before is None or before.version != connection.version - 1:
            return False
        for name in forget:
            self.secrets.pop((connection.connection_id, name), None)
        self._keep(connection, credentials)
        return True

    async def delete(self, connection_id: str, version: int) -> bool:
        self._check()
        before = self.connections.get(connection_id)
        if before is None or before.version != version:
            return False
        del self.connections[connection_id]
        return True

    async def load_books(self) -> Mapping[Key, Book]:
        return {
            key: Book(book.epoch, book.sequence, [position.copy() for position in book.positions.values()])
            for key, book in self.books.items()
        }

    async def save_books(self, books: Iterable[SavedBook]) -> None:
        self._check()
        for saved in books:
            book = self.books.setdefault((saved.connection_id, saved.shard), Book())
            book.epoch, book.sequence = saved.epoch, saved.sequence
            for number in saved.gone:
                book.positions.pop(number, None)
            book.positions.update({position.venue_number: replace(position) for position in saved.changed})

    def _keep(self, connection: Connection, credentials: Mapping[str, str]) -> None:
        for other in self.connections.values():
            taken = set(other.default_account_ids) & set(connection.default_account_ids)
            if other.connection_id != connection.connection_id and taken:
                raise already_exists("ALREADY_EXISTS", "an account has another default")
        self.connections[connection.connection_id] = connection
        self.secrets.update({(connection.connection_id, key): value for key, value in credentials.items()})

    def _check(self) -> None:
        if self.broken:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")
