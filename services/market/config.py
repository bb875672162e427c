"""Settings of the simulated market."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.mesh.config import Address, ServiceSettings


class MarketSettings(ServiceSettings):
    """What the simulated market can be told."""

    service: ClassVar[str] = "market"

    engine_address: Address
    """The matching engine."""
    marketdata_address: Address
    """MarketDataService."""
    seed: int = Field(default=42, ge=0)
    """The same seed gives the same market, as long as nobody else trades."""
    step_seconds: float = Field(default=0.1, ge=0.001, le=10)
    """Time between two steps of the agents."""
