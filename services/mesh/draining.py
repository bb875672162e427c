"""The news that this process is about to stop, for everything that would otherwise go on for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Draining:
    """Told once; listeners are called at once, later ones on registration."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[], None]] = set()
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether the process is on its way out."""
        return self._begun.is_set()

    def begin(self) -> None:
        """Tells every listener."""
        self._begun.set()
        for listener in list(self._listeners):
            listener()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener when draining begins, now if it has; returns what ends the listening."""
        self._listeners.add(listener)
        if self.begun:
            listener()
        return lambda: self._listeners.discard(listener)

    async def wait(self) -> None:
        """Waits until draining begins."""
        await self._begun.wait()
