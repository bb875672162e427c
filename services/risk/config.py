"""Settings of RiskService."""

from __future__ import annotations

from decimal import Decimal
from typing import ClassVar

from pydantic import Field

from services.mesh.config import Address, BusSettings, StoreSettings
from services.risk.domain.limits import FIRM, Parameters


class RiskSettings(StoreSettings, BusSettings):
    """What RiskService can be told. The first limits become the firm's at the first start; 0 is no limit."""

    service: ClassVar[str] = "risk"

    marketdata_address: Address = "127.0.0.1:7005"
    """Where MarketDataService listens."""
    portfolio_address: Address = "127.0.0.1:7004"
    """Where PortfolioService listens."""
    shard: int = Field(default=0, ge=0)
    """Shard whose alerts are published on the bus."""
    lookup_timeout_seconds: float = Field(default=0.5, gt=0, le=10)
    """How long an order waits for the answer whether its account and instrument exist."""
    price_age_seconds: float = Field(default=10.0, ge=0, le=3600)
    """How long prices count as fresh after the stream of quotes broke."""
    save_interval_seconds: float = Field(default=0.2, gt=0, le=60)
    """How often positions, counters and the cursor on the order log are saved."""
    watch_interval_seconds: float = Field(default=1.0, gt=0, le=60)
    """How often accounts are looked at between their orders."""

    first_max_order_size: Decimal = Field(default=Decimal(1_000_000), ge=0)
    first_max_position_size: Decimal = Field(default=Decimal(10_000_000), ge=0)
    first_max_order_value: Decimal = Field(default=Decimal(20_000_000), ge=0)
    first_max_position_value: Decimal = Field(default=Decimal(100_000_000), ge=0)
    first_price_band_percent: Decimal = Field(default=Decimal(20), ge=0)
    first_max_daily_loss: Decimal = Field(default=Decimal(500_000), ge=0)
    first_max_daily_trades: int = Field(default=0, ge=0)
    first_max_daily_volume: Decimal = Field(default=Decimal(0), ge=0)
    first_circuit_breaker_enabled: bool = True
    first_circuit_breaker_refusals: int = Field(default=0, ge=0)

    def first_parameters(self) -> Parameters:
        """Returns the firm's parameters at the first start."""
        return Parameters(
            FIRM,
            max_order_size=self.first_max_order_size,
            max_position_size=self.first_max_position_size,
            max_order_value=self.first_max_order_value,
            max_position_value=self.first_max_position_value,
            price_band_percent=self.first_price_band_percent,
            max_daily_loss=self.first_max_daily_loss,
            max_daily_trades=self.first_max_daily_trades,
            max_daily_volume=self.first_max_daily_volume,
            circuit_breaker_enabled=self.first_circuit_breaker_enabled,
            circuit_breaker_refusals=self.first_circuit_breaker_refusals,
        )
