"""Settings of BrokerService."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr

from services.mesh.config import Address, StoreSettings


class BrokerSettings(StoreSettings):
    """What BrokerService can be told."""

    service: ClassVar[str] = "broker"

    engine_address: Address = "127.0.0.1:7010"
    """Where the matching engine listens."""
    marketdata_address: Address = "127.0.0.1:7005"
    """Where MarketDataService listens."""
    portfolio_address: Address = "127.0.0.1:7004"
    """Where PortfolioService listens."""
    credentials_key: SecretStr = SecretStr("")
    """Key that seals credentials: 32 bytes in base64. Empty: the file's."""
    credentials_key_file: Path = Path("var/broker/credentials.key")
    """File that holds the key; made, readable by its owner only, when it is not there."""
    taker_fee_rate: Decimal = Field(default=Decimal(0), ge=0, lt=1, max_digits=12)
    """Fee of the simulation for taking liquidity, as a part of the value traded (0.0005 is five basis points)."""
    report_interval_seconds: float = Field(default=0.01, ge=0, le=1)
    """Least time between two messages of reports to OrderService; what comes meanwhile goes into one."""
    books_interval_seconds: float = Field(default=2.0, gt=0, le=3600)
    """How often the venue's books are saved."""
