"""A stream to a peer that is kept up: connected again, with growing pauses, for as long as the process lives."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable

import structlog

from services.kernel.errors import CodedError

_log = structlog.stdlib.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.05
MOST_PAUSE_SECONDS = 2.0


class SessionEndedError(Exception):
    """The session must begin anew; the text says why."""


async def keep_up(name: str, session: Callable[[], Awaitable[None]]) -> None:
    """Runs a session again and again.

    Args:
        name: What it is a session with, for the log.
        session: Runs one session until it ends or fails.
    """
    pause = FIRST_PAUSE_SECONDS
    spread = random.Random()  # noqa: S311 - spreads attempts, hides nothing
    while True:
        begun = time.monotonic()
        try:
            await session()
            reason = "the peer has ended the stream"
        except (CodedError, SessionEndedError) as error:
            reason = str(error)
        if time.monotonic() - begun > MOST_PAUSE_SECONDS:
            pause = FIRST_PAUSE_SECONDS
        _log.warning("session ended", peer=name, error=reason)
        await asyncio.sleep(pause * spread.uniform(0.5, 1.0))
        pause = min(pause * 2, MOST_PAUSE_SECONDS)
