"""Streams that the command watches: begun again when they have ended with their token, and with nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ordermesh.identity.v1 import session_pb2
from ordermesh.marketdata.v1.market_data_service_pb2 import QuoteUpdate, StreamQuotesResponse
from services.cli.live import messages
from services.cli.login import Login
from services.cli.tokens import TokenFile
from services.kernel.errors import CodedError, unauthenticated, unavailable

NEWS = StreamQuotesResponse(update=QuoteUpdate())


class FakeStream:
    """Tells some messages, then ends with an error."""

    def __init__(self, count: int, error: CodedError) -> None:
        self._left, self._error = count, error
        self.canceled = False

    async def read(self) -> StreamQuotesResponse:
        if not self._left:
            raise self._error
        self._left -= 1
        return NEWS

    def cancel(self) -> None:
        self.canceled = True


async def nobody(_token: str) -> session_pb2.Tokens:
    raise AssertionError("nobody is logged in")


async def watched(folder: Path, streams: Sequence[FakeStream]) -> tuple[int, CodedError]:
    """Returns how many messages were told, and what the watch has ended with."""
    begun, count = iter(streams), 0

    async def watch() -> None:
        nonlocal count
        async for _ in messages(Login(TokenFile(folder / "x.json"), nobody), lambda: next(begun)):
            count += 1

    with pytest.raises(CodedError) as failure:
        await watch()
    return count, failure.value


async def test_a_stream_that_ends_with_its_token_is_begun_again(tmp_path: Path) -> None:
    """As often as that happens; each is closed."""
    over, away = unauthenticated("INVALID_TOKEN", "over"), unavailable("SERVICE_UNAVAILABLE", "away")
    streams = [FakeStream(2, over), FakeStream(1, over), FakeStream(3, away)]
    count, error = await watched(tmp_path, streams)
    assert (count, error.reason) == (6, "SERVICE_UNAVAILABLE")
    assert all(stream.canceled for stream in streams)


@pytest.mark.parametrize("error", [unauthenticated("INVALID_TOKEN", "over"), unavailable("DRAINING", "stopping")])
async def test_a_stream_that_is_refused_is_not(tmp_path: Path, error: CodedError) -> None:
    """There is nobody to begin it again for."""
    streams: list[Any] = [FakeStream(0, error), FakeStream(1, error)]
    count, told = await watched(tmp_path, streams)
    assert (count, told.reason) == (0, error.reason)
