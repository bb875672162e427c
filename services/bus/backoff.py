"""Waiting between attempts: longer each time, up to a bound, with some chance in it."""

from __future__ import annotations

import asyncio
import random


class Backoff:
    """Grows with each wait until it is reset."""

    __slots__ = ("_first", "_most", "_next", "_random")

    def __init__(self, first_seconds: float = 0.05, most_seconds: float = 2.0) -> None:
        self._first, self._most, self._next = first_seconds, most_seconds, first_seconds
        self._random = random.Random()  # noqa: S311 - spreads attempts, hides nothing

    def reset(self) -> None:
        """Begins with the first time again."""
        self._next = self._first

    async def wait(self) -> None:
        """Waits, between half the time and all of it, and doubles the time."""
        seconds, self._next = self._next, min(self._next * 2, self._most)
        await asyncio.sleep(seconds * self._random.uniform(0.5, 1.0))
