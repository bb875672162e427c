"""The order log is its own audit; digests of it go into the chain of all records, so that nobody changes it unseen."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

import structlog

from services.kernel.errors import CodedError

_log = structlog.stdlib.get_logger(__name__)


MOST_EVENTS: Final = 20_000
"""Of one digest."""


class Digests(Protocol):
    """Records digests. Methods raise CodedError STORE_UNAVAILABLE."""

    async def record(self, shard: int) -> int:
        """Records the digest of what was appended since the last one; returns how many events."""
        ...


async def digest_for_ever(digests: Digests, shard: int, interval_seconds: float) -> None:
    """Records digests of a shard's log now and then, while it grows; of a long part, one after the other."""
    while True:
        try:
            more = await digests.record(shard) == MOST_EVENTS
        except CodedError as error:
            _log.warning("the order log cannot be digested now", error=str(error))
            more = False
        await asyncio.sleep(0 if more else interval_seconds)
