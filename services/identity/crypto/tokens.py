"""Access tokens as JSON Web Tokens (RFC 7519, RFC 9068)."""

from __future__ import annotations

from typing import Any, Final

import jwt

from services.identity.crypto.keys import Ring
from services.identity.domain.claims import Claims
from services.kernel.clock import Clock, from_ns
from services.kernel.errors import CodedError, unauthenticated
from services.mesh.access.tokens import ALGORITHM, OPTIONS, TYPE

_OPTIONS: Final[Any] = {**OPTIONS, "require": [*OPTIONS["require"], "sub", "jti"]}


class JwtTokens:
    """Signs with the key whose time it is, and reads what any of the ring has signed."""

    def __init__(self, ring: Ring, clock: Clock, *, issuer: str, audience: str) -> None:
        self._ring, self._clock, self._issuer, self._audience = ring, clock, issuer, audience

    def sign(self, claims: Claims) -> str:
        """Returns a token.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when there is no key to sign with.
        """
        key_id, private = self._ring.signing()
        payload = {"iss": self._issuer, "aud": self._audience, **claims.as_json()}
        return jwt.encode(payload, private, ALGORITHM, headers={"kid": key_id, "typ": TYPE})

    def read(self, token: str) -> Claims:
        """Returns the claims of a token that one of our keys has signed, for us, and that has not ended.

        Raises:
            CodedError: INVALID_TOKEN.
        """
        try:
            head = jwt.get_unverified_header(token)
            public = self._ring.verifying(str(head.get("kid", "")))
            if public is None or head.get("typ") != TYPE:
                raise _not_good()
            told = jwt.decode(
                token, public, [ALGORITHM], options=_OPTIONS, audience=self._audience, issuer=self._issuer
            )
            claims, begins_at = Claims.from_json(told), from_ns(int(told.get("nbf", 0)) * 1_000_000_000)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError, OverflowError):
            raise _not_good() from None
        if not begins_at <= self._clock.now() < claims.expires_at:
            raise _not_good()
        return claims


def _not_good() -> CodedError:
    return unauthenticated("INVALID_TOKEN", "the access token is not good, or has ended")
