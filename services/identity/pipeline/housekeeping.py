"""What is over is removed, after a while in which somebody may ask for it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import structlog

from services.identity.pipeline.stores import Housekeeping
from services.kernel.clock import Clock
from services.kernel.errors import CodedError
from services.mesh.names import Key

_log = structlog.stdlib.get_logger(__name__)


class Sweeper:
    """Sweeps now and then."""

    def __init__(self, store: Housekeeping, clock: Clock, *, sessions: timedelta, attempts: timedelta) -> None:
        self._store, self._clock, self._sessions, self._attempts = store, clock, sessions, attempts

    async def sweep(self) -> None:
        """Removes what is over."""
        now = self._clock.now()
        await self._store.sweep(now - self._sessions, now - self._attempts, now)

    async def run(self, interval_seconds: float) -> None:
        """Sweeps again and again."""
        while True:
            try:
                await self.sweep()
            except CodedError as error:
                _log.warning("what is over could not be removed", **{Key.ERROR: str(error)})
            await asyncio.sleep(interval_seconds)
