"""How commands are written to Redis."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Connection

from services.bus.connection import PackingConnection, connect

arguments = st.lists(st.one_of(st.text(), st.binary(max_size=20_000), st.integers(), st.floats()), max_size=8)


@given(st.sampled_from(["PING", "EVALSHA", "SCRIPT LOAD"]), arguments)
def test_commands_are_written_as_redis_py_writes_them(name: str, values: list[str | bytes | int | float]) -> None:
    """The same bytes, whatever the arguments are."""
    theirs = b"".join(bytes(part) for part in Connection().pack_command(name, *values))
    assert b"".join(PackingConnection().pack_command(name, *values)) == theirs


async def test_every_client_writes_them_so() -> None:
    """It is what the pool of a client makes its connections of."""
    redis = connect("redis://:secret@127.0.0.1:1/0")
    assert redis.connection_pool.connection_class is PackingConnection
    await redis.aclose()
