"""Orders through BrokerService: a route stream in, the real engine behind it, every report back.

`python -m tests.bench.broker_hop [ORDERS]` prints one JSON line. BrokerService and the engine are processes of their
own; half of the orders rest and the other half trade with them, so that each order is accepted and filled.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from ordermesh.broker.v1 import routing_service_pb2, routing_service_pb2_grpc
from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc
from services.mesh.client import Channels
from tests.bench.work_folder import work_folder
from tests.fakes.accounts import FakePortfolio
from tests.fakes.broker_world import new_order
from tests.fakes.engine import serving
from tests.fakes.market_data import FakeMarketData
from tests.fixtures.engine import Engine
from tests.fixtures.servers import OwnPostgres
from tests.fixtures.waiting import eventually

BATCH = 250
MOST_IN_FLIGHT = 5_000
REPORTS_PER_ORDER = 2


class Load:
    """OrderService's end: sends batches, and counts reports."""

    def __init__(self, call: Any) -> None:
        self._call = call
        self.reports = 0
        self.trades = 0
        self._moved = asyncio.Event()

    async def read(self) -> None:
        """Counts what comes."""
        while (message := await self._call.read()) is not None:
            if message.HasField("reports"):
                self.reports += len(message.reports.reports)
                self.trades += sum(report.type == 2 for report in message.reports.reports)
                self._moved.set()

    async def reached(self, reports: int) -> None:
        """Waits for so many reports."""
        while self.reports < reports:
            self._moved.clear()
            await self._moved.wait()


def requests(orders: int) -> list[routing_service_pb2.RouteRequest]:
    """Returns batches of orders, each batch trading within itself."""
    commands = [
        new_order(number, account_id="ab"[number % 2], side=1 + number % 2, quantity="10")
        for number in range(1, orders + 1)
    ]
    return [
        routing_service_pb2.RouteRequest(
            commands=routing_service_pb2.CommandBatch(commands=commands[first : first + BATCH])
        )
        for first in range(0, orders, BATCH)
    ]


async def measure(orders: int) -> dict[str, float]:
    """Returns orders per second."""
    async with _world() as address:
        channels = Channels()
        call: Any = routing_service_pb2_grpc.RoutingServiceStub(channels.to(address)).Route()
        await call.write(routing_service_pb2.RouteRequest(open=routing_service_pb2.RouteOpen()))
        opened = (await call.read()).opened
        ready = routing_service_pb2.ConnectionReady(connection_id="simulation", opened_number=opened.opened_number)
        await call.write(routing_service_pb2.RouteRequest(ready=ready))
        load = Load(call)
        batches = requests(orders)
        reader = asyncio.create_task(load.read())
        start = time.perf_counter()
        for number, batch in enumerate(batches):
            await load.reached(REPORTS_PER_ORDER * (number * BATCH - MOST_IN_FLIGHT))
            await call.write(batch)
        await load.reached(REPORTS_PER_ORDER * orders)
        seconds = time.perf_counter() - start
        reader.cancel()
        call.cancel()
        await channels.close()
    return {"orders": orders, "trades": load.trades, "orders_per_second": round(orders / seconds)}


@asynccontextmanager
async def _world() -> AsyncIterator[str]:
    with work_folder() as directory:
        async with AsyncExitStack() as stack:
            market = FakeMarketData()
            add = market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server
            market_port = await stack.enter_async_context(serving(add, market))
            add_accounts = portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server
            portfolio_port = await stack.enter_async_context(serving(add_accounts, FakePortfolio("a", "b")))
            engine = await Engine(directory).start()
            stack.push_async_callback(engine.stop)
            await _define(engine, market)
            postgres = OwnPostgres(directory / "postgres")
            await postgres.start()
            stack.push_async_callback(postgres.stop)
            yield await stack.enter_async_context(
                _broker(
                    directory,
                    ORDERMESH_POSTGRES_URL=postgres.url,
                    ORDERMESH_ENGINE_ADDRESS=engine.address,
                    ORDERMESH_MARKETDATA_ADDRESS=f"127.0.0.1:{market_port}",
                    ORDERMESH_PORTFOLIO_ADDRESS=f"127.0.0.1:{portfolio_port}",
                )
            )


async def _define(engine: Engine, market: FakeMarketData) -> None:
    async with engine.channel() as channel:
        stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
        for each in market.instruments.values():
            instrument = instrument_pb2.Instrument(instrument_id=each.engine_instrument_id, symbol=each.instrument)
            await stub.DefineInstrument(instrument_service_pb2.DefineInstrumentRequest(instrument=instrument))


@asynccontextmanager
async def _broker(directory: Path, **environment: str) -> AsyncIterator[str]:
    port_file = directory / "broker-port"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "services.broker",
        env={
            **os.environ,
            **environment,
            "ORDERMESH_BROKER_PORT_FILE": str(port_file),
            "ORDERMESH_BROKER_CREDENTIALS_KEY_FILE": str(directory / "key"),
            "ORDERMESH_LOG_LEVEL": "warning",
        },
    )
    try:
        await eventually(lambda: process.returncode is not None or port_file.exists(), seconds=30)
        yield f"127.0.0.1:{port_file.read_text().strip()}"
    finally:
        process.terminate()
        await process.wait()


def main() -> None:
    """Measures and prints."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    print(json.dumps(uvloop.run(measure(orders // BATCH * BATCH))))


if __name__ == "__main__":
    main()
