"""What the pipeline needs beside its stores: a hash of passwords, a form of tokens, keys, time and randomness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from services.identity.domain.claims import Claims
from services.identity.domain.keys import KeyTimes
from services.kernel.clock import Clock
from services.kernel.identifiers import Identifiers

RandomBytes = Callable[[int], bytes]
"""Returns so many random bytes, fit for secrets."""


@dataclass(frozen=True, slots=True)
class Means:
    """What tests decide, and nobody else: the time, ids, secrets."""

    clock: Clock
    identifiers: Identifiers
    random: RandomBytes


class Passwords(Protocol):
    """Hashes passwords. Each call is one operation that takes long, whatever comes of it."""

    async def hash(self, password: str) -> str:
        """Returns the hash of a password.

        Raises:
            CodedError: OVERLOADED.
        """
        ...

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tells whether a password is that of a hash; with none it takes as long, and says no.

        Raises:
            CodedError: OVERLOADED.
        """
        ...

    def outdated(self, stored: str) -> bool:
        """Tells whether a hash was made with other parameters than those of today."""
        ...


class AccessTokens(Protocol):
    """Signs access tokens and reads them."""

    def sign(self, claims: Claims) -> str:
        """Returns a token."""
        ...

    def read(self, token: str) -> Claims:
        """Returns the claims of a token that we have signed and that has not ended.

        Raises:
            CodedError: INVALID_TOKEN.
        """
        ...


class KeyRing(Protocol):
    """The keys of this process."""

    def hold(self, keys: Sequence[tuple[KeyTimes, str]]) -> None:
        """Takes these keys with their private parts in place of those before."""
        ...
