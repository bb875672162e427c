"""Readers of quote streams, over gRPC and as Server-Sent Events, and what they have seen."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import grpc

from tests.fixtures.ways import bearer


@dataclass
class Readers:
    """What readers of streams have seen.

    Attributes:
        latencies: Milliseconds from the engine's taking of an order to a reader's reading of the quote that it made.
        told: Changes that quotes told of, those that were folded into a later one among them.
        open: Streams that have begun.
        refused: How often one was refused for the moment, and asked for again.
        ended: Streams that have ended, which none should.
    """

    latencies: list[float] = field(default_factory=list)
    told: int = 0
    open: int = 0
    refused: int = 0
    ended: list[str] = field(default_factory=list)

    def saw(self, venue_seconds: float, folded: int) -> None:
        """Takes note of a quote, and of how many it stands for beside itself."""
        self.latencies.append((time.time() - venue_seconds) * 1000)
        self.told += 1 + folded


async def read_grpc(stub: Any, request: Any, token: str, readers: Readers) -> None:
    """Reads a gRPC stream until it is canceled; one that is refused for the moment is asked for again."""
    opened = False
    while True:
        try:
            async for response in stub.StreamQuotes(request, metadata=tuple(bearer(token).items())):
                if not opened and response.HasField("snapshot_end"):
                    opened = True
                    readers.open += 1
                elif opened:
                    for quote in response.update.quotes:
                        readers.saw(quote.venue_time.seconds + quote.venue_time.nanos / 1e9, quote.folded)
            readers.ended.append("by its server")
        except grpc.aio.AioRpcError as error:
            if not opened and error.code() is grpc.StatusCode.UNAVAILABLE:
                readers.refused += 1
                await asyncio.sleep(1)
                continue
            readers.ended.append(f"{error.code().name}: {error.details()}")
        return


async def read_events(address: str, instrument: str, token: str, readers: Readers) -> None:
    """Reads Server-Sent Events over a connection of its own until it is canceled."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 20)
    path = f"/api/v1/stream/quotes?instruments={instrument}&heartbeat_interval=60s"
    writer.write(f"GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\r\n".encode())
    opened = False
    try:
        while line := await reader.readline():
            if not line.startswith(b"data: "):
                continue
            item = json.loads(line[6:])
            if not opened and "snapshot_end" in item:
                opened = True
                readers.open += 1
            elif opened:
                for quote in item.get("update", {}).get("quotes", ()):
                    at = datetime.fromisoformat(_micros(quote["venue_time"]))
                    readers.saw(at.timestamp(), int(quote["folded"]))
        readers.ended.append("by the gateway")
    finally:
        writer.close()


def _micros(text: str) -> str:
    """Returns a time as Python 3.11 reads it: no finer than microseconds."""
    whole, _, rest = text.rstrip("Z").partition(".")
    return f"{whole}.{rest[:6].ljust(6, '0')}+00:00"
