"""Tells of committed bookings: to streams, and to the bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.mesh.streams import Hub
from services.portfolio.pipeline.ports import LoggedChange


class StreamsAndBus:
    """Hands entries of the log of positions to both."""

    def __init__(self, hub: Hub[LoggedChange], publish: Callable[[Sequence[LoggedChange]], None]) -> None:
        self._hub, self._publish = hub, publish

    def announce(self, changes: Sequence[LoggedChange]) -> None:
        """Takes note of entries of the log of positions."""
        self._hub.publish(changes)
        self._publish(changes)
