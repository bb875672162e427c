"""How a start reads the live orders: the store is asked for a part while the one before is taken in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import pytest

from services.order.store.loading import parts_of


class Rows:
    """A cursor whose parts come as a test lets them; it counts what it was asked for, and what was given up."""

    def __init__(self, parts: int, ready: int, error: Exception | None = None) -> None:
        self._left, self._error = list(range(parts)), error
        self.ready = asyncio.Semaphore(ready)
        self.asked = self.given_up = 0

    async def fetch(self, _most: int) -> list[int]:
        self.asked += 1
        try:
            await self.ready.acquire()
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if not self._left and self._error is not None:
            raise self._error
        return [self._left.pop(0)] if self._left else []


async def read(rows: Any, take: Callable[[Any], None]) -> None:
    """Reads rows as a start does."""
    async with aclosing(parts_of(rows)) as parts:
        async for (number,) in parts:
            take(number)


async def test_the_next_part_is_asked_for_before_one_is_taken_in() -> None:
    """And each comes once, in its order."""
    rows, taken = Rows(3, ready=1), list[tuple[int, int]]()

    def take(number: int) -> None:
        taken.append((number, rows.asked))
        rows.ready.release()

    await read(rows, take)
    assert taken == [(0, 2), (1, 3), (2, 4)]
    assert (rows.asked, rows.given_up) == (4, 0)


async def test_what_was_asked_for_is_given_up_when_a_part_cannot_be_taken_in() -> None:
    """It is over before the transaction ends, which would find the connection busy."""
    rows = Rows(3, ready=1)

    def take(_: int) -> None:
        raise ValueError("nonsense")

    with pytest.raises(ValueError, match="nonsense"):
        await read(rows, take)
    assert (rows.asked, rows.given_up) == (2, 1)


@pytest.mark.parametrize("parts", [0, 1, 2])
async def test_a_store_that_fails_is_heard(parts: int) -> None:
    """At the first part or later; what came before it was taken in."""
    taken: list[int] = []
    with pytest.raises(OSError, match="gone"):
        await read(Rows(parts, ready=9, error=OSError("gone")), taken.append)
    assert taken == list(range(parts))
