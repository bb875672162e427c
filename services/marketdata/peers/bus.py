"""Topic `market.data.updated`: the newest quotes, at most so many a second for each instrument, best effort.

No log stands behind the topic. What was published while Redis was away is gone, and nobody may need it: a reader that
wants every change follows StreamQuotes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ordermesh.event.v1 import event_pb2
from ordermesh.marketdata.v1 import quote_pb2
from services.bus.broadcast import Broadcaster
from services.bus.topics import NAME_OF_TOPIC
from services.kernel.clock import Clock
from services.marketdata.pipeline.hub import Turn
from services.mesh.streams import timestamp

TOPIC: Final = NAME_OF_TOPIC[event_pb2.TOPIC_MARKET_DATA_UPDATED]


class QuotePublisher:
    """Hands quotes that changed to the bus."""

    def __init__(self, broadcaster: Broadcaster, newest: Callable[[str], quote_pb2.Quote | None], clock: Clock) -> None:
        """Begins with nothing published.

        Args:
            broadcaster: Sends the newest of each instrument when it is ready to.
            newest: Tells the newest quote of an instrument.
            clock: Tells the time of an event.
        """
        self._broadcaster, self._newest, self._clock = broadcaster, newest, clock

    def turn(self, turn: Turn) -> None:
        """Publishes the quotes of a turn."""
        if not turn.quotes:
            return
        now = timestamp(self._clock.now_ns())
        for market in turn.quotes:
            event = event_pb2.Event(
                topic=event_pb2.TOPIC_MARKET_DATA_UPDATED, time=now, quote=self._newest(market.name)
            )
            self._broadcaster.publish(market.name, event)
