"""BrokerService between the real engine and a real Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest_asyncio
from pydantic import SecretStr

from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc
from ordermesh.marketdata.v1 import market_data_service_pb2_grpc
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc
from services.broker.config import BrokerSettings
from tests.fakes.accounts import FakePortfolio
from tests.fakes.engine import serving
from tests.fakes.market_data import FakeMarketData
from tests.fixtures.broker import World
from tests.fixtures.engine import Engine


@pytest_asyncio.fixture
async def world(tmp_path: Path, postgres_url: str) -> AsyncIterator[World]:
    market = FakeMarketData()
    async with AsyncExitStack() as stack:
        add = market_data_service_pb2_grpc.add_MarketDataServiceServicer_to_server
        port = await stack.enter_async_context(serving(add, market))
        add_accounts = portfolio_service_pb2_grpc.add_PortfolioServiceServicer_to_server
        portfolio_port = await stack.enter_async_context(serving(add_accounts, FakePortfolio(every=True)))
        engine = await Engine(tmp_path, "--listen=127.0.0.1:0").start()
        stack.push_async_callback(engine.stop)
        async with engine.channel() as channel:
            stub: Any = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
            for each in market.instruments.values():
                number, symbol = each.engine_instrument_id, each.instrument
                instrument = instrument_pb2.Instrument(instrument_id=number, symbol=symbol)
                await stub.DefineInstrument(instrument_service_pb2.DefineInstrumentRequest(instrument=instrument))
        settings = BrokerSettings(
            postgres_url=SecretStr(postgres_url),
            engine_address=engine.address,
            marketdata_address=f"127.0.0.1:{port}",
            portfolio_address=f"127.0.0.1:{portfolio_port}",
            credentials_key_file=tmp_path / "keys" / "credentials.key",
            taker_fee_rate=Decimal("0.001"),
            port_file=tmp_path / "broker-port",
            drain_seconds=0,
        )
        yield World(engine, settings, postgres_url)
