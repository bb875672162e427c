"""Ten thousand idle streams and two thousand active ones, held through the gateway on one machine.

Idle streams are gRPC's, over a hundred connections, of an instrument in which nothing happens. Of the active ones half
are gRPC's, half Server-Sent Events with a connection each; the best bid of their instrument changes at a steady rate.

`python -m tests.bench.held_streams [--idle N] [--active N] [--seconds S] [--rate R]` prints this table alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import httpx
from rich.console import Console

from deploy.embedded.limits import raise_file_limit
from deploy.embedded.mesh import Mesh
from ordermesh.marketdata.v1 import market_data_service_pb2
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from tests.bench.report import Figure, percentile, show
from tests.bench.stream_readers import Readers, read_events, read_grpc
from tests.clients.caller import TRADER, bearer, login, new_instrument, order
from tests.clients.conftest import SETTINGS
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.usage import usage_of

CONNECTIONS: Final = 100
AT_ONCE: Final = 200
"""Streams that are being opened at a time: what is measured is how many are held, not a rush."""
PATIENCE_SECONDS: Final = 300.0
SERVICE, GATEWAY = "marketdata", "gateway"


@dataclass(frozen=True, slots=True)
class World:
    """A mesh, a trader, and what they trade."""

    mesh: Mesh
    rest: httpx.AsyncClient
    token: str
    quiet: str
    busy: str

    async def tick(self, number: int) -> None:
        """Changes the best bid."""
        body = order(self.busy, client_order_id=uuid.uuid4().hex, limit_price=f"{100 + number / 100:.2f}", quantity="1")
        answer = await self.rest.post("/api/v1/orders", json=body, headers=bearer(self.token))
        answer.raise_for_status()


@asynccontextmanager
async def world(work: Path) -> AsyncIterator[World]:
    """Starts a mesh of its own, without agents."""
    async with (
        running_mesh(work, WITHOUT_AGENTS, SETTINGS) as mesh,
        httpx.AsyncClient(base_url=mesh.gateway_url, timeout=30) as rest,
    ):
        admin, token = await login(rest, "admin"), await login(rest, TRADER)
        quiet, busy = await new_instrument(rest, admin), await new_instrument(rest, admin)
        try:
            yield World(mesh, rest, token, quiet, busy)
        except (RuntimeError, TimeoutError) as error:
            for part, lines in mesh.log_tails(5).items():
                if part in {SERVICE, GATEWAY}:
                    error.add_note(f"log of {part}:\n{lines}")
            raise


async def measure_held_streams(
    work: Path, idle: int = 10_000, active: int = 2_000, seconds: float = 20.0, rate: float = 1.0
) -> list[Figure]:
    """Measures on a mesh of its own.

    Args:
        work: Folder for its data.
        idle: Streams in which nothing happens.
        active: Streams that are told of each change.
        seconds: For how long there are changes.
        rate: Changes a second.

    Raises:
        RuntimeError: A stream has ended, or was not told of all changes.
    """
    raise_file_limit()
    readers, bystanders = Readers(), Readers()
    async with world(work) as here, AsyncExitStack() as stack:
        tasks: list[asyncio.Task[None]] = []
        stack.callback(lambda: [task.cancel() for task in tasks])
        stubs = [MarketDataServiceStub(await stack.enter_async_context(_channel(here))) for _ in range(CONNECTIONS)]
        before = {part: usage_of(here.mesh, part).resident_mib for part in (SERVICE, GATEWAY)}
        request = market_data_service_pb2.StreamQuotesRequest(instruments=[here.quiet])
        request.heartbeat_interval.seconds = 60
        for number in range(idle):
            tasks.append(asyncio.create_task(read_grpc(stubs[number % CONNECTIONS], request, here.token, bystanders)))
            await _until_open(bystanders, number + 1 - AT_ONCE)
        await _until_open(bystanders, idle)
        held = {part: usage_of(here.mesh, part).resident_mib for part in before}
        request = market_data_service_pb2.StreamQuotesRequest(instruments=[here.busy])
        request.heartbeat_interval.seconds = 60
        for number in range(active):
            by_grpc = read_grpc(stubs[number % CONNECTIONS], request, here.token, readers)
            by_events = read_events(here.mesh.address(GATEWAY), here.busy, here.token, readers)
            coroutine, other = (by_grpc, by_events) if number % 2 else (by_events, by_grpc)
            other.close()
            tasks.append(asyncio.create_task(coroutine))
            await _until_open(readers, number + 1 - AT_ONCE)
        await _until_open(readers, active)
        changes = await _tick(here, seconds, rate)
        await _until_told(readers, changes * active)
        peak = {part: usage_of(here.mesh, part).resident_mib for part in before}
        if bystanders.ended or readers.ended:
            raise RuntimeError(f"streams have ended: {[*bystanders.ended, *readers.ended][:3]}")
    return _figures(idle, active, rate, readers.latencies, before, held, peak)


def _channel(here: World) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(here.mesh.address(GATEWAY), options=[("grpc.use_local_subchannel_pool", 1)])


async def _until_open(readers: Readers, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while readers.open < count:
            if readers.ended:
                raise RuntimeError(f"a stream has ended: {readers.ended[0]}")
            await asyncio.sleep(0.1)


async def _until_told(readers: Readers, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(readers.latencies) < count:
            await asyncio.sleep(0.1)


async def _tick(here: World, seconds: float, rate: float) -> int:
    loop = asyncio.get_running_loop()
    began, count = loop.time(), round(seconds * rate)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        await here.tick(number)
    return count


def _figures(
    idle: int,
    active: int,
    rate: float,
    latencies: Sequence[float],
    before: dict[str, float],
    held: dict[str, float],
    peak: dict[str, float],
) -> list[Figure]:
    figures = [Figure("streams held through the gateway", idle + active, "streams", f"{active:,} of them active")]
    for part, title in ((GATEWAY, "Envoy"), (SERVICE, "MarketDataService")):
        each = (held[part] - before[part]) * 1024 / idle
        goal, reached = ("<= 60", each <= 60) if part == SERVICE else ("", None)
        figures += [
            Figure(f"{title}: memory of an idle stream", each, "KiB", goal=goal, reached=reached),
            Figure(f"{title}: memory with all", peak[part], "MiB", f"without streams {before[part]:,.0f} MiB"),
        ]
    beside = f"{rate:g} changes/s to {active:,} streams"
    figures += [
        Figure(f"held streams: quote, engine to reader, {name}", percentile(latencies, share), "ms", beside)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return figures


def main(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="tests.bench.held_streams", description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=1.0)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="ordermesh-bench-") as name:
        sizes = (chosen.idle, chosen.active, chosen.seconds, chosen.rate)
        show(asyncio.run(measure_held_streams(Path(name), *sizes)), Console(width=160))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
