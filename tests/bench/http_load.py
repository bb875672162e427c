"""A load of POSTs over kept-alive HTTP/1.1 connections, light enough not to be what is measured."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpLoad:
    """What a load of requests took.

    Attributes:
        per_second: Requests answered each second.
        latencies: Seconds of each request.
        failed: Requests not answered with 200, by the first line of the answer.
    """

    per_second: float
    latencies: list[float]
    failed: dict[str, int]


async def post_all(
    address: str,
    path: str,
    bodies: Callable[[int], Iterator[bytes]],
    count: int,
    connections: int,
    *,
    headers: Sequence[tuple[str, str]] = (),
    tls: ssl.SSLContext | None = None,
) -> HttpLoad:
    """Sends requests over several connections, each as soon as the one before it is answered.

    Args:
        address: `host:port`.
        path: Path of all requests.
        bodies: Gives the bodies that one connection sends, told its number.
        count: Requests of each connection.
        connections: Number of connections.
        headers: What goes along with each request.
        tls: What the connections are encrypted with; None for plain ones.
    """
    latencies: list[float] = []
    failed: dict[str, int] = {}

    async def connection(number: int) -> None:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        more = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"POST {path} HTTP/1.1\r\nhost: {address}\r\n{more}content-type: application/json\r\ncontent-length: "
        source = bodies(number)
        for _ in range(count):
            body = next(source)
            began = time.perf_counter()
            writer.write(f"{head}{len(body)}\r\n\r\n".encode() + body)
            status = await _answer(reader)
            latencies.append(time.perf_counter() - began)
            if " 200 " not in status:
                failed[status] = failed.get(status, 0) + 1
        writer.close()
        await writer.wait_closed()

    began = time.perf_counter()
    await asyncio.gather(*(connection(number) for number in range(connections)))
    return HttpLoad(len(latencies) / (time.perf_counter() - began), latencies, failed)


async def _answer(reader: asyncio.StreamReader) -> str:
    """Reads one answer whole and returns its first line."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    status, *lines = head.split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    else:
        await reader.readexactly(int(fields.get("content-length", "0")))
    return f"{status} "
