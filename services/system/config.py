"""Settings of SystemService: where every part of the mesh is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from pydantic import Field, SecretStr

from services.mesh.config import Address, Addresses, ServiceSettings

_SERVICES = ("order", "risk", "broker", "portfolio", "marketdata", "identity", "market")


class SystemSettings(ServiceSettings):
    """What SystemService can be told."""

    service: ClassVar[str] = "system"

    postgres_url: SecretStr
    """The store of all services."""
    redis_url: SecretStr
    """The bus."""
    engine_address: Address
    """The matching engine."""
    order_address: Address
    """OrderService."""
    order_shard_addresses: Addresses = ()
    """Its shards, in their order, if there are several."""
    risk_address: Address
    """RiskService."""
    broker_address: Address
    """BrokerService."""
    portfolio_address: Address
    """PortfolioService."""
    marketdata_address: Address
    """MarketDataService."""
    identity_address: Address
    """IdentityService."""
    market_address: Address | None = None
    """The simulated market; it is not looked for without an address."""

    order_metrics_address: Address | None = None
    """Metrics of OrderService over HTTP; not collected without an address, as with all that follow."""
    order_shard_metrics_addresses: Addresses = ()
    """Metrics of its shards, in their order, if there are several."""
    risk_metrics_address: Address | None = None
    """Metrics of RiskService."""
    broker_metrics_address: Address | None = None
    """Metrics of BrokerService."""
    portfolio_metrics_address: Address | None = None
    """Metrics of PortfolioService."""
    marketdata_metrics_address: Address | None = None
    """Metrics of MarketDataService."""
    identity_metrics_address: Address | None = None
    """Metrics of IdentityService."""
    market_metrics_address: Address | None = None
    """Metrics of the simulated market."""
    gateway_admin_address: Address | None = None
    """Envoy's admin, which has its metrics."""

    probe_seconds: float = Field(default=2.0, gt=0, le=30)
    """How long a component may take to answer before it counts as unreachable."""

    def grpc_components(self) -> Iterator[tuple[str, str]]:
        """Returns name and address of everything that speaks `grpc.health.v1`."""
        yield "engine", self.engine_address
        for name in _SERVICES:
            address: str | None = getattr(self, f"{name}_address")
            if address is not None:
                yield name, address
        yield from _further_shards(self.order_shard_addresses)

    def metrics_endpoints(self) -> Iterator[tuple[str, str, str]]:
        """Returns name, address and path of everything whose metrics are collected."""
        for name in _SERVICES:
            address: str | None = getattr(self, f"{name}_metrics_address")
            if address is not None:
                yield name, address, "/metrics"
        for name, address in _further_shards(self.order_shard_metrics_addresses):
            yield name, address, "/metrics"
        if self.gateway_admin_address is not None:
            yield "gateway", self.gateway_admin_address, "/stats/prometheus?usedonly"


def _further_shards(addresses: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Returns name and address of the shards of OrderService but the first, which is the component `order`."""
    for shard, address in enumerate(addresses[1:], 1):
        yield f"order-{shard}", address
