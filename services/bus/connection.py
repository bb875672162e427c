"""The connection to Redis, set up alike for everybody."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""How long to wait for an answer, beyond the time that a read was asked to block for."""


def connect(url: str) -> Redis:
    """Returns a client that connects at first use, and fails at once when it cannot: its users know how to wait.

    It waits for an answer without limit; whoever asks something sets one: `async with asyncio.timeout(ANSWER_SECONDS)`.
    """
    return Redis.from_url(
        url,
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=CONNECT_SECONDS,
        # With a timeout the client sends through asyncio.wait_for, which in Python 3.11 loses a cancellation that comes
        # in the moment of sending; the users of the client limit the time by asyncio.timeout instead.
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
