"""Metrics are read over HTTP, at an address or at a socket of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.kernel.errors import CodedError
from services.system.peers import HttpMetrics


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    asked = (await reader.readline()).split()[1]
    body = b"x 1" if asked == b"/metrics" else b""
    status = b"200 OK" if body else b"404 Not Found"
    writer.write(b"HTTP/1.1 %s\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(body), body))
    await writer.drain()
    writer.close()


@asynccontextmanager
async def serving(socket: Path | None) -> AsyncIterator[str]:
    """Serves metrics, and tells where."""
    if socket is None:
        server = await asyncio.start_server(_answer, "127.0.0.1", 0)
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    else:
        server, address = await asyncio.start_unix_server(_answer, socket), f"unix:{socket}"
    async with server:
        yield address


@pytest.mark.parametrize("at_socket", [False, True])
async def test_they_are_read_where_they_are(tmp_path: Path, at_socket: bool) -> None:
    """What is not there is told, and so is nobody who answers."""
    async with serving(tmp_path / "s" if at_socket else None) as address:
        assert await HttpMetrics(address, "/metrics", 5).read() == "x 1"
        with pytest.raises(CodedError, match="answers 404"):
            await HttpMetrics(address, "/nothing", 5).read()
    with pytest.raises(CodedError, match="SERVICE_UNAVAILABLE"):
        await HttpMetrics(address, "/metrics", 5).read()
