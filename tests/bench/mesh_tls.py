"""What mutual TLS costs: a unary echo and a stream of commands through the whole stack, with it and without.

`python -m tests.bench.mesh_tls [SECONDS] [CALLERS]` prints one JSON line: calls and messages per second of each, and
their ratios. The servers are processes of their own and take turns, so that each has the machine to itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import uvloop

from ordermesh.order.v1 import order_service_pb2_grpc, trade_stream_pb2
from services.mesh.certificate import Certificate
from services.mesh.client import Channels
from services.mesh.server import Server
from services.mesh.telemetry import Telemetry
from tests.bench.mesh_echo import ORDER, ROUNDS, Echo, call
from tests.fakes.certificates import SERVER, FakeCompany
from tests.fakes.trade_client import placing

IN_FLIGHT = 64


class TradeEcho(Echo):
    """Answers every batch of a stream at once, too."""

    async def Trade(  # noqa: N802 - the contract's name
        self, requests: AsyncIterator[trade_stream_pb2.TradeRequest], context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[trade_stream_pb2.TradeResponse]:
        async for request in requests:
            answer = trade_stream_pb2.CommandBatchResult(sequence=request.commands.sequence)
            yield trade_stream_pb2.TradeResponse(update=trade_stream_pb2.TradeUpdate(results=[answer]))


async def serve(ready: Connection, certificate: Certificate | None) -> None:
    """Serves the echo as a service does."""
    server = Server(Telemetry.start("bench"), certificate=certificate)
    server.add(order_service_pb2_grpc.add_OrderServiceServicer_to_server, TradeEcho())
    ready.send(await server.start("127.0.0.1:0"))
    await asyncio.Event().wait()


async def stream(stub: Any, seconds: float) -> float:
    """Returns the batches per second of one stream with so many of them unanswered."""
    trade, window = stub.Trade(), asyncio.Semaphore(IN_FLIGHT)
    start, answered = time.perf_counter(), 0

    async def read() -> None:
        nonlocal answered
        while await trade.read() is not None:
            answered += 1
            window.release()

    reading = asyncio.create_task(read())
    number = 0
    while time.perf_counter() < start + seconds:
        await window.acquire()
        number += 1
        batch = trade_stream_pb2.CommandBatch(sequence=number, commands=[placing(ORDER)])
        await trade.write(trade_stream_pb2.TradeRequest(commands=batch))
    await trade.done_writing()
    await reading
    return answered / (time.perf_counter() - start)


async def measure(ports: dict[str, int], certificate: Certificate, seconds: float, callers: int) -> dict[str, float]:
    """Returns the medians of all rounds."""
    every = {"plain": Channels(), "tls": Channels(certificate=certificate)}
    stubs = {
        kind: order_service_pb2_grpc.OrderServiceStub(channels.to(f"127.0.0.1:{ports[kind]}"))
        for kind, channels in every.items()
    }
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for kind, stub in stubs.items():
            rates.setdefault(f"unary_{kind}", []).append(await call(stub, seconds, callers))
            rates.setdefault(f"stream_{kind}", []).append(await stream(stub, seconds))
    for channels in every.values():
        await channels.close()
    return {name: statistics.median(values) for name, values in rates.items()}


def _run(ready: Connection, certificate: FakeCompany | None) -> None:
    uvloop.run(serve(ready, None if certificate is None else certificate.service(SERVER)))


def main(seconds: float = 0.25, callers: int = 32) -> dict[str, float]:
    """Starts both servers, measures, and returns rates and ratios."""
    context, ports, processes = multiprocessing.get_context("spawn"), {}, []
    with tempfile.TemporaryDirectory() as folder:
        company = FakeCompany(Path(folder))
        client = company.service("client")
        for kind, certificate in (("plain", None), ("tls", company)):
            here, there = context.Pipe()
            process = context.Process(target=_run, args=(there, certificate), daemon=True)
            process.start()
            processes.append(process)
            ports[kind] = here.recv()
        rates = uvloop.run(measure(ports, client, seconds, callers))
    for process in processes:
        process.terminate()
        process.join()
    return {
        **{f"{name}_per_second": round(rate) for name, rate in rates.items()},
        "ratio_unary": round(rates["unary_tls"] / rates["unary_plain"], 3),
        "ratio_stream": round(rates["stream_tls"] / rates["stream_plain"], 3),
    }


if __name__ == "__main__":
    numbers = sys.argv[1:]
    sys.stdout.write(
        json.dumps(main(float(numbers[0]) if numbers else 0.25, int(numbers[1]) if len(numbers) > 1 else 32)) + "\n"
    )
