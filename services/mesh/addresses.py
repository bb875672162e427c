"""Where a call comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from services.mesh.interceptors.base import Context

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_CALLER: Final = "x-ordermesh-caller-address"
_AUTHORIZATION: Final = "authorization"


def caller_address(context: Context, proxies: Sequence[Network]) -> str:
    """Returns the address of the caller; empty when it has none.

    It is the peer's own; of a gateway of ours it is the one that the gateway says, in a header of which it lets nobody
    else's through.
    """
    told = tuple(_values(context, _CALLER))
    return _seen_from(context.peer(), told[0] if len(told) == 1 else "", tuple(proxies))


@lru_cache(maxsize=4096)
def _seen_from(peer: str, told: str, proxies: Sequence[Network]) -> str:
    """Returns the address of who calls through a peer: few peers, and few callers at a time, call again and again."""
    address = _peer(peer)
    if address is None or not any(address in network for network in proxies):
        return "" if address is None else str(address)
    return str(_address(told) or address)


def authorization(context: Context) -> str:
    """Returns the header by which a caller proves who they are; empty without one, or with several."""
    found = list(_values(context, _AUTHORIZATION))
    return found[0] if len(found) == 1 else ""


def _values(context: Context, name: str) -> Iterable[str]:
    # The published types deny that it may be None.
    metadata: Iterable[tuple[str, str | bytes]] | None = context.invocation_metadata()
    return (str(value) for key, value in metadata or () if key == name)


def _peer(peer: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Returns the address of `ipv4:192.0.2.1:50000` or `ipv6:[2001:db8::1]:50000`."""
    _, _, rest = unquote(peer).partition(":")
    return _address(rest.rpartition(":")[0])


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
