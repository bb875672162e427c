"""Settings of OrderService."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import Field, model_validator

from services.mesh.config import Address, Addresses, BusSettings, StoreSettings


class OrderSettings(StoreSettings, BusSettings):
    """What OrderService can be told; `ORDERMESH_ORDER_<NAME>` in the environment."""

    service: ClassVar[str] = "order"

    shard: int = Field(default=0, ge=0, le=32_767)
    """Which shard of the accounts this process owns."""
    shard_addresses: Addresses = ()
    """Where all shards are, this one included, in their order, with commas between; none: this one is alone."""
    risk_address: Address = "127.0.0.1:7002"
    broker_address: Address = "127.0.0.1:7003"
    portfolio_address: Address = "127.0.0.1:7004"
    """Asked for the environment of accounts, where access is enforced."""
    marketdata_address: Address = "127.0.0.1:7005"
    risk_timeout_seconds: float = Field(default=1.0, gt=0, le=60)
    """How long a risk check may take before the order is refused."""
    commit_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """How long a transaction may take before the connection counts as lost."""
    start_timeout_seconds: float = Field(default=30.0, gt=0, le=3600)
    """How long to wait, at the start, for Postgres and for another writer of the shard to be gone."""
    instrument_refresh_seconds: float = Field(default=2.0, gt=0, le=3600)
    """How often instruments are read again, for their halts."""
    most_waiting_orders: int = Field(default=5_000, ge=1)
    """Orders taken in and not committed yet; more are answered with OVERLOADED."""
    most_orders_per_check: int = Field(default=512, ge=1, le=10_000)
    """Orders in one message to RiskService."""
    check_interval_seconds: float = Field(default=0.005, ge=0, le=1)
    """Least time between two messages of orders to RiskService while orders are on their way: what is placed meanwhile
    is checked and committed together. 0: each goes as soon as the one before is answered."""
    most_events_per_commit: int = Field(default=2_000, ge=1)
    """Events in one transaction, about."""
    most_remembered_orders: int = Field(default=20_000, ge=0)
    """Ended orders kept in memory, to answer repeated requests without the store."""
    most_waiting_per_stream: int = Field(default=10_000, ge=1)
    """Reports that may wait for a reader before its stream is ended."""
    most_commands_per_stream: int = Field(default=2_000, ge=1)
    """Commands of one Trade stream that may wait for their results to be sent; more are not read until some are."""

    kept_reconciliations: int = Field(default=100_000, ge=1)
    """Records of reconciliation of the shard that are kept; the oldest beyond them are deleted."""
    digest_interval_seconds: float = Field(default=5, gt=0, le=3600)
    """How often a digest of what was appended to the log is recorded in the audit."""

    @property
    def shard_count(self) -> int:
        """How many shards there are."""
        return len(self.shard_addresses) or 1

    @model_validator(mode="after")
    def _shard_exists(self) -> Self:
        if self.shard >= self.shard_count:
            raise ValueError(f"shard {self.shard} is none of the {self.shard_count} of shard_addresses, from 0")
        return self
