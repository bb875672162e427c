"""What a watch reads: one stream after the other, as long as only its token ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ordermesh.portfolio.v1.portfolio_stream_pb2 import StreamPortfolioResponse
from ordermesh.type.v1 import stream_pb2
from services.cli import live
from services.cli.login import Login
from services.cli.tokens import TokenFile
from services.kernel.errors import CodedError
from tests.fakes.mesh_servicers import drain

EXPIRED, DRAINING = stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED, stream_pb2.GOING_AWAY_REASON_DRAINING


class Stream:
    """Tells some messages, then that it goes away."""

    def __init__(self, reason: stream_pb2.GoingAwayReason.ValueType, token: str = "") -> None:
        going = stream_pb2.GoingAway(reason=reason, resume_token=token)
        expiring = StreamPortfolioResponse(token_expiring=stream_pb2.TokenExpiring())
        self.messages = [expiring, StreamPortfolioResponse(going_away=going)]
        self.canceled = False

    async def read(self) -> Any:
        return self.messages.pop(0) if self.messages else None

    def cancel(self) -> None:
        self.canceled = True


class CountingLogin(Login):
    """Counts how often somebody asks for tokens that are good now."""

    def __init__(self, folder: Path) -> None:
        async def exchange(_token: str) -> Any:
            raise AssertionError("nobody is logged in")

        super().__init__(TokenFile(folder / "tokens.json"), exchange)
        self.asked = 0

    async def metadata(self) -> Any:
        self.asked += 1
        return ()


async def test_a_watch_goes_on_with_the_next_token(tmp_path: Path) -> None:
    """After the last message that it got; what the mesh ends for another reason ends it."""
    login, begun = CountingLogin(tmp_path), []
    streams = [Stream(EXPIRED, "after-3"), Stream(EXPIRED), Stream(DRAINING, "after-9")]
    waiting = list(streams)

    def begin(token: str) -> Stream:
        begun.append((token, login.asked))
        return waiting.pop(0)

    told: list[Any] = []
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await drain(live.messages(login, begin), told)
    assert begun == [("", 1), ("after-3", 2), ("", 3)]
    assert [message.WhichOneof("item") for message in told] == ["token_expiring"] * 3
    assert all(stream.canceled for stream in streams)
