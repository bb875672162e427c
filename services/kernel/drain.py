"""Batching what is waiting, never waiting for a batch: the drain that every stage of the order path turns on."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

T = TypeVar("T")


class Wakeup:
    """Lets one task sleep until another says that there is something to do; a call before the sleep is not lost."""

    __slots__ = ("_called", "_sleeper")

    def __init__(self) -> None:
        self._called = False
        self._sleeper: asyncio.Future[bool] | None = None

    def call(self) -> None:
        """Wakes the sleeper, or keeps the next one from falling asleep."""
        self._called = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(True)

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Sleeps until called, and uses the call up.

        Returns:
            False when the time ran out first.
        """
        if not self._called:
            await self._sleep(timeout_seconds)
        woken, self._called = self._called, False
        return woken

    async def _sleep(self, timeout_seconds: float | None) -> None:
        loop = asyncio.get_running_loop()
        sleeper = self._sleeper = loop.create_future()
        timer = None if timeout_seconds is None else loop.call_later(timeout_seconds, _give_up, sleeper)
        try:
            await sleeper
        finally:
            self._sleeper = None
            if timer is not None:
                timer.cancel()


class Pace:
    """Keeps the turns of a stage apart: after a rest one begins at once, under load each carries what came meanwhile.

    For stages that nobody waits for: each turn costs messages and transactions whatever it carries.
    """

    __slots__ = ("_interval_seconds", "_next")

    def __init__(self, interval_seconds: float) -> None:
        """Takes the least time between the beginnings of two turns; 0 for none."""
        self._interval_seconds = interval_seconds
        self._next = 0.0

    async def turn(self, *, at_once: bool = False) -> None:
        """Waits until the next turn may begin, if it is not to begin at once."""
        now = asyncio.get_running_loop().time()
        if now < self._next and not at_once:
            await asyncio.sleep(self._next - now)
            now = max(self._next, asyncio.get_running_loop().time())
        self._next = now + self._interval_seconds


class DrainClosedError(Exception):
    """Nothing waits in the drain and nothing more will come."""


class Drain(Generic[T]):
    """What has piled up since its one taker's last turn, in order.

    Any number of tasks put, one takes. Putting never blocks; who wants a bound looks at `len` first, or uses
    `services.storage.group_commit`.
    """

    __slots__ = ("_closed", "_items", "_wakeup")

    def __init__(self) -> None:
        self._items: deque[T] = deque()
        self._wakeup = Wakeup()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T) -> None:
        """Adds one item."""
        self._items.append(item)
        self._wakeup.call()

    def put_many(self, items: Iterable[T]) -> None:
        """Adds items in their order."""
        self._items.extend(items)
        self._wakeup.call()

    def close(self) -> None:
        """Lets the taker finish what waits, and then raises DrainClosedError at it."""
        self._closed = True
        self._wakeup.call()

    async def take(self, most: int) -> list[T]:
        """Waits until there is something, and returns up to `most` of it at once.

        Raises:
            DrainClosedError: The drain was closed and is empty.
        """
        await self.filled()
        return self.take_waiting(most)

    async def filled(self) -> None:
        """Waits until there is something.

        Raises:
            DrainClosedError: The drain was closed and is empty.
        """
        while not self._items:
            if self._closed:
                raise DrainClosedError
            await self._wakeup.wait()

    def take_waiting(self, most: int) -> list[T]:
        """Returns up to `most` of what waits, without waiting; it may be nothing."""
        items = self._items
        if len(items) <= most:
            taken = list(items)
            items.clear()
            return taken
        return [items.popleft() for _ in range(most)]


def _give_up(sleeper: asyncio.Future[bool]) -> None:
    if not sleeper.done():
        sleeper.set_result(False)
