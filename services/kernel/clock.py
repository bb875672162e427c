"""The clock, injected so that a test decides what time it is."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time of day."""

    def now(self) -> datetime:
        """Returns the time in UTC."""
        ...

    def now_ns(self) -> int:
        """Returns the nanoseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def now(self) -> datetime:
        """Returns the time in UTC."""
        return datetime.now(UTC)

    def now_ns(self) -> int:
        """Returns the nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()


def from_ns(nanoseconds: int) -> datetime:
    """Returns the time of a number of nanoseconds since 1970, cut to microseconds."""
    return EPOCH + timedelta(microseconds=nanoseconds // 1000)


def to_ns(moment: datetime) -> int:
    """Returns the nanoseconds since 1970 of a time, exactly."""
    since = moment - EPOCH
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1000
