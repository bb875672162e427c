"""What a service looks at callers with, out of its settings."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.clock import Clock
from services.mesh.access.keys import SERVICE, IdentityKeys, fetch_from
from services.mesh.access.tokens import Verifier
from services.mesh.client import Channels
from services.mesh.config import ServiceSettings
from services.mesh.interceptors.access import AccessInterceptor


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What looks at callers, and the keys that it needs kept fresh."""

    interceptor: AccessInterceptor
    keys: IdentityKeys


def enforcement(settings: ServiceSettings, channels: Channels, clock: Clock) -> Enforcement:
    """Returns what looks at the callers of a service."""
    keys = IdentityKeys(fetch_from(channels.to(settings.identity_address, SERVICE)))
    users = Verifier(keys, clock, issuer=settings.issuer, audience=settings.audience)
    return Enforcement(AccessInterceptor(users, clock), keys)
