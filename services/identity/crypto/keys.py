"""Keys that sign tokens: ECDSA on P-256 with SHA-256, which JSON Web Tokens call ES256 (RFC 7518, 3.4)."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from services.identity.domain.keys import KeyTimes, signing
from services.kernel.clock import Clock
from services.kernel.errors import unavailable

CURVE: Final = "P-256"
_COORDINATE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A public key as a JSON Web Key has it: id, and coordinates in base64url."""

    key_id: str
    x: str
    y: str


@dataclass(frozen=True, slots=True)
class _Held:
    times: KeyTimes
    private: ec.EllipticCurvePrivateKey
    public: PublicKey


class Ring:
    """The keys of this process, as they were last read from the store."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def hold(self, keys: Sequence[tuple[KeyTimes, str]]) -> None:
        """Takes these keys with their private parts in place of those before."""
        self._held = {
            times.key_id: self._held.get(times.key_id) or _Held(times, (private := _read(text)), _public(private))
            for times, text in keys
        }

    def signing(self) -> tuple[str, ec.EllipticCurvePrivateKey]:
        """Returns the key that signs now, and its id.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, when there is none.
        """
        found = signing([held.times for held in self._held.values()], self._clock.now())
        if found is None:
            raise unavailable("SERVICE_UNAVAILABLE", "there is no key to sign with yet")
        return found.key_id, self._held[found.key_id].private

    def verifying(self, key_id: str) -> ec.EllipticCurvePublicKey | None:
        """Returns the public key of an id; None when there is none."""
        held = self._held.get(key_id)
        return None if held is None else held.private.public_key()

    def published(self) -> Sequence[PublicKey]:
        """Returns all public keys, the newest first."""
        newest_first = sorted(self._held.values(), key=lambda held: held.times.active_from, reverse=True)
        return [held.public for held in newest_first]


def new_key() -> tuple[str, str]:
    """Returns the id of a new key, and its private part as text."""
    private = ec.generate_private_key(ec.SECP256R1())
    text = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return _public(private).key_id, text.decode()


def _read(text: str) -> ec.EllipticCurvePrivateKey:
    private = serialization.load_pem_private_key(text.encode(), password=None)
    if not isinstance(private, ec.EllipticCurvePrivateKey):
        raise TypeError("a key that signs must be one of ECDSA")
    return private


def _public(private: ec.EllipticCurvePrivateKey) -> PublicKey:
    numbers = private.public_key().public_numbers()
    x, y = (_base64url(number.to_bytes(_COORDINATE_BYTES, "big")) for number in (numbers.x, numbers.y))
    # The thumbprint of RFC 7638.
    told = json.dumps({"crv": CURVE, "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
    return PublicKey(_base64url(hashlib.sha256(told.encode()).digest()), x, y)


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
