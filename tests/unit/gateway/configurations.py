"""Small tables and settings for tests of what is rendered, and ways to look into it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from gateway.render import render
from gateway.settings import Address, Settings
from gateway.tables import PublicService, RestRoute, Tables

TABLES = Tables(
    services=(
        PublicService("ordermesh.order.v1.OrderService", "order", ("StreamOrders",)),
        PublicService("ordermesh.system.v1.SystemService", "system", ()),
    ),
    routes=(
        RestRoute("GET", "/health", "/x", "system", "HealthRequest", "", (), stream=False),
        RestRoute("POST", "/api/v1/orders", "/x", "order", "PlaceOrderRequest", "*", (), stream=False),
        RestRoute("GET", "/api/v1/stream/orders", "/x", "order", "StreamRequest", "", (), stream=True),
        RestRoute(
            "GET", "/api/v1/orders/{order_id}", "/x", "order", "GetOrderRequest", "", ("order_id",), stream=False
        ),
    ),
)
SETTINGS = Settings(
    listen=Address("0.0.0.0", 8080),
    admin=Address("127.0.0.1", 9901),
    upstreams={"order": Address("orders", 7001), "system": Address("127.0.0.1", 7002)},
)

SHARDED = replace(SETTINGS, order_shards=(Address("orders", 7001), Address("orders-b", 7009)))


def manager(settings: Settings = SETTINGS) -> dict[str, Any]:
    """The rendered connection manager."""
    listener = json.loads(render(settings, TABLES))["static_resources"]["listeners"][0]
    found: dict[str, Any] = listener["filter_chains"][0]["filters"][0]["typed_config"]
    return found


def routes(settings: Settings = SETTINGS) -> list[dict[str, Any]]:
    """The rendered routes, in order."""
    found: list[dict[str, Any]] = manager(settings)["route_config"]["virtual_hosts"][0]["routes"]
    return found
