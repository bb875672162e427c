"""How a process becomes the writer of its shard, with what is live in memory."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import Final

from services.kernel.errors import CodedError
from services.order.store.postgres import PostgresStore

_RETRY_SECONDS: Final = 0.2


async def start(store: PostgresStore, timeout_seconds: float) -> None:
    """Becomes the writer; the one before may still be finishing.

    Raises:
        CodedError: STORE_UNAVAILABLE, once the time is over.
    """
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        try:
            await _load(store)
        except CodedError:
            if time.monotonic() > give_up_at:
                raise
            await asyncio.sleep(_RETRY_SECONDS)
        else:
            return


async def _load(store: PostgresStore) -> None:
    """Loads with the collector at rest, and lets it never look at what was loaded."""
    gc.disable()
    try:
        await store.start()
        gc.freeze()
    finally:
        gc.enable()
