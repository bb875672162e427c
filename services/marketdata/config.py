"""Settings of MarketDataService."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.mesh.config import Address, BusSettings, StoreSettings


class MarketDataSettings(StoreSettings, BusSettings):
    """What the service can be told."""

    service: ClassVar[str] = "marketdata"

    engine_address: Address
    """Where the matching engine listens."""
    feed_heartbeat_milliseconds: int = Field(default=200, ge=10, le=60_000)
    """How often the engine shall speak when nothing happens."""
    feed_silence_seconds: float = Field(default=3.0, gt=0)
    """How long the engine's feed may be silent before it counts as lost."""
    auction_interval_seconds: float = Field(default=0.25, gt=0)
    """How often is asked, in a call phase, what the auction would come to."""
    flush_seconds: float = Field(default=0.2, ge=0)
    """Least time between two writes of history."""
    most_waiting_trades: int = Field(default=200_000, ge=1_000)
    """Trades of one instrument that may wait for the store before they are let go, to be recovered from the feed."""
    most_waiting_trades_per_reader: int = Field(default=10_000, ge=100)
    """Trades that may wait for one reader of a trade stream before it is ended as too slow."""
    publish_interval_seconds: float = Field(default=0.1, gt=0)
    """Least time between two quotes of one instrument on the bus."""
    keep_trade_days: int = Field(default=30, ge=1)
    """How long public trades are kept."""
    keep_second_candle_days: int = Field(default=7, ge=1)
    """How long candles of a second are kept."""
    keep_minute_candle_days: int = Field(default=400, ge=1)
    """How long candles of 1, 5 and 15 minutes are kept. Those of hours and days are kept for ever."""
