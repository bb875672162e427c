"""Doing something until it is done, while what it needs is away."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from services.kernel.errors import CodedError, ErrorKind


class Waiting(Protocol):
    """Waits between attempts, longer each time until it is reset."""

    def reset(self) -> None:
        """Begins with the shortest time again."""
        ...

    async def wait(self) -> None:
        """Waits."""
        ...


class Retry:
    """Repeats what fails because something is away."""

    def __init__(self, waiting: Callable[[], Waiting], sleep: Callable[[float], Awaitable[None]]) -> None:
        """Takes what lets time pass.

        Args:
            waiting: Makes what waits between attempts.
            sleep: Lets seconds pass.
        """
        self._waiting = waiting
        self.sleep = sleep

    async def until_done(self, attempt: Callable[[], Awaitable[None]], failed: Callable[[CodedError], None]) -> None:
        """Attempts until it works. Only UNAVAILABLE is tried again; any other error is a fault and is raised."""
        waiting = self._waiting()
        while True:
            try:
                await attempt()
            except CodedError as error:
                if error.kind is not ErrorKind.UNAVAILABLE:
                    raise
                failed(error)
                await waiting.wait()
            else:
                return
