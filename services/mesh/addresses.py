"""Where a call comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from services.mesh.access.certificates import service_of
from services.mesh.interceptors.base import Context

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

GATEWAY: Final = "gateway"
_CALLER: Final = "x-ordermesh-caller-address"
_MOST_KNOWN: Final = 4096
_LONGEST: Final = 64
"""Text that is looked at of what is told: no address is longer."""
_HOST_BITS: Final = 64
"""Of IPv6, where whoever has one address has all of its network."""


class CallerAddresses:
    """Tells where calls come from. Few peers, and few callers at a time, call again and again: they are remembered."""

    __slots__ = ("_known", "_proxies")

    def __init__(self, proxies: Iterable[Network]) -> None:
        self._proxies = tuple(proxies)
        self._known: dict[tuple[str, str, str | None], str] = {}

    def of(self, context: Context) -> str:
        """Returns the address of the caller; empty when it has none.

        It is the peer's own; of our gateway it is the one that the gateway says, in a header of which it lets nobody
        else's through. The gateway is known by its certificate; where connections are not encrypted, by where it is.
        """
        told = _values(context, _CALLER)
        # Without the port, which is another one for each connection.
        peer, said = context.peer().rpartition(":")[0], told[0][:_LONGEST] if len(told) == 1 else ""
        key = peer, said, service_of(context)
        if (known := self._known.get(key)) is not None:
            return known
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[key] = found = self._find(*key)
        return found

    def _find(self, peer: str, told: str, service: str | None) -> str:
        address = _address(unquote(peer).partition(":")[2])
        if address is None:
            return ""
        by_place = service is None and any(address in network for network in self._proxies)
        return str((_address(told) if service == GATEWAY or by_place else None) or address)


def network_of(address: str) -> str:
    """Returns an address as that of somebody who may have many: of IPv6 its network; what is none as it is."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((found, _HOST_BITS), strict=False))
    return address


def _values(context: Context, name: str) -> list[str]:
    # The published types deny that it may be None.
    metadata: Iterable[tuple[str, str | bytes]] | None = context.invocation_metadata()
    return [str(value) for key, value in metadata or () if key == name]


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
        return found.ipv4_mapped
    return found
