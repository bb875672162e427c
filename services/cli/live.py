"""Showing what changes: in place on a terminal, line by line anywhere else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from rich.console import RenderableType
from rich.live import Live

from ordermesh.type.v1 import stream_pb2
from services.cli.login import Login
from services.cli.output import console
from services.kernel.errors import unavailable
from services.mesh.stream_call import StreamCall

SECONDS_BETWEEN_DRAWINGS = 0.125


class Screen:
    """Shows the newest whole on a terminal; elsewhere prints what changed.

    Drawn by the event loop, in no thread: nothing is drawn where nothing has changed, and Ctrl-C never meets a drawing
    halfway. A terminal that cannot move its cursor back gets lines, as a file does.
    """

    def __init__(self, *, in_place: bool = True) -> None:
        """Looks what the terminal can do; with `in_place` false it is not asked: the caller prints lines of its own."""
        self._console = console()
        self._live: Live | None = None
        self._whole: Callable[[], RenderableType] | None = None
        self._planned: asyncio.TimerHandle | None = None
        self._next = 0.0
        if in_place and self._console.is_terminal and not self._console.is_dumb_terminal:
            self._live = Live(console=self._console, auto_refresh=False, transient=False)

    @contextmanager
    def open(self) -> Iterator[None]:
        """Shows for the time of a block; the newest state stays on the terminal after it."""
        if self._live is None:
            yield
            return
        with self._live:
            try:
                yield
            finally:
                self._draw()

    def show(self, whole: Callable[[], RenderableType], changes: Callable[[], Iterable[str]]) -> None:
        """Shows a state: whole on a terminal, soon and as it is then, else the lines that say what is new."""
        if self._live is None:
            for line in changes():
                self._console.print(line, soft_wrap=True)
            return
        self._whole = whole
        if self._planned is None:
            loop = asyncio.get_running_loop()
            self._planned = loop.call_at(max(self._next, loop.time()), self._draw)

    def _draw(self) -> None:
        if self._planned is not None:
            self._planned.cancel()
            self._planned = None
        if self._live is not None and self._whole is not None:
            whole, self._whole = self._whole, None
            self._live.update(whole(), refresh=True)
            self._next = asyncio.get_running_loop().time() + SECONDS_BETWEEN_DRAWINGS


async def messages(login: Login, begin: Callable[[str], object]) -> AsyncIterator[Any]:
    """Yields the messages of a stream until the mesh ends it; when a token has ended, it goes on with another.

    Args:
        login: Whose tokens the stream is opened with.
        begin: Opens the stream, after what it sent before the token to resume by; an empty one begins anew.

    Raises:
        CodedError: The mesh cannot be reached any more, or ends the stream.
    """
    token: str | None = ""
    while token is not None:
        await login.metadata()  # a stream begins with the token that there is
        stream, token = cast("StreamCall", begin(token)), None
        try:
            while (message := await stream.read()) is not None:
                if message.WhichOneof("item") == "going_away":
                    if message.going_away.reason == stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED:
                        token = str(message.going_away.resume_token)
                    break
                yield message
        finally:
            stream.cancel()
    raise unavailable("SERVICE_UNAVAILABLE", "the mesh has ended the stream; it is stopping or was restarted")
