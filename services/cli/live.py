"""Showing what changes: in place on a terminal, line by line anywhere else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, cast

from rich.console import RenderableType
from rich.live import Live

from services.cli.output import console
from services.kernel.errors import unavailable
from services.mesh.client import StreamCall

REFRESHES_PER_SECOND = 8


class Screen:
    """Shows the newest whole on a terminal; elsewhere prints what changed."""

    def __init__(self) -> None:
        self._console = console()
        self._live: Live | None = None
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=REFRESHES_PER_SECOND, transient=False)

    def open(self) -> AbstractContextManager[object]:
        """Shows for the time of a block."""
        return self._live if self._live is not None else nullcontext()

    def show(self, whole: Callable[[], RenderableType], changes: Callable[[], Iterable[str]]) -> None:
        """Shows a state: whole on a terminal, else the lines that say what is new."""
        if self._live is not None:
            self._live.update(whole())
        else:
            for line in changes():
                self._console.print(line, soft_wrap=True)


async def messages(call: object) -> AsyncIterator[Any]:
    """Yields the messages of a stream until the mesh ends it.

    Raises:
        CodedError: The mesh cannot be reached any more, or ends the stream.
    """
    stream = cast("StreamCall", call)
    try:
        while (message := await stream.read()) is not None:
            if message.WhichOneof("item") == "going_away":
                break
            yield message
    finally:
        stream.cancel()
    raise unavailable("SERVICE_UNAVAILABLE", "the mesh has ended the stream; it is stopping or was restarted")
