"""What a service looks at callers with, and what it proves with who it is, out of its settings."""

from __future__ import annotations

from dataclasses import dataclass

from services.kernel.clock import Clock
from services.mesh.access.caller import Caller
from services.mesh.access.keys import SERVICE, IdentityKeys, fetch_from
from services.mesh.access.peers import ServiceKeys, ServiceTokens, area_of, read_private, read_public
from services.mesh.access.tokens import SERVICE_TYPE, USER_TYPE, Verifier
from services.mesh.client import Channels, Proof
from services.mesh.config import ConfigurationError, ServiceSettings, variable_of
from services.mesh.context import SERVICE_TOKEN
from services.mesh.interceptors.access import AccessInterceptor


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What looks at callers, and the keys that it needs kept fresh."""

    interceptor: AccessInterceptor
    keys: IdentityKeys


def enforcement(settings: ServiceSettings, channels: Channels, clock: Clock) -> Enforcement:
    """Returns what looks at the callers of a service.

    Raises:
        ConfigurationError: The keys of services are missing or cannot be read.
    """
    path = settings.service_keys_file
    if path is None:
        raise ConfigurationError(f"{variable_of(type(settings), 'service_keys_file')} is not set")
    keys = IdentityKeys(fetch_from(channels.to(settings.identity_address, SERVICE)))
    users = Verifier(keys, clock, type_=USER_TYPE, read=Caller.user, issuer=settings.issuer)
    services = Verifier(ServiceKeys(read_public(path)), clock, type_=SERVICE_TYPE, read=Caller.service)
    return Enforcement(AccessInterceptor(users, services, clock, audience=settings.audience), keys)


def service_proof(settings: ServiceSettings, clock: Clock) -> Proof | None:
    """Returns what proves to others who a service is; None when it has no key.

    Raises:
        ConfigurationError: The key cannot be read.
    """
    if settings.service_key_file is None:
        return None
    tokens = ServiceTokens(settings.service, read_private(settings.service_key_file), clock)
    return lambda service: (SERVICE_TOKEN, tokens.token(area_of(service)))
