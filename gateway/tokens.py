"""Access tokens at the gateway: verified by Envoy with the keys that IdentityService tells.

The services verify them again and have the last word; here, what shows none is refused before it costs them anything,
and who calls becomes known to the limits and to the access log.
"""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

from gateway.clusters import owners_socket
from gateway.settings import Settings, fits_socket

TOKENS = "envoy.filters.http.jwt_authn"
"""Name of the filter, and of the metadata in which it says what it found."""
CLAIMS, FAILURE = "claims", "failure"
"""Where in its metadata the claims of a token are, and what is wrong with one."""
KEYS = "keys"
"""The cluster, and the listener, by which Envoy asks itself for the keys as JSON."""
KEYS_PATH = "/.well-known/jwks.json"
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3"
_MANAGER = "type.googleapis.com/envoy.extensions.filters.network"
_SKEW_SECONDS = 5
# Whoever calls before there are keys asks for them, each by itself. As many as there are connections ask at a time:
# thousands would keep IdentityService from answering any within the time that they wait. The others wait for their
# turn, and those beyond are told to come again.
_MOST_CONNECTIONS, _MOST_ASKING = 4, 500
# A verified token is remembered: an ECDSA signature costs a tenth of a millisecond, and a client sends one many times.
_REMEMBERED = 10_000


def token_check(settings: Settings) -> dict[str, Any]:
    """The filter's configuration: every request needs a token, but on routes that say they need none."""
    provider = {
        "issuer": settings.issuer,
        "audiences": [settings.audience],
        "remote_jwks": {
            "http_uri": {"uri": f"http://{KEYS}{KEYS_PATH}", "cluster": KEYS, "timeout": "2s"},
            "cache_duration": f"{settings.keys_seconds}s",
            # Envoy listens before it has keys, and asks on while IdentityService is away: nobody is let in meanwhile.
            "async_fetch": {"fast_listener": True, "failed_refetch_duration": "1s"},
        },
        # The services read it, too.
        "forward": True,
        # Not in the query, where it would stand in logs and in browsers' histories.
        "from_headers": [{"name": "authorization", "value_prefix": prefix} for prefix in ("Bearer ", "bearer ")],
        "payload_in_metadata": CLAIMS,
        "failed_status_in_metadata": FAILURE,
        "clock_skew_seconds": _SKEW_SECONDS,
        "require_expiration": True,
        "jwt_cache_config": {"jwt_cache_size": _REMEMBERED},
    }
    return {
        "providers": {"identity": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "identity"}}],
    }


def without_token() -> dict[str, Any]:
    """What a route says that needs none."""
    return {TOKENS: {"@type": f"{_TYPE}.PerRouteConfig", "disabled": True}}


def keys_socket(path: Path | None) -> dict[str, Any]:
    """The socket at which the gateway tells itself the keys: its owner's alone, at a path if there is one that fits.

    Elsewhere it is one without a file, whose name nobody knows before it is taken: with another's there Envoy ends.
    """
    if path is not None and fits_socket(path):
        return owners_socket(path)
    return {"pipe": {"path": f"@ordermesh-{KEYS}-{uuid.uuid4().hex}"}}


def keys_listener(socket: dict[str, Any], transcoder: dict[str, Any], router: dict[str, Any]) -> dict[str, Any]:
    """A listener for Envoy itself: the check wants keys by HTTP, and IdentityService speaks gRPC."""
    manager = {
        "@type": f"{_MANAGER}.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": KEYS,
        "route_config": {
            "name": KEYS,
            "virtual_hosts": [
                {
                    "name": KEYS,
                    "domains": ["*"],
                    "routes": [{"match": {"path": KEYS_PATH}, "route": {"cluster": "identity", "timeout": "2s"}}],
                }
            ],
        },
        "http_filters": [transcoder, router],
    }
    return {
        "name": KEYS,
        "address": socket,
        "ignore_global_conn_limit": True,
        "filter_chains": [
            {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
        ],
    }


def keys_cluster(socket: dict[str, Any]) -> dict[str, Any]:
    """The way from the token check to that listener."""
    most = {
        "max_connections": _MOST_CONNECTIONS,
        "max_requests": _MOST_ASKING,
        "max_pending_requests": _MOST_ASKING,
    }
    return {
        "name": KEYS,
        "type": "STATIC",
        "connect_timeout": "1s",
        "circuit_breakers": {"thresholds": [most]},
        "load_assignment": {
            "cluster_name": KEYS,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": socket}}]}],
        },
    }
