"""The keys that IdentityService signs with: fetched at the start, now and then, and when an unknown one is met."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Final

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from ordermesh.identity.v1 import identity_service_pb2_grpc, signing_key_pb2
from services.kernel.errors import CodedError, unavailable
from services.mesh.access.tokens import ALGORITHM
from services.mesh.client import Channel
from services.mesh.context import detached
from services.mesh.names import Key

SERVICE: Final = "ordermesh.identity.v1.IdentityService"
REFRESH_SECONDS: Final = 240.0
"""Less than the five minutes for which the contract lets a set be kept."""
LEAST_SECONDS: Final = 2.0
"""Least time between two questions: anybody can name a key that there is not."""
AGAIN_SECONDS: Final = 0.25
"""The same while IdentityService does not answer: what starts beside it is not shut for two seconds more."""
PATIENCE_SECONDS: Final = 2.0

Fetch = Callable[[], Awaitable[Mapping[str, EllipticCurvePublicKey]]]
"""Asks for all public keys by their ids, or raises CodedError."""

_log = structlog.stdlib.get_logger(__name__)


class IdentityKeys:
    """Keeps the keys it was told last for as long as nobody tells it others."""

    def __init__(self, fetch: Fetch, now: Callable[[], float] = time.monotonic) -> None:
        self.generation = 0
        self._fetch, self._now = fetch, now
        self._keys: Mapping[str, EllipticCurvePublicKey] = {}
        self._asked_at: float | None = None
        self._failed, self._away = True, False
        self._asking: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> EllipticCurvePublicKey | None:
        """Returns the key of an id, asking for it if need be; None when there is none.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when it is not known and IdentityService does not answer.
        """
        if (key := self._keys.get(key_id)) is not None:
            return key
        await self.refresh()
        if (key := self._keys.get(key_id)) is None and self._failed:
            raise unavailable("SERVICE_UNAVAILABLE", "tokens cannot be verified now", retry_after_seconds=1.0)
        return key

    async def refresh(self) -> None:
        """Asks for the keys, once for all who wait, unless they were asked for just now."""
        if self._asking is None:
            if self._asked_at is not None and self._now() - self._asked_at < self._least_seconds:
                return
            self._asking = detached(self._ask(), name="token keys")
        await asyncio.shield(self._asking)

    async def run(self) -> None:
        """Keeps them fresh, for ever."""
        while True:
            await self.refresh()
            await asyncio.sleep(AGAIN_SECONDS if self._failed else REFRESH_SECONDS)

    @property
    def _least_seconds(self) -> float:
        return AGAIN_SECONDS if self._failed else LEAST_SECONDS

    async def _ask(self) -> None:
        try:
            told = await self._fetch()
        except (CodedError, ValueError) as error:
            # Whatever is wrong with the answer: what is known goes on to count, and the service goes on.
            self._failed = True
            if not self._away:
                _log.warning("keys of tokens cannot be fetched", **{Key.ERROR: str(error)})
            self._away = True
        else:
            self._failed = False
            if self._away:
                _log.info("keys of tokens are fetched again")
            self._away = False
            if self._keys.keys() - told.keys():
                self.generation += 1
            self._keys = told
        finally:
            self._asked_at, self._asking = self._now(), None


def fetch_from(channel: Channel) -> Fetch:
    """Returns what asks IdentityService."""
    stub = identity_service_pb2_grpc.IdentityServiceStub(channel)

    async def fetch() -> Mapping[str, EllipticCurvePublicKey]:
        answer = await stub.GetJsonWebKeySet(signing_key_pb2.GetJsonWebKeySetRequest(), timeout=PATIENCE_SECONDS)
        return keys_of(
            {"kty": k.kty, "crv": k.crv, "x": k.x, "y": k.y, "kid": k.kid, "alg": k.alg} for k in answer.keys
        )

    return fetch


def keys_of(told: Iterable[Mapping[str, Any]]) -> Mapping[str, EllipticCurvePublicKey]:
    """Returns public keys by their ids, out of JSON Web Keys (RFC 7517); those for another algorithm are left out.

    Raises:
        ValueError: A key cannot be read.
    """
    keys: dict[str, EllipticCurvePublicKey] = {}
    for each in told:
        if each.get("alg") != ALGORITHM:
            continue
        try:
            key = jwt.PyJWK(dict(each)).key
        except jwt.PyJWTError as error:
            raise ValueError(f"the key {each.get('kid')} cannot be read: {error}") from None
        if isinstance(key, EllipticCurvePublicKey):
            keys[str(each["kid"])] = key
    return keys
