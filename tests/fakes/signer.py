"""Signs access tokens as IdentityService does, good ones and others."""

from __future__ import annotations

import json
import time
import uuid
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from ordermesh.identity.v1 import signing_key_pb2
from tests.fixtures.bad_tokens import Tokens

LIFE_SECONDS = 300


class Signer:
    """One key, and tokens by it."""

    def __init__(self, key_id: str = "first") -> None:
        self.key_id = key_id
        self._private = ec.generate_private_key(ec.SECP256R1())

    @property
    def public(self) -> signing_key_pb2.JsonWebKey:
        """The key as IdentityService tells it."""
        told = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._private.public_key()))
        return signing_key_pb2.JsonWebKey(**told, kid=self.key_id, alg="ES256", use="sig")

    def tokens(self, subject: str = "u-1", *, ends_in: float = LIFE_SECONDS) -> Tokens:
        """Returns what makes tokens of a user, good ones and others."""
        now = int(time.time())
        claims = {
            "iss": "ordermesh",
            "aud": "ordermesh",
            "sub": subject,
            "iat": now,
            "exp": now + int(ends_in),
            "jti": uuid.uuid4().hex,
        }
        return Tokens(self._private, {"kid": self.key_id, "typ": "at+jwt"}, claims)

    def token(self, subject: str = "u-1", *, ends_in: float = LIFE_SECONDS, **claims: Any) -> str:
        """Returns a token; `claims` in place of its own, None for none."""
        return self.tokens(subject, ends_in=ends_in).token(**claims)
