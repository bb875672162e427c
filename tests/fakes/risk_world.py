"""RiskService with its servicers behind a real gRPC server; accounts, instruments and the store are in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

from ordermesh.event.v1 import event_log_service_pb2_grpc
from ordermesh.risk.v1 import reservation_service_pb2_grpc, risk_service_pb2_grpc
from services.kernel.identifiers import UuidV7
from services.mesh.client import Channels
from services.mesh.draining import Draining
from services.mesh.server import Server
from services.mesh.streams import Hub
from services.mesh.telemetry import Telemetry
from services.risk.domain.alert import Alert
from services.risk.domain.limits import FIRM, Parameters
from services.risk.domain.market import Market
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.keeping import Keeper
from services.risk.pipeline.parameters import ParameterKeeper
from services.risk.pipeline.reserving import Reserving
from services.risk.pipeline.trading import Trading
from services.risk.pipeline.watching import Watcher
from services.risk.pipeline.withdrawing import Withdrawing
from services.risk.servicer.event_log import EventLogServicer
from services.risk.servicer.reservation import ReservationServicer
from services.risk.servicer.risk import Alerts, RiskServicer
from services.risk.store.alerts import AlertPublication
from tests.fakes.clock import FakeClock
from tests.fakes.reserve_client import ReserveClient
from tests.fakes.risk_store import EPOCH, FakeAccounts, FakeMarkets, FakeRiskStore
from tests.fixtures.waiting import eventually


class RiskWorld:
    """A running RiskService whose clock stands still and whose background turns are made by the test."""

    def __init__(self, store: FakeRiskStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.accounts = FakeAccounts("demo", "other")
        self.aapl = Market("AAPL.XNAS", "USD", Decimal(1))
        self.future = Market("ESZ6.XCME", "USD", Decimal(50))
        self.markets = FakeMarkets(self.aapl, self.future)
        self.aapl.quote("99", "101", "100")
        self.draining = Draining()
        self.channels = Channels()
        self.alert_log = AlertLog(store, UuidV7(clock))
        self.book = Book(clock)
        self.breakers = Breakers(self.book, clock, self.alert_log, store)
        self.withdrawing = Withdrawing(self.book)
        self.trading = Trading(self.book, store, clock, self.alert_log, self.withdrawing, self.accounts.find)
        self.keeper = Keeper(self.book, self.breakers, self.trading, store, 60)
        self.watcher = Watcher(self.book, self.breakers, self.alert_log, clock)
        self.parameters = ParameterKeeper(self.book, store, clock, self.accounts.find)

    async def start(self, stack: AsyncExitStack) -> None:
        """Starts the server."""
        stack.push_async_callback(self.channels.close)
        await self.alert_log.load()
        await self.parameters.load(Parameters(FIRM))
        await self.breakers.load()
        await self.trading.load()
        self.book.restore(await self.store.load(), self.markets.all)
        hub: Hub[Alert] = Hub(self.alert_log.last_sequence)
        self.alert_log.listen(hub.publish)
        alerts = asyncio.create_task(self.alert_log.run())
        stack.callback(alerts.cancel)
        server = Server(Telemetry("risk"), draining=self.draining)
        self.reserving = reserving = Reserving(
            self.book, self.accounts, self.markets, self.breakers, self.clock, self.withdrawing
        )
        server.add(
            reservation_service_pb2_grpc.add_ReservationServiceServicer_to_server,
            ReservationServicer(reserving, self.breakers.looking, self.draining),
        )
        servicer = RiskServicer(
            self.book,
            self.parameters,
            self.breakers,
            self.trading,
            Alerts(self.store, hub, EPOCH),
            clock=self.clock,
            draining=self.draining,
        )
        server.add(risk_service_pb2_grpc.add_RiskServiceServicer_to_server, servicer)
        server.add(
            event_log_service_pb2_grpc.add_EventLogServiceServicer_to_server,
            EventLogServicer(self.store, AlertPublication(self.store, EPOCH), EPOCH),  # type: ignore[arg-type]  # alerts in memory
        )
        port = await server.start("127.0.0.1:0")
        stack.push_async_callback(server.stop, 0)
        self.channel = self.channels.to(f"127.0.0.1:{port}")
        self.risk: Any = risk_service_pb2_grpc.RiskServiceStub(self.channel)
        self.events: Any = event_log_service_pb2_grpc.EventLogServiceStub(self.channel)

    def stream(self, shard: int = 0, epoch: str = EPOCH) -> ReserveClient:
        """Returns a new Reserve stream."""
        return ReserveClient(self.channel, shard, epoch)

    def limit(self, account_id: str = "demo", **values: Any) -> None:
        """Sets parameters of an account, past the service."""
        before = self.book.limits.parameters(account_id)
        decimals: dict[str, Any] = {
            name: Decimal(value) if isinstance(value, str) else value for name, value in values.items()
        }
        self.book.limits.set({account_id: replace(before, **decimals)})

    async def told(self, count: int) -> list[Alert]:
        """Waits for so many alerts, and returns all."""
        await eventually(lambda: len(self.store.alerts) >= count)
        return self.store.alerts


@asynccontextmanager
async def risk_world(store: FakeRiskStore | None = None, clock: FakeClock | None = None) -> AsyncIterator[RiskWorld]:
    """Runs a RiskService with everything around it."""
    async with AsyncExitStack() as stack:
        world = RiskWorld(store or FakeRiskStore(), clock or FakeClock())
        await world.start(stack)
        yield world
