"""The engine's feed: followed from where it was left, as long as the service lives."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, cast

import structlog

from ordermesh.engine.v1 import market_feed_pb2, market_feed_service_pb2, market_feed_service_pb2_grpc, order_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.marketdata.domain.book import Level
from services.marketdata.domain.market import FeedGapError, MarketSnapshot
from services.marketdata.domain.trade import Aggressor, Trade, position_of
from services.marketdata.peers.engine_past import AGGRESSORS, subscription
from services.marketdata.peers.engine_venue import STATUS_OF_ENGINE, venue_errors, venue_unavailable
from services.marketdata.pipeline.epochs import Epochs
from services.marketdata.pipeline.hub import Hub
from services.marketdata.pipeline.retry import Waiting

_log = structlog.stdlib.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """How the feed is watched.

    Attributes:
        heartbeat_milliseconds: How often the engine shall speak when nothing happens.
        silence_seconds: How long it may be silent before the feed counts as lost.
    """

    heartbeat_milliseconds: int = 200
    silence_seconds: float = 3.0


class Cancellable(Protocol):
    """A stream that can be ended."""

    def cancel(self) -> object:
        """Ends it."""
        ...


class EngineFeed:
    """Follows all markets of the hub."""

    def __init__(
        self,
        stub: market_feed_service_pb2_grpc.MarketFeedServiceAsyncStub,
        hub: Hub,
        epochs: Epochs,
        before_connecting: Callable[[], Awaitable[None]],
        waiting: Waiting,
        options: FeedOptions | None = None,
    ) -> None:
        """Connects to nothing yet.

        Args:
            stub: The engine.
            hub: What the feed moves.
            epochs: Numbers of epochs.
            before_connecting: What must be done first each time: the engine may have begun anew.
            waiting: Waits between attempts.
            options: How the feed is watched.
        """
        self._stub, self._hub, self._epochs, self._waiting = stub, hub, epochs, waiting
        self._before_connecting = before_connecting
        self._options = options or FeedOptions()
        self._call: Cancellable | None = None
        self._again = False
        self._heard = 0.0
        self._chunks: dict[int, list[market_feed_pb2.FeedSnapshot]] = {}
        self.connections = 0
        self.gaps = 0
        self.events = 0

    async def run(self) -> None:
        """Follows the feed for ever.

        Raises:
            CodedError: Instruments cannot be listed though the engine answers.
        """
        watch = asyncio.create_task(self._watch())
        try:
            while True:
                try:
                    await self._before_connecting()
                    await self._follow()
                except FeedGapError as error:
                    self.gaps += 1
                    self._lost(str(error))
                except CodedError as error:
                    if not _is_away(error):
                        raise
                    self._lost(str(error))
                    await self._waiting.wait()
        finally:
            watch.cancel()

    def resubscribe(self) -> None:
        """Follows the markets that the hub has by now; nothing is missed."""
        self._again = True
        if self._call is not None:
            self._call.cancel()

    def age_seconds(self) -> float:
        """Returns how long ago the engine last spoke; metrics ask from a thread of their own."""
        return time.monotonic() - self._heard

    async def _follow(self) -> None:
        self._again = False
        positions = {market.number: market.sequence for market in self._hub.by_number.values()}
        call = self._stub.Subscribe(subscription(positions, self._hub.epoch, self._options.heartbeat_milliseconds))
        self._call = cast("Cancellable", call)
        self._heard = time.monotonic()
        self._chunks.clear()
        try:
            with venue_errors():
                async for response in cast("AsyncIterable[market_feed_service_pb2.SubscribeResponse]", call):
                    self._heard = time.monotonic()
                    self._take(response)
        except CodedError:
            if not self._again:
                raise
        else:
            if not self._again:
                raise venue_unavailable("its feed ended")
        finally:
            self._call = None

    def _take(self, response: market_feed_service_pb2.SubscribeResponse) -> None:
        match response.WhichOneof("content"):
            case "update":
                self._events(response.update.events)
            case "heartbeat":
                self._hub.heard(response.heartbeat.time_ns)
            case "snapshot":
                self._snapshot(response.snapshot)
            case "subscribed":
                self.connections += 1
                self._waiting.reset()
                self._hub.opened(response.subscribed.epoch, self._epochs.number_of(response.subscribed.epoch))
                _log.info("the feed is there", epoch=response.subscribed.epoch)

    def _events(self, events: Iterable[market_feed_pb2.FeedEvent]) -> None:
        hub, by_number = self._hub, self._hub.by_number
        count, time_ns = 0, 0
        for event in events:
            count += 1
            time_ns = event.time_ns
            market = by_number[event.instrument_id]
            if not market.advance(event.feed_sequence, time_ns):
                continue
            match event.WhichOneof("content"):
                case "level":
                    level = event.level
                    hub.level(
                        market,
                        bid=level.side == order_pb2.SIDE_BUY,
                        price=level.price_ticks,
                        quantity=level.quantity_lots,
                        orders=level.order_count,
                    )
                case "trade":
                    trade = event.trade
                    aggressor = AGGRESSORS.get(trade.aggressor_side, Aggressor.UNKNOWN)
                    hub.trade(market, trade.trade_id, trade.price_ticks, trade.quantity_lots, aggressor)
                case "trade_adjustment":
                    adjustment = event.trade_adjustment
                    hub.adjust(market, adjustment.trade_id, adjustment.price_ticks, adjustment.quantity_lots)
                case "status":
                    hub.status(market, STATUS_OF_ENGINE[event.status.status])
        self.events += count
        hub.heard(time_ns)

    def _snapshot(self, part: market_feed_pb2.FeedSnapshot) -> None:
        chunks = self._chunks.setdefault(part.instrument_id, [])
        chunks.append(part)
        if part.complete:
            del self._chunks[part.instrument_id]
            self._hub.restore(_snapshot_of(chunks, self._hub.epoch_number))

    async def _watch(self) -> None:
        """Ends a feed that has fallen silent though its connection stands."""
        limit = self._options.silence_seconds
        while True:
            await asyncio.sleep(limit / 2)
            if self._call is not None and time.monotonic() - self._heard > limit:
                self._call.cancel()

    def _lost(self, text: str) -> None:
        if self._hub.connected:
            _log.warning("the feed is lost", error=text)
        self._hub.lost()


def _snapshot_of(chunks: list[market_feed_pb2.FeedSnapshot], epoch_number: int) -> MarketSnapshot:
    last = chunks[-1]
    trade = None
    if last.HasField("last_trade"):
        trade = Trade(
            position_of(epoch_number, last.feed_sequence),
            last.last_trade_time_ns,
            last.last_trade.price_ticks,
            last.last_trade.quantity_lots,
            AGGRESSORS.get(last.last_trade.aggressor_side, Aggressor.UNKNOWN),
            last.last_trade.trade_id,
        )
    return MarketSnapshot(
        number=last.instrument_id,
        sequence=last.feed_sequence,
        status=STATUS_OF_ENGINE[last.status],
        bids=tuple(_level(level) for chunk in chunks for level in chunk.bids),
        asks=tuple(_level(level) for chunk in chunks for level in chunk.asks),
        last_trade=trade,
    )


def _level(level: market_feed_pb2.BookLevel) -> Level:
    return Level(level.price_ticks, level.quantity_lots, level.order_count)


def _is_away(error: CodedError) -> bool:
    """Tells whether to try again; an instrument that the engine does not know is listed first the next time."""
    return error.kind in (ErrorKind.UNAVAILABLE, ErrorKind.EXHAUSTED, ErrorKind.NOT_FOUND, ErrorKind.DEADLINE)
