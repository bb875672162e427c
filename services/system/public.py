"""The services that callers reach through the gateway: reflection tells of them there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from google.protobuf.descriptor import ServiceDescriptor

from ordermesh.broker.v1 import broker_service_pb2
from ordermesh.identity.v1 import audit_service_pb2, identity_service_pb2
from ordermesh.marketdata.v1 import market_data_service_pb2
from ordermesh.order.v1 import order_service_pb2
from ordermesh.portfolio.v1 import portfolio_service_pb2
from ordermesh.risk.v1 import risk_service_pb2
from ordermesh.system.v1 import system_service_pb2

_FILES: Final = (
    audit_service_pb2,
    broker_service_pb2,
    identity_service_pb2,
    market_data_service_pb2,
    order_service_pb2,
    portfolio_service_pb2,
    risk_service_pb2,
    system_service_pb2,
)


def public_services() -> Sequence[str]:
    """Returns their full names."""
    services: list[ServiceDescriptor] = []
    for file in _FILES:
        services += file.DESCRIPTOR.services_by_name.values()
    return [service.full_name for service in services]
