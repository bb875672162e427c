"""Quotes: from the engine's tick to a client's stream, and handed to a thousand readers.

`python -m tests.bench.quotes [latency|fanout]` prints one JSON line each. Processes that are compared take turns, so
that each has the machine to itself; the load is the same for both, and goes on when every reader has what was sent.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import uvloop

from deploy.embedded.component import running
from deploy.embedded.ports import unused_port
from deploy.embedded.postgres import Postgres
from deploy.embedded.redis import Redis
from ordermesh.marketdata.v1 import market_data_service_pb2
from services.bus.fanout import Latest
from services.kernel.clock import SystemClock
from services.kernel.drain import Wakeup
from services.marketdata.domain.book import Level
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.market import MarketSnapshot
from services.marketdata.domain.seeds import seed_terms
from services.marketdata.domain.trade import Trade
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.hub import Hub
from services.marketdata.servicer.broadcasts import Broadcasts
from services.marketdata.servicer.market_data import MarketDataServicer, Parts
from services.marketdata.servicer.quotes import SharedQuote
from services.marketdata.servicer.wire import Wire, register
from services.mesh.draining import Draining
from services.mesh.server import Server
from services.mesh.telemetry import Telemetry
from tests.bench.report import percentile
from tests.bench.work_folder import work_folder
from tests.fixtures.marketdata import BUY, SELL, MarketWorld, market_world

METHOD = "/ordermesh.marketdata.v1.MarketDataService/StreamQuotes"
READERS = 1000
CONNECTIONS = 10
ROUNDS = 7
SECONDS = 2.0
TICKS_PER_SECOND = 1000


# --- latency ----------------------------------------------------------------------------------------------------------


async def quote_latency(work: Path, seconds: float = 10.0, ticks_per_second: int = TICKS_PER_SECOND) -> dict[str, Any]:
    """Returns milliseconds from the engine's taking of an order to a client's reading of the quote that it made.

    Both read the clock of one machine. Every order moves the best bid of one of nine instruments.

    Args:
        work: Folder for stores and logs.
        seconds: How long.
        ticks_per_second: How many orders change a best price each second.
    """
    postgres = Postgres.at(work / "postgres", unused_port(), work / "postgres.log", work / "secret")
    redis = Redis.at(work / "redis", unused_port(), work / "redis.log", work / "redis-secret")
    async with running(postgres.component()), running(redis.component()):
        url = await postgres.ensure_database("bench")
        async with market_world(work, url, redis.url) as world:
            return await _measure_latency(world, seconds, ticks_per_second)


async def _measure_latency(world: MarketWorld, seconds: float, ticks_per_second: int) -> dict[str, Any]:
    answer = await world.stub.ListInstruments(market_data_service_pb2.ListInstrumentsRequest())
    numbers = [instrument.engine_instrument_id for instrument in answer.instruments]
    latencies: list[float] = []
    folded = 0

    async def read() -> None:
        nonlocal folded
        async for response in world.stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest()):
            now = time.time_ns()
            for quote in response.update.quotes:
                folded += quote.folded
                venue = quote.venue_time.seconds * 1_000_000_000 + quote.venue_time.nanos
                latencies.append((now - venue) / 1e6)

    reader = asyncio.create_task(read())
    try:
        sent = await _tick(world, numbers, seconds, ticks_per_second)
    finally:
        reader.cancel()
    return {
        "ticks_per_second": round(sent / seconds),
        "quotes": len(latencies),
        "folded": folded,
        "p50_ms": percentile(latencies, 0.5),
        "p99_ms": percentile(latencies, 0.99),
        "most_ms": max(latencies),
    }


async def _tick(world: MarketWorld, numbers: Sequence[int], seconds: float, ticks_per_second: int) -> int:
    loop = asyncio.get_running_loop()
    async with world.participant("bench") as trader:
        reading = asyncio.create_task(trader.drain())
        began, sent = loop.time(), 0
        while (now := loop.time() - began) < seconds:
            due = int(now * ticks_per_second) - sent
            # A better bid, an ask that takes it: the best bid goes up and down again.
            commands = [
                trader.limit(
                    numbers[(sent + i) // 2 % len(numbers)],
                    (BUY, SELL)[(sent + i) % 2],
                    10_000,
                    100,
                    immediate=bool((sent + i) % 2),
                )
                for i in range(due)
            ]
            if commands:
                await trader.send_only(*commands)
                sent += due
            await asyncio.sleep(0.001)
        reading.cancel()
    return sent


# --- fan-out ----------------------------------------------------------------------------------------------------------


class Steps:
    """Lets the next tick go out when all readers have taken the one before."""

    def __init__(self, readers: int) -> None:
        self._readers = readers
        self._taken = 0
        self._all = Wakeup()
        self.count = 0

    def took(self) -> None:
        """Is told that a reader has taken the tick."""
        self._taken += 1
        if self._taken == self._readers:
            self._taken = 0
            self._all.call()

    async def go(self, tick: Callable[[int], None], seconds: float) -> float:
        """Ticks for so long; returns messages each second."""
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            tick(count)
            await self._all.wait()
            count += 1
        return count * self._readers / (time.perf_counter() - began)


class NoHistory:
    """Keeps no trades."""

    def add(self, number: int, trade: Trade) -> None:
        """Lets it go."""

    def restarted(self, number: int, before: int, after: int, last_trade_id: int) -> None:
        """Has nothing to recover."""


def _hub() -> Hub:
    hub = Hub(NoHistory(), asyncio.get_running_loop().call_soon)
    for number, terms in enumerate(seed_terms(), 1):
        hub.add(Instrument(terms, number, TradingStatus.TRADING, 1, datetime.now(UTC)))
        hub.opened("bench", 1)
        bids, asks = (Level(18_000, 100, 1),), (Level(18_100, 100, 1),)
        hub.restore(MarketSnapshot(number, 1, TradingStatus.TRADING, bids, asks, None))
    return hub


async def serve_service(ready: Connection, readers: int, seconds: float) -> None:
    """Serves quotes as the service does."""
    hub, epochs, draining = _hub(), Epochs({}), Draining()
    broadcasts, steps = Broadcasts(hub, epochs), Steps(readers)
    quotes = broadcasts.quotes
    subscribe = quotes.subscribe

    def counting(names: Any) -> Any:
        subscription = subscribe(names)

        def update(latest: Sequence[Latest[str, SharedQuote]]) -> Wire:
            steps.took()
            return subscription.update(latest)

        return replace(subscription, update=update)

    quotes.subscribe = counting  # type: ignore[method-assign]  # counts what the real one sends
    unused: Any = None
    parts = Parts(unused, hub, unused, epochs, broadcasts, draining, SystemClock())
    server = Server(Telemetry("bench"), draining=draining)
    server.add(register, MarketDataServicer(parts))
    hub.flush()
    ready.send(await server.start("127.0.0.1:0"))
    market = hub.markets["AAPL.XNAS"]

    def tick(count: int) -> None:
        market.advance(market.sequence + 1, time.time_ns())
        hub.level(market, bid=True, price=18_000, quantity=count % 1000 + 1, orders=1)

    await _run(ready, lambda: steps.go(tick, seconds))


async def serve_bare(ready: Connection, readers: int, seconds: float) -> None:
    """Serves streams of the same bytes with nothing around them."""
    steps = Steps(readers)
    waiting: list[Wakeup] = []
    message = b""

    async def stream(_request: bytes, _context: Any) -> AsyncIterator[bytes]:
        wakeup = Wakeup()
        waiting.append(wakeup)
        # As many messages come before the first tick as in the service's stream.
        for _ in range(4):
            yield message
        while True:
            await wakeup.wait()
            steps.took()
            yield message

    def tick(_count: int) -> None:
        for wakeup in waiting:
            wakeup.call()

    hub = _hub()
    broadcasts = Broadcasts(hub, Epochs({}))
    subscription = broadcasts.quotes.subscribe(["AAPL.XNAS"])
    hub.flush()
    first = subscription.update(subscription.reader.take())
    message = first if isinstance(first, bytes) else first.SerializeToString()
    service, _, name = METHOD[1:].rpartition("/")
    handler: Any = grpc.unary_stream_rpc_method_handler(stream)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {name: handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready.send(port)
    await _run(ready, lambda: steps.go(tick, seconds))


async def _run(ready: Connection, go: Callable[[], Any]) -> None:
    loop = asyncio.get_running_loop()
    while await loop.run_in_executor(None, ready.recv) == "go":
        ready.send(await go())


async def fan_out(readers: int = READERS, seconds: float = SECONDS, rounds: int = ROUNDS) -> dict[str, Any]:
    """Returns messages each second to so many readers, of the service and of bare streams of the same bytes.

    The two take turns; the ratio is the median of those of each turn, because the machine may have other work.
    """
    results: dict[str, list[float]] = {"service": [], "bare": []}
    async with _reading(serve_service, readers, seconds) as service, _reading(serve_bare, readers, seconds) as bare:
        for _ in range(rounds):
            results["service"].append(await service())
            results["bare"].append(await bare())
    median = {name: statistics.median(values) for name, values in results.items()}
    ratios = [ours / theirs for ours, theirs in zip(results["service"], results["bare"], strict=True)]
    return {"readers": readers, **median, "ratio": statistics.median(ratios)}


@asynccontextmanager
async def _reading(serve: Any, readers: int, seconds: float) -> AsyncIterator[Callable[[], Any]]:
    ours, theirs = multiprocessing.get_context("spawn").Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_serve, args=(serve, theirs, readers, seconds))
    process.start()
    loop = asyncio.get_running_loop()
    port = await loop.run_in_executor(None, ours.recv)
    channels = [
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)])
        for _ in range(CONNECTIONS)
    ]
    request = market_data_service_pb2.StreamQuotesRequest(instruments=["AAPL.XNAS"]).SerializeToString()
    begun = asyncio.Semaphore(0)

    async def read(channel: grpc.aio.Channel) -> None:
        method: Any = channel.unary_stream(METHOD)
        call = method(request)
        for _ in range(4):
            await call.read()
        begun.release()
        while await call.read() is not grpc.aio.EOF:
            pass

    async def go() -> Any:
        ours.send("go")
        return await loop.run_in_executor(None, ours.recv)

    tasks = [asyncio.create_task(read(channels[i % CONNECTIONS])) for i in range(readers)]
    for _ in range(readers):
        await begun.acquire()
    try:
        yield go
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(channel.close() for channel in channels))
        process.terminate()
        process.join()


def _serve(serve: Any, ready: Connection, readers: int, seconds: float) -> None:
    uvloop.run(serve(ready, readers, seconds))


async def main(arguments: Sequence[str]) -> None:
    """Runs what is named, or all."""
    wanted = set(arguments) or {"latency", "fanout"}
    if "latency" in wanted:
        with work_folder() as folder:
            print(json.dumps({"quote_latency": await quote_latency(folder)}))
    if "fanout" in wanted:
        print(json.dumps({"fan_out": await fan_out()}))


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1:]))
