"""Follows auctions in their call phase: what each would come to is asked of the venue, a few times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from services.kernel.drain import Wakeup
from services.kernel.errors import CodedError, ErrorKind
from services.marketdata.domain.instrument import TradingStatus
from services.marketdata.domain.market import Market
from services.marketdata.pipeline.hub import Hub, Turn
from services.marketdata.pipeline.ports import Venue

_log = structlog.stdlib.get_logger(__name__)


class Auctions:
    """Asks only while there are call phases; the feed says when one begins."""

    def __init__(self, hub: Hub, venue: Venue, pause: Callable[[], Awaitable[None]]) -> None:
        """Follows nothing yet.

        Args:
            hub: Is told what auctions would come to.
            venue: Is asked.
            pause: Waits between two questions.
        """
        self._hub, self._venue, self._pause = hub, venue, pause
        self._news = Wakeup()

    def turn(self, turn: Turn) -> None:
        """Looks whether a call phase has begun."""
        if any(market.status is TradingStatus.CALL_AUCTION for market in turn.quotes):
            self._news.call()

    async def run(self) -> None:
        """Follows auctions for ever."""
        while True:
            if await self.look():
                await self._pause()
            else:
                await self._news.wait()

    async def look(self) -> bool:
        """Asks for every auction once; returns whether there is any."""
        collecting = [each for each in self._hub.by_number.values() if each.status is TradingStatus.CALL_AUCTION]
        await asyncio.gather(*map(self._ask, collecting))
        return bool(collecting)

    async def _ask(self, market: Market) -> None:
        try:
            auction = await self._venue.auction(market.number)
        except CodedError as error:
            # Of a venue that is away the feed, which is lost as well then, says so for all.
            if error.kind is not ErrorKind.UNAVAILABLE:
                _log.warning("an auction cannot be told", instrument=market.name, error=str(error))
            return
        self._hub.auction(market, auction)
