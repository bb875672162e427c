"""Keeps the venue's books of every connection in memory, and saves them behind the order path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

import structlog

from services.broker.domain.books import Book, BookPosition
from services.kernel.errors import CodedError

_log = structlog.stdlib.get_logger(__name__)

Key = tuple[str, int]
CatchUp = Callable[[str, int, Book], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class SavedBook:
    """What is saved of a book at once.

    Attributes:
        changed: The positions that changed.
        gone: Numbers of the positions that are no more.
    """

    connection_id: str
    shard: int
    epoch: str
    sequence: int
    changed: tuple[BookPosition, ...]
    gone: tuple[int, ...]


class BookStore(Protocol):
    """Where books are kept."""

    async def load_books(self) -> Mapping[Key, Book]:
        """Returns all books."""
        ...

    async def save_books(self, books: Iterable[SavedBook]) -> None:
        """Saves what changed, in one transaction."""
        ...


class Books:
    """The books, by connection and shard."""

    def __init__(self, store: BookStore) -> None:
        self._store = store
        self._books: dict[Key, Book] = {}

    async def load(self) -> None:
        """Loads what was saved."""
        self._books.update(await self._store.load_books())

    def of(self, connection_id: str, shard: int) -> Book:
        """Returns the book of a connection and shard; an empty one is begun when there is none."""
        return self._books.setdefault((connection_id, shard), Book())

    def shards(self, connection_id: str) -> list[int]:
        """Returns the shards that have a book of a connection."""
        return sorted(shard for name, shard in self._books if name == connection_id)

    def forget(self, connection_id: str) -> None:
        """Drops the books of a connection that is no more."""
        for key in [key for key in self._books if key[0] == connection_id]:
            del self._books[key]

    async def run(self, catch_up: CatchUp, interval_seconds: float) -> None:
        """Catches up and saves, again and again."""
        while True:
            await asyncio.sleep(interval_seconds)
            await self.turn(catch_up)

    async def turn(self, catch_up: CatchUp) -> None:
        """Catches up where reports were missed, and saves what moved. What fails now is done at the next turn."""
        for (connection_id, shard), book in list(self._books.items()):
            if book.behind:
                try:
                    await catch_up(connection_id, shard, book)
                except CodedError as error:
                    _log.warning(
                        "the venue's books stay behind", connection_id=connection_id, shard=shard, error=str(error)
                    )
        try:
            await self.save()
        except CodedError as error:
            _log.warning("the venue's books cannot be saved now", error=str(error))

    async def save(self) -> None:
        """Saves what moved.

        Raises:
            CodedError: STORE_UNAVAILABLE; nothing is lost, the next time saves it.
        """
        moved = [(key, book, frozenset(book.changed)) for key, book in self._books.items() if book.unsaved]
        if not moved:
            return
        saved = [_saved(key, book, changed) for key, book, changed in moved]
        for _, book, _ in moved:
            book.changed = set()
        try:
            await self._store.save_books(saved)
        except BaseException:
            for _, book, changed in moved:
                book.changed |= changed
            raise
        for (_, book, _), each in zip(moved, saved, strict=True):
            book.saved_sequence = each.sequence


def _saved(key: Key, book: Book, changed: frozenset[int]) -> SavedBook:
    there = tuple(book.positions[number].copy() for number in sorted(changed) if number in book.positions)
    gone = tuple(number for number in sorted(changed) if number not in book.positions)
    return SavedBook(*key, book.epoch, book.sequence, there, gone)
