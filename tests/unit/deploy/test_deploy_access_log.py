"""The gateway's access log is kept small."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Self

import pytest

from deploy.embedded.access_log import AccessLog
from tests.fixtures.waiting import eventually


class Admin:
    """What Envoy's administration would be asked, over HTTP."""

    def __init__(self, socket: Path | None = None) -> None:
        self._socket = socket
        self.asked: list[str] = []
        self.status = "200 OK"
        self.address = ""

    async def __aenter__(self) -> Self:
        if self._socket is not None:
            self._server = await asyncio.start_unix_server(self._answer, self._socket)
            self.address = f"unix:{self._socket}"
            return self
        self._server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        host, port = self._server.sockets[0].getsockname()
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked.append((await reader.readline()).decode().strip())
        writer.write(f"HTTP/1.1 {self.status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()


async def test_a_large_file_is_put_aside_and_a_new_one_begun(tmp_path: Path) -> None:
    """Envoy is asked to open a file of the name; the one put aside before is gone."""
    async with Admin() as admin:
        log = AccessLog(tmp_path / "access.log", admin.address, most_bytes=10)
        for text in ("first, and long", "second, and long"):
            log.path.write_text(text)
            await log.rotate()
        assert admin.asked == ["POST /reopen_logs HTTP/1.1"] * 2
    assert not log.path.exists()
    assert (tmp_path / "access.log.1").read_text() == "second, and long"
    assert len(list(tmp_path.iterdir())) == 1


async def test_envoy_is_asked_at_a_socket(tmp_path: Path) -> None:
    """Where it is administered at one, as on one machine."""
    async with Admin(tmp_path / "admin.sock") as admin:
        log = AccessLog(tmp_path / "access.log", admin.address, most_bytes=1)
        log.path.write_text("long")
        await log.rotate()
        assert admin.asked == ["POST /reopen_logs HTTP/1.1"]


async def test_a_small_file_or_none_is_left_alone(tmp_path: Path) -> None:
    """Nobody is asked anything."""
    async with Admin() as admin:
        log = AccessLog(tmp_path / "access.log", admin.address, most_bytes=10)
        await log.rotate()
        log.path.write_text("short")
        await log.rotate()
        assert admin.asked == []
    assert log.path.read_text() == "short"


async def test_without_envoy_it_is_put_aside_all_the_same(tmp_path: Path) -> None:
    """The next Envoy begins a new one."""
    async with Admin() as admin:
        address = admin.address
    log = AccessLog(tmp_path / "access.log", address, most_bytes=1)
    log.path.write_text("long")
    await log.rotate()
    assert not log.path.exists()


async def test_envoy_is_asked_until_a_new_file_is_begun(tmp_path: Path) -> None:
    """One that did not answer writes on to the file put aside, which must not grow for ever."""
    async with Admin() as admin:
        admin.status = "503 Service Unavailable"
        log = AccessLog(tmp_path / "access.log", admin.address, most_bytes=10)
        log.path.write_text("long, and longer")
        for _ in range(3):
            await log.rotate()
        assert len(admin.asked) == 3
        assert (tmp_path / "access.log.1").read_text() == "long, and longer"
        log.path.write_text("short")
        await log.rotate()
        assert len(admin.asked) == 3


async def test_what_cannot_be_put_aside_now_is_told_and_put_aside_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody stops looking at the file because it failed once."""
    in_the_way = tmp_path / "access.log.1" / "folder"
    in_the_way.mkdir(parents=True)
    async with Admin() as admin:
        log = AccessLog(tmp_path / "access.log", admin.address, most_bytes=1)
        log.path.write_text("long")
        keeping = asyncio.create_task(log.keep_small(interval_seconds=0))
        await eventually(lambda: capsys.readouterr().err, lambda told: "cannot be kept small now" in told)
        in_the_way.rmdir()
        in_the_way.parent.rmdir()
        await eventually(lambda: not log.path.exists())
        keeping.cancel()
        await asyncio.wait([keeping])
    assert (tmp_path / "access.log.1").read_text() == "long"
