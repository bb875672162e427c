"""PortfolioService, and the log of positions for peers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from ordermesh.event.v1 import event_log_service_pb2, event_log_service_pb2_grpc, event_pb2
from ordermesh.portfolio.v1 import portfolio_service_pb2_grpc
from services.bus.relay import Published
from services.bus.topics import NAME_OF_TOPIC
from services.mesh.interceptors.base import Context
from services.portfolio.servicer.accounts import AccountMethods
from services.portfolio.servicer.portfolio_stream import PortfolioStreamMethods
from services.portfolio.servicer.portfolios import PortfolioMethods
from services.portfolio.servicer.position_stream import PositionStreamMethods
from services.portfolio.servicer.positions import PositionMethods

TOPIC = NAME_OF_TOPIC[event_pb2.TOPIC_POSITION_UPDATED]
_DEFAULT_LIMIT = 1_000


class PortfolioServicer(
    AccountMethods,
    PositionMethods,
    PortfolioMethods,
    PositionStreamMethods,
    PortfolioStreamMethods,
    portfolio_service_pb2_grpc.PortfolioServiceServicer,
):
    """All methods of the service."""


class PositionLog(Protocol):
    """The log of positions, as peers read it."""

    async def read_after(self, sequence: int, limit: int, topics: Sequence[str]) -> Sequence[Published]:
        """Returns about `limit` entries after a sequence, oldest first."""
        ...

    async def last_sequence(self) -> int:
        """Returns the last sequence."""
        ...

    async def epoch(self) -> str:
        """Returns the incarnation of the log."""
        ...


class PositionLogServicer(event_log_service_pb2_grpc.EventLogServiceServicer):
    """Tells the log of positions to peers that have a gap."""

    def __init__(self, log: PositionLog) -> None:
        self._log = log

    async def ReadEvents(
        self, request: event_log_service_pb2.ReadEventsRequest, _context: Context
    ) -> event_log_service_pb2.ReadEventsResponse:
        """Reads committed events after a sequence, oldest first."""
        wanted = not request.topics or event_pb2.TOPIC_POSITION_UPDATED in request.topics
        limit = request.limit or _DEFAULT_LIMIT
        # Asked before the events are read, so that none up to it is missing from a complete answer.
        epoch, last = await self._log.epoch(), await self._log.last_sequence()
        entries = await self._log.read_after(request.after_sequence, limit, [TOPIC]) if wanted else []
        return event_log_service_pb2.ReadEventsResponse(
            events=[event_pb2.Event.FromString(entry.payload) for entry in entries], epoch=epoch, last_sequence=last
        )
