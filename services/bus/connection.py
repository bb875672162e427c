"""The connection to Redis, set up alike for everybody."""

from __future__ import annotations

from typing import Any

import hiredis
from redis.asyncio import Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0
"""How long to wait for an answer, beyond the time that a read was asked to block for."""


class PackingConnection(Connection):
    """Writes commands by hiredis too: redis-py does so for its blocking client only, and reads by it in both."""

    def pack_command(self, *args: Any) -> list[bytes]:
        """Returns a command as it is sent."""
        name, *arguments = args
        # A name of two words, such as SCRIPT LOAD, is sent as two.
        return [hiredis.pack_command((*name.split(), *arguments))]


def connect(url: str) -> Redis:
    """Returns a client that connects at first use, and fails at once when it cannot: its users know how to wait.

    It waits for an answer without limit; whoever asks something sets one: `async with asyncio.timeout(ANSWER_SECONDS)`.
    """
    return Redis.from_url(
        url,
        connection_class=PackingConnection,
        protocol=2,
        decode_responses=False,
        socket_connect_timeout=CONNECT_SECONDS,
        # With a timeout the client sends through asyncio.wait_for, which in Python 3.11 loses a cancellation that comes
        # in the moment of sending; the users of the client limit the time by asyncio.timeout instead.
        socket_timeout=None,
        socket_keepalive=True,
        retry=Retry(NoBackoff(), 0),
    )
