"""Settings of PortfolioService."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from services.mesh.config import Address, Addresses, BusSettings, StoreSettings


class PortfolioSettings(StoreSettings, BusSettings):
    """What PortfolioService is told."""

    service: ClassVar[str] = "portfolio"

    order_address: Address = "127.0.0.1:7001"
    """Where OrderService is, whose log is booked."""
    order_shard_addresses: Addresses = ()
    """Where its shards are, in their order, with commas between, if there are several: the log of each is booked."""
    marketdata_address: Address = "127.0.0.1:7005"
    """Where MarketDataService is: instruments and prices."""
    booking_interval_seconds: float = Field(default=0.05, ge=0, le=10)
    """Least time between two bookings; fills that come meanwhile are booked together."""
    publish_seconds: float = Field(default=1.0, gt=0, le=3600)
    """Least time between two values of one account on the topic `portfolio.updated`."""
    seed_demo_account: bool = True
    """Whether account `demo` is opened, with virtual cash, when there is none."""

    @property
    def order_logs(self) -> tuple[str, ...]:
        """Where the order logs are, by shard."""
        return self.order_shard_addresses or (self.order_address,)
