"""A clock that stands still until it is moved."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.kernel.clock import from_ns, to_ns


class FakeClock:
    """Tells the time that a test has set."""

    def __init__(self, moment: datetime = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) -> None:
        self._nanoseconds = to_ns(moment)

    def now(self) -> datetime:
        """Returns the time that was set."""
        return from_ns(self._nanoseconds)

    def now_ns(self) -> int:
        """Returns the time that was set."""
        return self._nanoseconds

    def advance(self, by: timedelta) -> None:
        """Moves the clock, backwards too."""
        self._nanoseconds += to_ns(from_ns(0) + by)

    def advance_ns(self, nanoseconds: int) -> None:
        """Moves the clock."""
        self._nanoseconds += nanoseconds
