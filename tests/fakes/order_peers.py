"""The peers of OrderService in memory, behind real gRPC: risk, broker with a venue, market data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import grpc

from ordermesh.broker.v1 import routing_service_pb2_grpc
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.risk.v1 import reservation_service_pb2_grpc
from services.mesh.options import SERVER_OPTIONS
from tests.fakes.order_broker import FakeBroker
from tests.fakes.order_market_data import FakeMarketData
from tests.fakes.order_risk import FakeRisk


@dataclass
class Peers:
    """All of them in one server."""

    risk: FakeRisk = field(default_factory=FakeRisk)
    broker: FakeBroker = field(default_factory=FakeBroker)
    market_data: FakeMarketData = field(default_factory=FakeMarketData)
    address: str = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Peers]:
        server = grpc.aio.server(options=list(SERVER_OPTIONS))
        reservation_service_pb2_grpc.add_ReservationServiceServicer_to_server(self.risk, server)
        routing_service_pb2_grpc.add_RoutingServiceServicer_to_server(self.broker, server)
        market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server(self.market_data, server)
        self.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        await server.start()
        try:
            yield self
        finally:
            await server.stop(None)
