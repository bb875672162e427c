"""What waits to be told to OrderService on one route stream."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from services.broker.domain.messages import Report, VenuePosition
from services.kernel.drain import Wakeup

MOST_WAITING: Final = 100_000
MOST_PER_MESSAGE: Final = 4_096


@dataclass(frozen=True, slots=True)
class Opened:
    """A connection is up.

    Attributes:
        number: Counts the openings of the connection on the stream.
        order_types: Numbers of the order types that the venue takes.
        environment: Number of the connection's environment.
    """

    connection_id: str
    position: VenuePosition
    number: int
    deduplicates_commands: bool
    order_types: Sequence[int] = ()
    environment: int = 0


@dataclass(frozen=True, slots=True)
class Down:
    """A connection is down."""

    connection_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Reports:
    """Reports of one connection, by rising sequence."""

    connection_id: str
    reports: list[Report]


OutboxItem = Opened | Down | Reports


class Outbox:
    """A bounded queue with one reader. What waits is taken at once; writers wait while too much does."""

    def __init__(self, most_waiting: int = MOST_WAITING) -> None:
        self._items: deque[OutboxItem] = deque()
        self._waiting = 0
        self._most_waiting = most_waiting
        self._filled = Wakeup()
        self._room = asyncio.Event()
        self._room.set()
        self.closed = False

    def tell(self, item: Opened | Down) -> None:
        """Adds the news of a connection; there are few, so that they never wait for room."""
        self._items.append(item)
        self._filled.call()

    async def put(self, connection_id: str, reports: list[Report]) -> None:
        """Adds reports, once there is room."""
        while self._waiting >= self._most_waiting:
            self._room.clear()
            await self._room.wait()
        self.add(connection_id, reports)

    def add(self, connection_id: str, reports: list[Report]) -> None:
        """Adds reports at once."""
        self._items.append(Reports(connection_id, reports))
        self._waiting += len(reports)
        self._filled.call()

    def close(self) -> None:
        """Lets the reader end once what waits is taken."""
        self.closed = True
        self._filled.call()

    async def wait(self) -> bool:
        """Waits for something; returns False when there is nothing and nothing more will come."""
        while not self._items and not self.closed:
            await self._filled.wait()
        return bool(self._items)

    def take(self) -> list[OutboxItem]:
        """Returns what waits, up to about one message of reports."""
        taken: list[OutboxItem] = []
        reports = 0
        while self._items and reports < MOST_PER_MESSAGE:
            item = self._items.popleft()
            taken.append(item)
            reports += len(item.reports) if isinstance(item, Reports) else 0
        self._waiting -= reports
        if self._waiting < self._most_waiting:
            self._room.set()
        return taken
