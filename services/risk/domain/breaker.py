"""The circuit breaker of an account."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from services.risk.domain.breach import Breach

WINDOW_SECONDS: Final = 60
_NANOSECONDS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Breaker:
    """Open after it tripped, until it is reset.

    Attributes:
        cause: What tripped it last.
        version: Counts its changes; 0 when it never tripped.
    """

    account_id: str
    is_open: bool = False
    cause: Breach | None = None
    tripped_at: datetime | None = None
    reset_at: datetime | None = None
    reset_text: str = ""
    version: int = 0

    def trip(self, cause: Breach, now: datetime) -> Breaker:
        """Returns it open."""
        return replace(self, is_open=True, cause=cause, tripped_at=now, version=self.version + 1)

    def reset(self, text: str, now: datetime) -> Breaker:
        """Returns it closed."""
        return replace(self, is_open=False, reset_at=now, reset_text=text, version=self.version + 1)


@dataclass(slots=True)
class Refusals:
    """The refusals of an account within the last minute, as many as it takes to trip its breaker."""

    times: deque[int] = field(default_factory=deque)

    def add(self, now_ns: int, most: int) -> bool:
        """Takes note of a refusal; returns whether there were as many within a minute as trip the breaker."""
        times = self.times
        times.append(now_ns)
        while len(times) > most:
            times.popleft()
        return len(times) == most and now_ns - times[0] < WINDOW_SECONDS * _NANOSECONDS
