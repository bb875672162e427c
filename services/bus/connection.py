"""The connection to Redis, set up alike for everybody."""

from __future__ import annotations

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 10.0
"""Longer than any blocking read."""


def connect(url: str) -> Redis:
    """Returns a client that connects at first use, and fails at once when it cannot: its users know how to wait."""
    return Redis.from_url(
        url,
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=ANSWER_SECONDS,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
