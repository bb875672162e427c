"""BrokerService with its servicers behind a real gRPC server, a fake engine and fake market data behind others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

from ordermesh.broker.v1 import (
    broker_service_pb2_grpc,
    routing_service_pb2,
    routing_service_pb2_grpc,
)
from ordermesh.engine.v1 import order_entry_service_pb2_grpc
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.type.v1 import trading_pb2
from services.broker.domain.capabilities import Environment
from services.broker.peers.engine_codec import EngineCodec
from services.broker.peers.instruments import Instruments
from services.broker.peers.simulation import SimulationAdapter
from services.broker.pipeline.books import Books
from services.broker.pipeline.connections import Connections
from services.broker.pipeline.directory import ConnectionDirectory
from services.broker.pipeline.environments import AccountEnvironments
from services.broker.pipeline.routing import Routes
from services.broker.pipeline.venues import Venues
from services.broker.servicer.connections import BrokerServicer
from services.broker.servicer.routing import RoutingServicer
from services.kernel.clock import SystemClock
from services.kernel.errors import unavailable
from services.kernel.identifiers import UuidV7
from services.mesh.client import Channel, Channels
from services.mesh.draining import Draining
from services.mesh.server import Server
from services.mesh.telemetry import Telemetry
from tests.fakes.audit import FakeNotes
from tests.fakes.broker_store import FakeBrokerStore
from tests.fakes.engine import FakeEngine, serving
from tests.fakes.market_data import FakeMarketData
from tests.fixtures.waiting import eventually


def order_id(number: int) -> str:
    """Returns an order's id."""
    return str(UUID(int=(7 << 76) | (2 << 62) | number))


def order_bytes(number: int) -> bytes:
    """Returns the same as the engine has it."""
    return UUID(order_id(number)).bytes


def new_order(number: int, connection_id: str = "simulation", **values: Any) -> routing_service_pb2.VenueCommand:
    """Returns a command; its number is its sequence and stands in its id."""
    terms: dict[str, Any] = {
        "order_id": order_id(number),
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": trading_pb2.SIDE_BUY,
        "type": trading_pb2.ORDER_TYPE_LIMIT,
        "time_in_force": trading_pb2.TIME_IN_FORCE_GTC,
        "quantity": "10",
        "limit_price": "187.25",
    }
    new = routing_service_pb2.NewVenueOrder(**(terms | values))
    return routing_service_pb2.VenueCommand(command_sequence=number, connection_id=connection_id, new_order=new)


def cancel(number: int, of: int, connection_id: str = "simulation") -> routing_service_pb2.VenueCommand:
    """Returns a cancel."""
    order = routing_service_pb2.CancelVenueOrder(order_id=order_id(of))
    return routing_service_pb2.VenueCommand(command_sequence=number, connection_id=connection_id, cancel=order)


def replace(number: int, of: int, connection_id: str = "simulation", **values: Any) -> routing_service_pb2.VenueCommand:
    """Returns a replace."""
    terms = {"instrument": "AAPL.XNAS", "quantity": "8", "limit_price": "187.25"} | values
    order = routing_service_pb2.ReplaceVenueOrder(order_id=order_id(of), **terms)
    return routing_service_pb2.VenueCommand(command_sequence=number, connection_id=connection_id, replace=order)


class RouteClient:
    """OrderService's end of a route stream.

    Attributes:
        opened: Openings, in their order.
        down: Breaks, in their order.
        reports: Reports, in their order.
    """

    def __init__(self, channel: Channel, shard: int = 0, cursors: dict[str, tuple[str, int]] | None = None) -> None:
        self._call: Any = routing_service_pb2_grpc.RoutingServiceStub(channel).Route()
        self._shard, self._cursors = shard, cursors or {}
        self._writing = asyncio.Lock()
        self.opened: list[routing_service_pb2.ConnectionOpened] = []
        self.down: list[routing_service_pb2.ConnectionDown] = []
        self.reports: list[routing_service_pb2.VenueReport] = []
        self.messages = 0
        self.answering = True
        self.ended: BaseException | None = None

    async def __aenter__(self) -> Self:
        cursors = [
            routing_service_pb2.ConnectionCursor(connection_id=name, epoch=epoch, sequence=sequence)
            for name, (epoch, sequence) in self._cursors.items()
        ]
        opening = routing_service_pb2.RouteOpen(shard=self._shard, cursors=cursors)
        await self._call.write(routing_service_pb2.RouteRequest(open=opening))
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def send(self, *commands: routing_service_pb2.VenueCommand) -> None:
        """Sends commands as one batch."""
        batch = routing_service_pb2.CommandBatch(commands=commands)
        await self._write(commands=batch)

    async def ready(self, connection_id: str, number: int) -> None:
        """Answers an opening."""
        ready = routing_service_pb2.ConnectionReady(connection_id=connection_id, opened_number=number)
        await self._write(ready=ready)

    async def up(self, times: int = 1, connection_id: str = "simulation") -> routing_service_pb2.ConnectionOpened:
        """Waits until a connection was opened so many times, and returns the last opening."""
        await eventually(lambda: len([each for each in self.opened if each.connection_id == connection_id]) >= times)
        return [each for each in self.opened if each.connection_id == connection_id][times - 1]

    async def reported(self, count: int) -> list[routing_service_pb2.VenueReport]:
        """Waits for so many reports, and returns all."""
        await eventually(lambda: len(self.reports) >= count)
        return self.reports

    async def _write(self, **item: Any) -> None:
        # gRPC takes one message of a stream at a time.
        async with self._writing:
            await self._call.write(routing_service_pb2.RouteRequest(**item))

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not None:
                self.messages += 1
                await self._take(message)
        except Exception as error:  # noqa: BLE001 - a test looks at it
            self.ended = error

    async def _take(self, message: routing_service_pb2.RouteResponse) -> None:
        match message.WhichOneof("item"):
            case "opened":
                if self.answering:
                    await self.ready(message.opened.connection_id, message.opened.opened_number)
                self.opened.append(message.opened)
            case "down":
                self.down.append(message.down)
            case "reports":
                self.reports.extend(message.reports.reports)


class FakeBrokerAccounts:
    """Every account is of the simulation, unless a test says otherwise.

    Attributes:
        others: Environments of some accounts; None: there is no such account.
        away: Whether PortfolioService is, and nothing is on record.
        unread: Whether the record cannot be read.
        asked: Accounts that were asked for.
    """

    def __init__(self) -> None:
        self.others: dict[str, Environment | None] = {}
        self.away = self.unread = False
        self.asked: list[str] = []

    async def on_record(self, account_id: str) -> Environment | None:
        """Returns the environment of an account."""
        self.asked.append(account_id)
        if self.unread:
            raise unavailable("STORE_UNAVAILABLE", "the store is away")
        if self.away:
            raise unavailable("SERVICE_UNAVAILABLE", "portfolio is away")
        return self.others.get(account_id, Environment.SIMULATION)


class BrokerWorld:
    """A running BrokerService."""

    def __init__(self, stack: AsyncExitStack, store: FakeBrokerStore, fee: Decimal) -> None:
        self._stack, self.store, self._fee = stack, store, fee
        self.engine = FakeEngine()
        self.market = FakeMarketData()
        self.accounts = FakeBrokerAccounts()
        self.channels = Channels()
        self.draining = Draining()
        self.books = Books(store)
        self.notes = FakeNotes()
        self._engine_stack = AsyncExitStack()
        self.engine_port = 0

    async def start(self) -> None:
        """Starts everything."""
        self._stack.push_async_callback(self.channels.close)
        add_market = market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server
        market_port = await self._stack.enter_async_context(serving(add_market, self.market))
        await self.start_engine()
        self._stack.push_async_callback(self.stop_engine)
        await self.books.load()
        terms = Instruments(self.channels.to(f"127.0.0.1:{market_port}"))
        codec = EngineCodec(terms.by_name, terms.by_number, self._fee)
        self.adapter = SimulationAdapter(self.channels.to(f"127.0.0.1:{self.engine_port}"), terms, codec, self.books)
        clock = SystemClock()
        self.directory = ConnectionDirectory({"simulation": self.adapter}, AccountEnvironments(self.accounts))
        venues = Venues(self.directory, self.notes)
        self.connections = Connections(self.store, self.directory, venues, clock, UuidV7(clock))
        await self.connections.load()
        self.routes = Routes(self.directory, clock)
        self.directory.listen(self.routes.adjust)
        await self._serve(clock, venues)

    async def _serve(self, clock: SystemClock, venues: Venues) -> None:
        server = Server(Telemetry("broker"), draining=self.draining)
        server.add(
            routing_service_pb2_grpc.add_RoutingServiceServicer_to_server,
            RoutingServicer(self.routes, self.directory, venues, self.draining),
        )
        server.add(
            broker_service_pb2_grpc.add_BrokerServiceServicer_to_server,
            BrokerServicer(self.connections, self.directory, venues, self.routes, clock),
        )
        port = await server.start("127.0.0.1:0")
        self._stack.push_async_callback(server.stop, 0)
        self.channel = self.channels.to(f"127.0.0.1:{port}")
        self.broker: Any = broker_service_pb2_grpc.BrokerServiceStub(self.channel)
        self.routing: Any = routing_service_pb2_grpc.RoutingServiceStub(self.channel)

    async def start_engine(self) -> None:
        """Lets the engine listen, at the same port as before."""
        add = order_entry_service_pb2_grpc.add_OrderEntryServiceServicer_to_server
        self.engine_port = await self._engine_stack.enter_async_context(serving(add, self.engine, self.engine_port))

    async def stop_engine(self) -> None:
        """Kills the engine."""
        await self._engine_stack.aclose()

    def route(self, shard: int = 0, cursors: dict[str, tuple[str, int]] | None = None) -> RouteClient:
        """Returns a new route stream."""
        return RouteClient(self.channel, shard, cursors)


@asynccontextmanager
async def broker_world(store: FakeBrokerStore | None = None, fee: str = "0") -> AsyncIterator[BrokerWorld]:
    """Runs a BrokerService with everything around it."""
    async with AsyncExitStack() as stack:
        world = BrokerWorld(stack, store or FakeBrokerStore(), Decimal(fee))
        await world.start()
        yield world
