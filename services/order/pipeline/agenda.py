"""When what is to be looked at: for whoever waits for many times at once."""

from __future__ import annotations

import heapq
from typing import Final

_SLACK: Final = 64


class Agenda:
    """One time for each key. Memory follows the keys, however often their times are changed."""

    def __init__(self) -> None:
        self._due: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._due)

    @property
    def next_ns(self) -> int | None:
        """The time to look at it, nanoseconds since 1970: never after the first time that is due, None without any."""
        return self._heap[0][0] if self._heap else None

    def due_ns(self, key: str) -> int | None:
        """Returns the time of a key; None when it has none."""
        return self._due.get(key)

    def put(self, key: str, at_ns: int) -> None:
        """Gives a key its time, in place of the one that it had."""
        if self._due.get(key) == at_ns:
            return
        self._due[key] = at_ns
        heapq.heappush(self._heap, (at_ns, key))
        self._tidy()

    def drop(self, key: str) -> None:
        """Takes the time of a key away, if it has one."""
        if self._due.pop(key, None) is not None:
            self._tidy()

    def take(self, now_ns: int, most: int | None = None) -> list[str]:
        """Takes out the keys whose time has come, the earliest first, not more than so many."""
        taken: list[str] = []
        while self._heap and self._heap[0][0] <= now_ns and (most is None or len(taken) < most):
            at_ns, key = heapq.heappop(self._heap)
            if self._due.get(key) == at_ns:
                del self._due[key]
                taken.append(key)
        return taken

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._due) + _SLACK:
            self._heap = [(at_ns, key) for key, at_ns in self._due.items()]
            heapq.heapify(self._heap)
