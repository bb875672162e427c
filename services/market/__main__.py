"""Runs the agents of the simulated market."""

from __future__ import annotations

import time

from ordermesh.marketdata.v1 import market_data_service_pb2
from services.market.agents.loop import AgentLoop, open_markets
from services.market.config import MarketSettings
from services.market.peers.engine_session import EngineSession
from services.market.peers.market_data import MarketDataPeer
from services.mesh.service import Service, run

PARTICIPANT = "market/agents"
_MARKET_DATA = market_data_service_pb2.DESCRIPTOR.services_by_name["MarketDataService"].full_name


async def main(service: Service[MarketSettings]) -> None:
    """Opens a market for every instrument that agents know, and lets them trade."""
    settings = service.settings
    market_data = service.channels.to(settings.marketdata_address, _MARKET_DATA)
    engine = service.channels.to(settings.engine_address)
    await market_data.ready()
    await engine.ready()
    instruments = await MarketDataPeer(market_data).instruments()
    session = EngineSession(engine, PARTICIPANT)
    await session.open()
    service.on_close(session.close)
    # The clock tells two runs apart; nothing that the agents decide depends on it.
    loop = AgentLoop(
        session, open_markets(instruments, settings.seed, run=service.clock.now_ns() >> 20), settings.step_seconds
    )
    await loop.start()
    service.log.info("market_open", instruments=len(instruments), seed=settings.seed)
    service.spawn("agents", loop.run(time.monotonic))


if __name__ == "__main__":
    run(MarketSettings, main)
