"""Tokens that prove which user calls: JSON Web Tokens (RFC 7519) of IdentityService, signed with ES256."""

from __future__ import annotations

import hashlib
from typing import Any, Final, Protocol

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, unauthenticated
from services.mesh.access.caller import Caller

ALGORITHM: Final = "ES256"
TYPE: Final = "at+jwt"
"""What the head of an access token says (RFC 9068)."""
MOST_REMEMBERED: Final = 20_000

OPTIONS: Final[Any] = {
    "require": ["iss", "aud", "iat", "exp"],
    # By our clock, below.
    "verify_exp": False,
    "verify_nbf": False,
    # Not looked at: a clock that steps back would shut everybody out.
    "verify_iat": False,
}
"""How a token is read by PyJWT, here and in IdentityService."""
_MALFORMED: Final = (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError, AttributeError)


class Keys(Protocol):
    """Public keys by their ids."""

    generation: int
    """Grows when a key is good no more."""

    async def find(self, key_id: str) -> EllipticCurvePublicKey | None:
        """Returns the key of an id; None when there is none.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when that cannot be told now.
        """
        ...


class Verifier:
    """Tells whose a token is. One that was verified is remembered by its hash until it ends."""

    def __init__(
        self, keys: Keys, clock: Clock, *, issuer: str, audience: str, most_remembered: int = MOST_REMEMBERED
    ) -> None:
        """Makes a verifier.

        Args:
            keys: Who may sign.
            clock: The time.
            issuer: Who must have issued a token.
            audience: Whom it must be for.
            most_remembered: How many verified tokens are remembered at most.
        """
        self._keys, self._clock, self._issuer, self._audience = keys, clock, issuer, audience
        self._most = most_remembered
        self._held: dict[bytes, Caller] = {}
        self._generation = keys.generation

    def remembered(self, token: str) -> Caller | None:
        """Returns whose a token is that was verified before; None when it was not.

        Raises:
            CodedError: INVALID_TOKEN, when it has ended since.
        """
        if self._generation != self._keys.generation:
            self._held.clear()
            self._generation = self._keys.generation
        caller = self._held.get(_hash(token))
        if caller is not None and caller.ends_ns <= self._clock.now_ns():
            raise not_good()
        return caller

    async def verify(self, token: str) -> Caller:
        """Returns whose a token is.

        Raises:
            CodedError: INVALID_TOKEN; SERVICE_UNAVAILABLE, when its key is not known and cannot be asked for now.
        """
        caller = self._proved(token, await self._key_of(token))
        self._remember(_hash(token), caller)
        return caller

    async def _key_of(self, token: str) -> EllipticCurvePublicKey:
        try:
            head = jwt.get_unverified_header(token)
        except _MALFORMED:
            raise not_good() from None
        key_id = head.get("kid")
        if head.get("typ") != TYPE or head.get("alg") != ALGORITHM or not isinstance(key_id, str):
            raise not_good()
        key = await self._keys.find(key_id)
        if key is None:
            raise not_good()
        return key

    def _proved(self, token: str, key: EllipticCurvePublicKey) -> Caller:
        try:
            claims = jwt.decode(token, key, [ALGORITHM], options=OPTIONS, audience=self._audience, issuer=self._issuer)
            caller, begins_ns = Caller.user(claims), int(claims.get("nbf", 0)) * 1_000_000_000
        except _MALFORMED:
            raise not_good() from None
        # When it was issued is not asked: a clock that stepped back here would shut everybody out until it catches up.
        if not begins_ns <= self._clock.now_ns() < caller.ends_ns:
            raise not_good()
        return caller

    def _remember(self, key: bytes, caller: Caller) -> None:
        if len(self._held) >= self._most:
            now_ns = self._clock.now_ns()
            self._held = {each: held for each, held in self._held.items() if held.ends_ns > now_ns}
            while len(self._held) >= self._most:
                del self._held[next(iter(self._held))]
        self._held[key] = caller


def not_good() -> CodedError:
    """Returns the error for a token that proves nothing, whatever is wrong with it."""
    return unauthenticated("INVALID_TOKEN", "the token is not good, or has ended")


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
