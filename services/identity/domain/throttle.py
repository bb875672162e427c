"""How many attempts somebody has: some at once, then each after a pause twice as long as the one before."""

from __future__ import annotations

import hashlib
import ipaddress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

_MOST_DOUBLINGS: Final = 30
_HOST_BITS: Final = 64


@dataclass(frozen=True, slots=True)
class Rule:
    """What is allowed.

    Attributes:
        free: Attempts without a pause.
        first_seconds: Pause after the last of these; it doubles with each attempt.
        most_seconds: Longest pause.
        forget_seconds: Attempts are forgotten after so long without one.
    """

    free: int
    first_seconds: float
    most_seconds: float
    forget_seconds: float

    def pause(self, attempts: int) -> timedelta | None:
        """Returns the pause after so many attempts; None when there is none."""
        if attempts < self.free:
            return None
        doublings = min(attempts - self.free, _MOST_DOUBLINGS)
        return timedelta(seconds=min(self.most_seconds, self.first_seconds * 2**doublings))


@dataclass(frozen=True, slots=True)
class Attempts:
    """What somebody has tried.

    Attributes:
        count: Attempts that have failed or are not decided yet.
        last_at: When the last one was made.
        blocked_until: When the next one may be made; None: now.
    """

    count: int = 0
    last_at: datetime | None = None
    blocked_until: datetime | None = None

    def wait_seconds(self, now: datetime) -> float:
        """Returns how long the next attempt has to wait; 0 when it may be made."""
        if self.blocked_until is None:
            return 0.0
        return max(0.0, (self.blocked_until - now).total_seconds())

    def made(self, rule: Rule, now: datetime) -> Attempts:
        """Returns what it is after one more.

        It counts before it is decided: of many at once no more are looked at than one after another.
        """
        forgotten = self.last_at is None or now - self.last_at >= timedelta(seconds=rule.forget_seconds)
        count = 1 if forgotten else self.count + 1
        pause = rule.pause(count)
        return Attempts(count, now, None if pause is None else now + pause)

    def taken_back(self) -> Attempts:
        """Returns what it is when the last one was good: as if it had not been made."""
        return replace(self, count=max(0, self.count - 1), blocked_until=None)


def account_key(*parts: object) -> bytes:
    """Returns the key of attempts on something. It does not show a name: people type passwords where names belong."""
    return hashlib.blake2b("\0".join(map(str, parts)).encode(), digest_size=16).digest()


def address_key(address: str) -> bytes:
    """Returns the key of attempts from an address; of IPv6, where everybody has many, from its network."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return account_key("address", address)
    if known.version == 4:  # noqa: PLR2004 - the version of the protocol
        return account_key("address", known)
    return account_key("address", ipaddress.ip_network((known, _HOST_BITS), strict=False))
