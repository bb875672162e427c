"""Signing keys follow one another: the next one is made in time, the last one removed when nothing of it is good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from services.identity.domain.keys import KeyRules, KeyTimes, next_from, over
from services.identity.pipeline.ports import KeyRing
from services.identity.pipeline.stores import KeyStore
from services.kernel.clock import Clock
from services.kernel.errors import CodedError
from services.mesh.names import Key

_log = structlog.stdlib.get_logger(__name__)

Change = tuple[Sequence[tuple[KeyTimes, str]], Sequence[str]]


class KeyKeeper:
    """Keeps the ring as the store has it, and the store as the rules want it."""

    def __init__(
        self, store: KeyStore, ring: KeyRing, rules: KeyRules, clock: Clock, new_key: Callable[[], tuple[str, str]]
    ) -> None:
        self._store, self._ring, self._rules, self._clock, self._new_key = store, ring, rules, clock, new_key

    async def refresh(self) -> None:
        """Looks at the keys once.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        keys = await self._store.load()
        if self._due([times for times, _ in keys]):
            await self._store.change(self._decide)
            keys = await self._store.load()
        self._ring.hold(keys)

    async def run(self, interval_seconds: float) -> None:
        """Looks at the keys again and again. While the store is away, those that are known go on."""
        while True:
            await asyncio.sleep(interval_seconds)
            try:
                await self.refresh()
            except CodedError as error:
                _log.warning("signing keys could not be looked at", **{Key.ERROR: str(error)})

    def _due(self, keys: Sequence[KeyTimes]) -> bool:
        now = self._clock.now()
        return next_from(keys, self._rules, now) is not None or bool(over(keys, self._rules, now))

    def _decide(self, keys: Sequence[KeyTimes]) -> Change:
        now = self._clock.now()
        gone = [key.key_id for key in over(keys, self._rules, now)]
        active_from = next_from(keys, self._rules, now)
        if active_from is None:
            return (), gone
        key_id, private = self._new_key()
        return ((KeyTimes(key_id, active_from), private),), gone
