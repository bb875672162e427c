"""Envoy's clusters: one for each component, health-checked by the gRPC health protocol."""

from __future__ import annotations

from typing import Any

from gateway.settings import Address, Settings

# A stream holds one request for as long as it is open, and Envoy's default of 1024 would refuse the rest.
_MOST_AT_ONCE = 100_000
# A service that comes back is used again within this time.
_HEALTH_INTERVAL = "0.5s"


def clusters(settings: Settings) -> list[dict[str, Any]]:
    """A cluster for each area, named as the area, and one for the trace collector when there is one."""
    result = [_service_cluster(area, address) for area, address in settings.upstreams.items()]
    if settings.otlp is not None:
        result.append(_cluster("otlp", settings.otlp))
    return result


def socket_address(address: Address) -> dict[str, Any]:
    """An address as Envoy writes it."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def _service_cluster(area: str, address: Address) -> dict[str, Any]:
    most = {"max_connections": _MOST_AT_ONCE, "max_requests": _MOST_AT_ONCE, "max_pending_requests": _MOST_AT_ONCE}
    return {
        **_cluster(area, address),
        "circuit_breakers": {"thresholds": [most]},
        # With one address per service, Envoy's panic mode would send calls to a service that says it is not ready.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                "timeout": "2s",
                "interval": _HEALTH_INTERVAL,
                "no_traffic_interval": _HEALTH_INTERVAL,
                "no_traffic_healthy_interval": _HEALTH_INTERVAL,
                "unhealthy_interval": _HEALTH_INTERVAL,
                "unhealthy_threshold": 2,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
    }


def _cluster(name: str, address: Address) -> dict[str, Any]:
    endpoint = {"endpoint": {"address": socket_address(address)}}
    keepalive = {"interval": "30s", "timeout": "10s"}
    http2 = {"max_concurrent_streams": _MOST_AT_ONCE, "connection_keepalive": keepalive}
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": http2},
    }
    return {
        "name": name,
        # Names, not only numbers: containers find each other by name, and a restarted one has a new number.
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "1s",
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [endpoint]}]},
    }
