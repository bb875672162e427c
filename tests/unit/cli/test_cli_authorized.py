"""What goes along with the calls of the command."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ordermesh.identity.v1 import session_pb2
from services.cli.authorized import AuthorizedChannel
from services.cli.login import Login
from services.cli.tokens import TokenFile
from services.mesh.client import Channel
from tests.fakes.clock import FakeClock

MINE = ("x-mine", "1")


class FakeChannel(Channel):
    """Answers every call with what went along with it."""

    def __init__(self) -> None:
        self.address = "h:1"

    def unary_unary(self, *_: Any, **__: Any) -> Any:
        async def call(_request: Any, *, metadata: Any, **_options: Any) -> Any:
            return metadata

        return call

    def unary_stream(self, *_: Any, **__: Any) -> Any:
        return lambda _request, *, metadata, **_options: metadata

    stream_unary = unary_unary
    stream_stream = unary_stream


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def login(tmp_path: Path, clock: FakeClock) -> Login:
    """Nobody, until somebody logs in; each exchange gives the token `new`."""

    async def exchange(_token: str) -> session_pb2.Tokens:
        return tokens("new", clock)

    return Login(TokenFile(tmp_path / "x.json"), exchange, clock)


def tokens(access_token: str, clock: FakeClock) -> session_pb2.Tokens:
    """Returns tokens that are good for a minute."""
    made = session_pb2.Tokens(access_token=access_token, refresh_token="r")
    made.access_token_expires_at.FromDatetime(clock.now() + timedelta(minutes=1))
    return made


async def sent(login: Login) -> list[tuple[Any, ...]]:
    """Returns what goes along with a call of each kind."""
    channel = AuthorizedChannel(FakeChannel(), login)
    calls, streams = (channel.unary_unary, channel.stream_unary), (channel.unary_stream, channel.stream_stream)
    answers = [await kind("/s/m")(None, metadata=(MINE,)) for kind in calls]
    return answers + [kind("/s/m")(None, metadata=(MINE,)) for kind in streams]


async def test_the_token_of_who_is_logged_in_goes_along_with_every_call(login: Login, clock: FakeClock) -> None:
    """Beside what the call says itself; a new one when the old one has ended."""
    await login.keep(tokens("first", clock))
    assert await sent(login) == [(MINE, ("authorization", "Bearer first"))] * 4
    clock.advance(timedelta(minutes=1))
    assert await sent(login) == [(MINE, ("authorization", "Bearer new"))] * 4


async def test_nothing_goes_along_where_nobody_is_logged_in(login: Login) -> None:
    """And nothing is made on the disk."""
    await login.begin_if_possible()
    assert await sent(login) == [(MINE,)] * 4
