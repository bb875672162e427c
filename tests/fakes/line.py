"""A TCP line between two parts that a test can cut, in the middle of a message as well, or make dumb."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

HOST = "127.0.0.1"
_CHUNK = 16 * 1024


class Line:
    """Carries bytes to an address. A cut ends the connections there are; new ones are carried like the ones before.

    Attributes:
        cuts: Connections that were cut.
        muted: Connections that were left open, and carry nothing any more.
    """

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ""
        self.cuts = 0
        self.muted = 0
        self._opened = 0
        self._muted_up_to = 0

    @classmethod
    @asynccontextmanager
    async def to(cls, target: str) -> AsyncIterator[Line]:
        """Opens a line to `host:port` for the time of a block; it has an address of its own."""
        line = cls(target)
        server = await asyncio.start_server(line._connected, HOST, 0)
        line.address = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        try:
            yield line
        finally:
            server.close()
            line.cut()
            await asyncio.gather(*line._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Ends every connection at once, whatever is on its way."""
        self.cuts += len(self._writers) // 2
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mute(self) -> None:
        """Lets every connection stand, and loses all that either end says on it from now on."""
        self.muted += len(self._writers) // 2
        self._muted_up_to = self._opened

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        self._opened += 1
        for source, sink in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, sink, self._opened))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, number: int) -> None:
        with suppress(OSError):
            while data := await source.read(_CHUNK):
                if number <= self._muted_up_to:
                    continue
                sink.write(data)
                await sink.drain()
        self._writers.discard(sink)
        sink.transport.abort()
