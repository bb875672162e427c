"""Ten thousand idle streams and two thousand active ones, held through the gateway on one machine.

Idle streams are gRPC's, over a hundred connections, of an instrument in which nothing happens. Of the active ones half
are gRPC's, half Server-Sent Events with a connection each; the best bid of their instrument changes at a steady rate.

`python -m tests.bench.held_streams [--idle N] [--active N] [--seconds S] [--rate R]` prints this table alone.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
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
from tests.bench.work_folder import work_folder
from tests.clients.caller import TRADER, login, new_instrument, order
from tests.clients.conftest import SETTINGS
from tests.fixtures import http_clients
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.usage import usage_of
from tests.fixtures.ways import bearer

CONNECTIONS: Final = 100
AT_ONCE: Final = 200
"""Streams that are being opened at a time. All at once are served, too, but then the reader's own work is measured."""
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


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of each part in MiB: before streams, with the idle ones, and at the end, with all."""

    before: dict[str, float]
    held: dict[str, float]
    peak: dict[str, float]


@asynccontextmanager
async def world(work: Path) -> AsyncIterator[World]:
    """Starts a mesh of its own, without agents."""
    async with (
        running_mesh(work, WITHOUT_AGENTS, SETTINGS) as mesh,
        http_clients.async_client(base_url=mesh.gateway_url, timeout=30) as rest,
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
        clock, before = asyncio.get_running_loop().time, _memory(here)
        began = clock()
        for number in range(idle):
            coroutine = read_grpc(stubs[number % CONNECTIONS], _request(here.quiet), here.token, bystanders)
            tasks.append(asyncio.create_task(coroutine))
            await _until_open(bystanders, number + 1 - AT_ONCE)
        await _until_open(bystanders, idle)
        held = _memory(here)
        for number in range(active):
            tasks.append(asyncio.create_task(_reading(here, number, stubs[number % CONNECTIONS], readers)))
            await _until_open(readers, number + 1 - AT_ONCE)
        await _until_open(readers, active)
        seconds_to_open = clock() - began
        changes = await _tick(here, seconds, rate)
        await _until_told(readers, changes * active)
        memory = Memory(before, held, _memory(here))
        if bystanders.ended or readers.ended:
            raise RuntimeError(f"streams have ended: {[*bystanders.ended, *readers.ended][:3]}")
    opened = Figure(
        "held streams: time to open all",
        seconds_to_open,
        "s",
        f"{(idle + active) / seconds_to_open:,.0f}/s, {bystanders.refused + readers.refused} asked for again",
    )
    return [
        Figure("streams held through the gateway", idle + active, "streams", f"{active:,} of them active"),
        opened,
        *_figures_of_memory(memory, idle),
        *_figures_of_latency(readers.latencies, f"{rate:g} changes/s to {active:,} streams"),
    ]


async def _reading(here: World, number: int, stub: MarketDataServiceStub, readers: Readers) -> None:
    """Reads the busy instrument: every other one over gRPC, the others as events."""
    if number % 2:
        await read_events(here.mesh.address(GATEWAY), here.busy, here.token, readers)
    else:
        await read_grpc(stub, _request(here.busy), here.token, readers)


def _request(instrument: str) -> market_data_service_pb2.StreamQuotesRequest:
    request = market_data_service_pb2.StreamQuotesRequest(instruments=[instrument])
    request.heartbeat_interval.seconds = 60
    return request


def _memory(here: World) -> dict[str, float]:
    return {part: usage_of(here.mesh, part).resident_mib for part in (SERVICE, GATEWAY)}


def _channel(here: World) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(here.mesh.address(GATEWAY), options=[("grpc.use_local_subchannel_pool", 1)])


async def _until_open(readers: Readers, count: int) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while readers.open < count:
            if readers.ended:
                raise RuntimeError(f"a stream has ended: {readers.ended[0]}")
            await asyncio.sleep(0.1)


async def _until_told(readers: Readers, count: int) -> None:
    """Waits until all changes were told; a reader may be told of the newest alone, and of how many that stands for."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while readers.told < count:
            await asyncio.sleep(0.1)


async def _tick(here: World, seconds: float, rate: float) -> int:
    loop = asyncio.get_running_loop()
    began, count = loop.time(), round(seconds * rate)
    for number in range(count):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        await here.tick(number)
    return count


def _figures_of_memory(memory: Memory, idle: int) -> list[Figure]:
    figures: list[Figure] = []
    for part, title in ((GATEWAY, "Envoy"), (SERVICE, "MarketDataService")):
        each = (memory.held[part] - memory.before[part]) * 1024 / idle
        goal, reached = ("<= 60", each <= 60) if part == SERVICE else ("", None)
        without = f"without streams {memory.before[part]:,.0f} MiB"
        figures += [
            Figure(f"{title}: memory of an idle stream", each, "KiB", goal=goal, reached=reached),
            Figure(f"{title}: memory with all", memory.peak[part], "MiB", without),
        ]
    return figures


def _figures_of_latency(latencies: Sequence[float], beside: str) -> list[Figure]:
    return [
        Figure(f"held streams: quote, engine to reader, {name}", percentile(latencies, share), "ms", beside)
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]


def main(arguments: Sequence[str]) -> int:
    """Measures and prints."""
    parser = argparse.ArgumentParser(prog="tests.bench.held_streams", description=__doc__)
    parser.add_argument("--idle", type=int, default=10_000)
    parser.add_argument("--active", type=int, default=2_000)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=1.0)
    chosen = parser.parse_args(arguments)
    with work_folder() as folder:
        sizes = (chosen.idle, chosen.active, chosen.seconds, chosen.rate)
        show(asyncio.run(measure_held_streams(folder, *sizes)), Console(width=160))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
