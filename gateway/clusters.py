"""Envoy's clusters: one for each component, health-checked by the gRPC health protocol."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gateway.settings import Address, Settings, SettingsError
from gateway.upstream_tls import transport_socket

# Streams of a connection to a service: none waits for another.
_MOST_STREAMS = 100_000
# Connections to a service, each with as many streams as it takes; and requests that wait for one to be made.
_MOST_CONNECTIONS, _MOST_PENDING = 64, 2_000
# A connection is one only after its handshake, and a busy service takes its time for that; one that is refused is known
# at once. As long as services wait for each other.
_CONNECT_TIMEOUT = "5s"
# Requests that may be sent again at a time: no storm of them follows a shard's end.
_MOST_RETRIES = 100
# A shard that takes no connections, or answers nothing but UNAVAILABLE, is spared for some seconds, though its health
# may say that it is well; never more than half of them. Other errors are the callers' own. A service of one address
# has nowhere else to go: its health check decides.
_OUTLIERS = {
    "split_external_local_origin_errors": True,
    "consecutive_local_origin_failure": 5,
    "enforcing_local_origin_success_rate": 0,
    "consecutive_gateway_failure": 20,
    "enforcing_consecutive_gateway_failure": 100,
    "enforcing_consecutive_5xx": 0,
    "enforcing_success_rate": 0,
    "interval": "1s",
    "base_ejection_time": "5s",
    "max_ejection_time": "30s",
    "max_ejection_percent": 50,
}
ORDER = "order"
# Metadata by which a call finds the shard that it names, and the namespace in which Envoy looks for it.
SHARD = "shard"
SUBSETS = "envoy.lb"
# A service that comes back is used again within this time, and one that takes no connection is spared after two of it.
_HEALTH_INTERVAL = "0.5s"
_MOST_UNHEALTHY = 2


def clusters(settings: Settings, secrets: Path | None = None) -> list[dict[str, Any]]:
    """A cluster for each area, named as the area, and one for the trace collector when there is one.

    Args:
        settings: Where the services are.
        secrets: File that tells Envoy its certificate for services, where there is one.

    Raises:
        SettingsError: There is a certificate, and no file for it: connections would not be encrypted.
    """
    result = [
        _service_cluster(settings, area, address)
        for area, address in settings.upstreams.items()
        if area != sharded(settings)
    ]
    if sharded(settings):
        result.append(_shards_cluster(settings))
    if (certificate := settings.upstream_certificate) is not None:
        if secrets is None:
            raise SettingsError("a configuration with a certificate is two files: say where with --output")
        result = [{**cluster, **transport_socket(certificate, secrets, cluster["name"])} for cluster in result]
    if settings.otlp is not None:
        result.append(_cluster("otlp", settings.otlp))
    elif settings.access_log:
        # Calls have a trace to be logged with; spans of it go nowhere.
        result.append({"name": "otlp", "type": "STATIC"})
    return result


def sharded(settings: Settings) -> str:
    """The area that is split into shards; empty when none is."""
    return ORDER if len(settings.order_shards) > 1 else ""


def socket_address(address: Address) -> dict[str, Any]:
    """An address as Envoy writes it."""
    return {"socket_address": {"address": address.host, "port_value": address.port}}


def owners_socket(path: Path) -> dict[str, Any]:
    """A socket of this machine that its owner alone may use, as Envoy writes it."""
    return {"pipe": {"path": str(path), "mode": 0o600}}


def _shards_cluster(settings: Settings) -> dict[str, Any]:
    """Any shard takes any call; one whose account is named goes to its own at once."""
    addresses = settings.order_shards
    endpoints = [
        {**_endpoint(address), "metadata": {"filter_metadata": {SUBSETS: {SHARD: str(shard)}}}}
        for shard, address in enumerate(addresses)
    ]
    return {
        **_service_cluster(settings, ORDER, addresses[0]),
        "outlier_detection": _OUTLIERS,
        "load_assignment": _assignment(ORDER, endpoints),
        "lb_subset_config": {"fallback_policy": "ANY_ENDPOINT", "subset_selectors": [{"keys": [SHARD]}]},
    }


def _service_cluster(settings: Settings, area: str, address: Address) -> dict[str, Any]:
    most = {
        "max_connections": _MOST_CONNECTIONS,
        # What a service takes itself. Envoy's own 1024 would end far before, and without any a service that hangs
        # would take the gateway's memory.
        "max_requests": settings.max_calls,
        "max_pending_requests": _MOST_PENDING,
        "max_retries": _MOST_RETRIES,
    }
    return {
        **_cluster(area, address),
        "circuit_breakers": {"thresholds": [most]},
        # With one address per service, Envoy's panic mode would send calls to a service that says it is not ready.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
        "health_checks": [
            {
                # To be busy is not to be away: who does not answer this in time would not answer a call in its time.
                "timeout": f"{settings.unary_timeout_seconds}s",
                "interval": _HEALTH_INTERVAL,
                "no_traffic_interval": _HEALTH_INTERVAL,
                "no_traffic_healthy_interval": _HEALTH_INTERVAL,
                "unhealthy_interval": _HEALTH_INTERVAL,
                "unhealthy_threshold": _MOST_UNHEALTHY,
                "healthy_threshold": 1,
                "grpc_health_check": {},
            }
        ],
    }


def _cluster(name: str, address: Address) -> dict[str, Any]:
    # The answer stands behind all calls that are on their way: as long as services wait for ours.
    keepalive = {"interval": "30s", "timeout": "20s"}
    http2 = {
        "max_concurrent_streams": _MOST_STREAMS,
        "connection_keepalive": keepalive,
        # All callers share a connection to a service. No header of one is told by its place among those of others:
        # a service that loses count of them would take one caller's for another's.
        "hpack_table_size": 0,
    }
    options = {
        "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http2_protocol_options": http2},
    }
    return {
        "name": name,
        # Names, not only numbers: containers find each other by name, and a restarted one has a new number.
        "type": "STRICT_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": _CONNECT_TIMEOUT,
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "load_assignment": _assignment(name, [_endpoint(address)]),
    }


def _endpoint(address: Address) -> dict[str, Any]:
    return {"endpoint": {"address": socket_address(address)}}


def _assignment(name: str, endpoints: Sequence[dict[str, Any]]) -> dict[str, Any]:
    return {"cluster_name": name, "endpoints": [{"lb_endpoints": list(endpoints)}]}
