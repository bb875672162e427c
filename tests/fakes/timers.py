"""Timers that go by a clock which stands still until it is moved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from tests.fakes.clock import FakeClock


class FakeTimer:
    """Something planned."""

    def __init__(self, at_ns: int, what: Callable[[], None]) -> None:
        self.at_ns, self.what = at_ns, what
        self.cancelled = False

    def cancel(self) -> None:
        """Takes it back."""
        self.cancelled = True


class FakeTimers:
    """Plans things, and does those that are due as the clock is moved."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._planned: list[FakeTimer] = []

    @property
    def planned(self) -> int:
        """How many things are still to come."""
        return sum(not each.cancelled for each in self._planned)

    def later(self, seconds: float, what: Callable[[], None]) -> FakeTimer:
        """Plans something."""
        timer = FakeTimer(self._clock.now_ns() + round(seconds * 1e9), what)
        self._planned.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        """Moves the clock, and does on its way what is due."""
        until = self._clock.now_ns() + round(seconds * 1e9)
        while due := [each for each in self._planned if not each.cancelled and each.at_ns <= until]:
            first = min(due, key=lambda each: each.at_ns)
            self._planned.remove(first)
            self._clock.advance_ns(first.at_ns - self._clock.now_ns())
            first.what()
        self._clock.advance(timedelta(microseconds=(until - self._clock.now_ns()) // 1000))
