"""Where Envoy listens, with TLS and without, and what it keeps of itself under load."""

from __future__ import annotations

import socket
from typing import Any

from gateway.clusters import socket_address
from gateway.settings import Address, Settings, Tls

_MONITORS = "envoy.resource_monitors"
_MONITOR_TYPES = "type.googleapis.com/envoy.extensions.resource_monitors"
# Of the largest heap: first connections are not kept for further requests, in the end requests are refused.
_NOT_KEPT, _REFUSED = 0.90, 0.95
# Times the patience for a request.
_UNREAD = 3


def listeners(settings: Settings, manager: dict[str, Any]) -> list[dict[str, Any]]:
    """The plain listener, and the one with TLS where there is a certificate; both serve all."""
    plain = _listener(settings, "gateway", settings.listen, manager) | _first_words(settings)
    if settings.tls is None:
        return [plain]
    tls = _listener(settings, "gateway_tls", settings.tls.listen, manager)
    [chain] = tls["filter_chains"]
    chain["transport_socket"] = _tls(settings.tls)
    # A caller that opens a connection and says nothing.
    chain["transport_socket_connect_timeout"] = f"{settings.receive_timeout_seconds}s"
    return [plain, tls]


def overload_manager(settings: Settings) -> dict[str, Any]:
    """Envoy's overload manager: how many connections and how much memory."""
    connections = {
        "name": f"{_MONITORS}.global_downstream_max_connections",
        "typed_config": {
            "@type": f"{_MONITOR_TYPES}.downstream_connections.v3.DownstreamConnectionsConfig",
            "max_active_downstream_connections": settings.max_connections,
        },
    }
    heap = {
        "name": f"{_MONITORS}.fixed_heap",
        "typed_config": {
            "@type": f"{_MONITOR_TYPES}.fixed_heap.v3.FixedHeapConfig",
            "max_heap_size_bytes": settings.max_heap_bytes,
        },
    }
    return {
        "refresh_interval": "0.25s",
        "resource_monitors": [connections, heap],
        "actions": [
            _action("shrink_heap", _NOT_KEPT),
            _action("disable_http_keepalive", _NOT_KEPT),
            _action("stop_accepting_requests", _REFUSED),
        ],
    }


def _action(name: str, share: float) -> dict[str, Any]:
    trigger = {"name": f"{_MONITORS}.fixed_heap", "threshold": {"value": share}}
    return {"name": f"envoy.overload_actions.{name}", "triggers": [trigger]}


def _listener(settings: Settings, name: str, address: Address, manager: dict[str, Any]) -> dict[str, Any]:
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {
        "name": name,
        "address": socket_address(address),
        "per_connection_buffer_limit_bytes": settings.max_request_bytes,
        "socket_options": [_let_go(settings)],
        "filter_chains": [chain],
    }


def _first_words(settings: Settings) -> dict[str, Any]:
    """A caller that opens a connection and says nothing; with TLS it is the handshake that does not come."""
    inspector = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector"
    typed = {"@type": f"type.googleapis.com/{inspector}"}
    return {
        "listener_filters": [{"name": "envoy.filters.listener.http_inspector", "typed_config": typed}],
        "listener_filters_timeout": f"{settings.receive_timeout_seconds}s",
    }


def _let_go(settings: Settings) -> dict[str, Any]:
    """A caller that takes nothing of what it is sent is let go by the kernel, as one that answers no ping by Envoy."""
    return {
        "description": "TCP_USER_TIMEOUT",
        "level": socket.IPPROTO_TCP,
        "name": socket.TCP_USER_TIMEOUT,
        "int_value": round(_UNREAD * settings.receive_timeout_seconds * 1000),
        "state": "STATE_LISTENING",
    }


def _tls(tls: Tls) -> dict[str, Any]:
    certificate = {
        "certificate_chain": {"filename": str(tls.certificate_file)},
        "private_key": {"filename": str(tls.key_file)},
    }
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "common_tls_context": {
                "alpn_protocols": ["h2", "http/1.1"],
                "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
                "tls_certificates": [certificate],
            },
        },
    }
