"""Keys by which programs act for a user."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from services.identity.domain.values import Scope
from services.kernel.errors import invalid_field


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key; its secret is not in it.

    Attributes:
        api_key_id: Id, a UUIDv7.
        user_id: For whom it acts.
        name: Name for people.
        scopes: What its tokens may be used for, in order.
        networks: Where it may be exchanged from; empty: anywhere.
        created_at: When it was made.
        expires_at: When it ends; None: never.
        last_used_at: When it was last exchanged; None: never.
        last_address: Where it was last exchanged from.
        revoked_at: When it was revoked; None while it is good.
    """

    api_key_id: str
    user_id: str
    name: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_address: str = ""
    revoked_at: datetime | None = None

    def good(self, now: datetime) -> bool:
        """Tells whether it is neither revoked nor over."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, address: str) -> bool:
        """Tells whether it may be exchanged from an address; one that is not known is allowed by no network."""
        if not self.networks:
            return True
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(known in ipaddress.ip_network(network) for network in self.networks)


def canonical_networks(networks: Iterable[str], field: str = "allowed_networks") -> tuple[str, ...]:
    """Returns networks in their usual form.

    Raises:
        CodedError: INVALID_FIELD, for one that is none, or has bits set beyond its length.
    """
    found = []
    for index, text in enumerate(networks):
        try:
            found.append(str(ipaddress.ip_network(text)))
        except ValueError:
            rule = "must be an address, or a network such as 192.0.2.0/24 with no bits set beyond its length"
            raise invalid_field(f"{field}[{index}]", rule) from None
    return tuple(dict.fromkeys(found))
