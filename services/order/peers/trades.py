"""Public trades of the instruments in which orders wait here: every one, joined to those before without a gap."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from decimal import Decimal
from typing import Final, cast

import structlog

from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from ordermesh.marketdata.v1.market_trade_access_pb2 import (
    ListMarketTradesRequest,
    ListMarketTradesResponse,
    StreamTradesRequest,
)
from ordermesh.marketdata.v1.market_trade_pb2 import MarketTrade as MarketTradeMessage
from ordermesh.type.v1.stream_pb2 import GoingAwayReason
from services.kernel.drain import Drain, DrainClosedError, Wakeup
from services.kernel.errors import CodedError
from services.mesh.client import Channel
from services.mesh.context import detached
from services.mesh.stream_call import StreamCall
from services.order.domain.market_trade import MarketTrade
from services.order.peers.session import SessionEndedError, keep_up
from services.order.pipeline.ports import Instruments
from services.order.pipeline.triggers import Triggers
from services.order.wire import nanoseconds

_log = structlog.stdlib.get_logger(__name__)

_PAGE_SIZE: Final = 1_000
MOST_RECOVERED: Final = 200_000
"""Trades of one instrument that are asked for to catch up; what was before them counts as seen."""
MOST_AHEAD: Final = 100_000
"""Trades that may come while those before them are asked for."""
_RECOVERY_PAUSE_SECONDS: Final = 0.05


class TradeFollower:
    """A stream for each instrument, kept up; each begins with what was missed.

    It subscribes first, and only then asks for what was before: so whatever is made meanwhile is in one of the two, and
    what is in both is known by its place in the feed.
    """

    def __init__(
        self, channel: Channel, instruments: Instruments, triggers: Triggers, *, most_recovered: int = MOST_RECOVERED
    ) -> None:
        self._stub = MarketDataServiceStub(channel)
        self._instruments, self._triggers, self._most_recovered = instruments, triggers, most_recovered
        self._following: dict[str, asyncio.Task[None]] = {}
        self._failure: BaseException | None = None
        self._failed = Wakeup()

    async def run(self) -> None:
        """Waits for ever; raises what has ended the following of an instrument, which nothing should."""
        while self._failure is None:
            await self._failed.wait()
        raise self._failure

    def follow(self, instrument: str) -> None:
        """Begins to follow an instrument."""
        session = keep_up(f"trades of {instrument}", lambda: self._session(instrument))
        task = self._following[instrument] = detached(session, name=f"trades of {instrument}")
        task.add_done_callback(self._ended)

    def leave(self, instrument: str) -> None:
        """Follows it no more, from this moment on."""
        if (task := self._following.pop(instrument, None)) is not None:
            task.cancel()

    async def close(self) -> None:
        """Follows nothing any more."""
        tasks = list(self._following.values())
        self._following.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = failure
            self._failed.call()

    async def _session(self, instrument: str) -> None:
        call = cast("StreamCall", self._stub.StreamTrades(StreamTradesRequest(instruments=[instrument])))
        ahead: Drain[MarketTradeMessage] = Drain()
        reading: asyncio.Task[None] | None = None
        try:
            await _subscribed(call)
            reading = detached(_read(call, ahead), name=f"reader of trades of {instrument}")
            await self._catch_up(instrument)
            with suppress(DrainClosedError):
                while True:
                    trades = await ahead.take(_PAGE_SIZE)
                    # One that was taken back or corrected is told anew in its old place, where it is known already.
                    self._triggers.traded(instrument, [_trade(each) for each in trades if not each.canceled])
            await reading
        finally:
            self._triggers.lost(instrument)
            call.cancel()
            if reading is not None:
                reading.cancel()
                with suppress(asyncio.CancelledError, CodedError, SessionEndedError):
                    await reading

    async def _catch_up(self, instrument: str) -> None:
        listed = await self._instruments.find(instrument)
        if listed is None:
            raise SessionEndedError(f"no instrument {instrument} is known")
        # What comes to wait while trades are asked for has begun to after the last of them, and meets the next ones.
        last, begins_ns = self._triggers.missing(instrument)
        trades = await self._since(instrument, last, begins_ns)
        self._triggers.caught_up(instrument, trades, listed.tick_size)

    async def _since(self, instrument: str, last: MarketTrade | None, begins_ns: int | None) -> list[MarketTrade]:
        """Returns the trades after the last one known; without it, those since a time, with the one before it."""
        found: list[MarketTrade] = []
        token = ""
        while True:
            page = await self._page(instrument, token)
            for message in page.trades:
                trade = _trade(message)
                if last is not None and not trade.follows(last):
                    return found[::-1]
                if message.canceled:
                    continue
                found.append(trade)
                if last is None and (begins_ns is None or trade.at_ns < begins_ns):
                    return found[::-1]
            token = page.next_page_token
            if len(found) >= self._most_recovered and token:
                _log.warning("more trades were missed than are asked for", instrument=instrument, count=len(found))
                token = ""
            if not token:
                return found[::-1]

    async def _page(self, instrument: str, token: str) -> ListMarketTradesResponse:
        request = ListMarketTradesRequest(instrument=instrument, page_size=_PAGE_SIZE, page_token=token)
        while True:
            response: ListMarketTradesResponse = await self._stub.ListMarketTrades(request)
            if not response.recovering:
                return response
            await asyncio.sleep(_RECOVERY_PAUSE_SECONDS)


async def _subscribed(call: StreamCall) -> None:
    """Waits until nothing is missed any more."""
    while (response := await call.read()) is not None:
        if response.WhichOneof("item") == "snapshot_end":
            return
    raise SessionEndedError("market data did not begin the stream")


async def _read(call: StreamCall, ahead: Drain[MarketTradeMessage]) -> None:
    try:
        while (response := await call.read()) is not None:
            match response.WhichOneof("item"):
                case "update":
                    ahead.put_many(response.update.trades)
                case "going_away":
                    reason = GoingAwayReason.Name(response.going_away.reason)
                    raise SessionEndedError(f"market data ends the stream: {reason}")
            if len(ahead) > MOST_AHEAD:
                raise SessionEndedError("more trades came than can be taken in")
    finally:
        ahead.close()


def _trade(message: MarketTradeMessage) -> MarketTrade:
    return MarketTrade(message.epoch, message.sequence, Decimal(message.price), nanoseconds(message.venue_time))
