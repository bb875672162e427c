"""How services prove who they are to each other: a token that each signs with a key of its own.

Whoever starts the mesh makes a key for each service, readable by it alone, and one file with the public keys of all. A
token names who calls and the area that is called, and lives for a minute: a service cannot use elsewhere what it was
sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey

from services.kernel.clock import Clock
from services.mesh.access.keys import keys_of
from services.mesh.access.tokens import ALGORITHM, SERVICE_TYPE
from services.mesh.config import ConfigurationError

LIFE_SECONDS: Final = 60
_SECOND: Final = 1_000_000_000
_RENEW_NS: Final = LIFE_SECONDS * _SECOND // 2
"""Half of its life is left when a token is sent for the last time."""


class ServiceTokens:
    """Signs what a service sends to prove who it is."""

    def __init__(self, service: str, key: EllipticCurvePrivateKey, clock: Clock) -> None:
        self._service, self._key, self._clock = service, key, clock
        self._held: dict[str, tuple[int, str]] = {}

    def token(self, audience: str) -> str:
        """Returns a token for an area."""
        now_ns = self._clock.now_ns()
        signed_ns, token = self._held.get(audience, (0, ""))
        # A clock that was set back makes a new one, too.
        if not 0 <= now_ns - signed_ns < _RENEW_NS:
            token = self._sign(audience, now_ns // _SECOND)
            self._held[audience] = now_ns, token
        return token

    def _sign(self, audience: str, now: int) -> str:
        claims = {"iss": self._service, "aud": audience, "iat": now, "exp": now + LIFE_SECONDS}
        return jwt.encode(claims, self._key, ALGORITHM, headers={"kid": self._service, "typ": SERVICE_TYPE})


class ServiceKeys:
    """The public keys of the services, as they were when the mesh was started."""

    generation = 0

    def __init__(self, keys: Mapping[str, EllipticCurvePublicKey]) -> None:
        self._keys = keys

    async def find(self, key_id: str) -> EllipticCurvePublicKey | None:
        """Returns the key of a service; None when there is no such service."""
        return self._keys.get(key_id)


def area_of(service: str) -> str:
    """Returns the area of a service, which its tokens are for: of `ordermesh.order.v1.OrderService`, `order`."""
    return service.split(".")[1] if service.startswith("ordermesh.") else service


def read_private(path: Path) -> EllipticCurvePrivateKey:
    """Returns the key of a service.

    Raises:
        ConfigurationError: The file cannot be read, or holds no such key.
    """
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"the key {path} of this service cannot be read: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise ConfigurationError(f"the key {path} of this service is not one for {ALGORITHM}")
    return key


def read_public(path: Path) -> Mapping[str, EllipticCurvePublicKey]:
    """Returns the public keys of all services, by their names, out of a JSON Web Key Set.

    Raises:
        ConfigurationError: The file cannot be read, or holds no keys.
    """
    try:
        keys = keys_of(json.loads(path.read_text(encoding="utf-8"))["keys"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"the keys of services in {path} cannot be read: {error}") from None
    if not keys:
        raise ConfigurationError(f"there are no keys of services in {path}")
    return keys
