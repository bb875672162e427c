"""Candle streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from ordermesh.marketdata.v1 import candle_access_pb2, candle_pb2
from services.bus.fanout import Fanout, Latest
from services.marketdata.domain.candle import Candle, Interval
from services.marketdata.domain.market import Market
from services.marketdata.domain.series import is_complete
from services.marketdata.pipeline.hub import Turn
from services.marketdata.servicer.conflated import Subscription, chunks
from services.marketdata.servicer.render import candle_message
from services.marketdata.servicer.wire import SharedEncoding, Wire

Response = candle_access_pb2.StreamCandlesResponse


class SharedCandle:
    """The newest candle of an instrument and the one before; nobody changes it.

    Attributes:
        newest: The newest.
        before: The one before; None when there is none.
        news: What a reader that had the state before needs to have this one.
    """

    __slots__ = ("before", "newest", "news")

    def __init__(self, newest: candle_pb2.Candle, before: candle_pb2.Candle | None, known: SharedCandle | None) -> None:
        self.newest, self.before = newest, before
        rolled = (
            known is not None
            and before is not None
            and (known.newest.open_time != newest.open_time or known.before != before)
        )
        self.news = [before, newest] if rolled and before is not None else [newest]

    def folded(self, count: int) -> list[candle_pb2.Candle]:
        """Returns what a reader needs that has missed so many states."""
        newest = candle_pb2.Candle()
        newest.CopyFrom(self.newest)
        newest.folded = count
        return [newest] if self.before is None else [self.before, newest]


class CandleBroadcast:
    """Hands every change of the newest candles to its readers."""

    def __init__(self, venue_time_ns: Callable[[], int]) -> None:
        self._venue_time_ns = venue_time_ns
        self._fanouts: dict[Interval, Fanout[str, SharedCandle]] = {interval: Fanout() for interval in Interval}
        self._shared: SharedEncoding[SharedCandle] = SharedEncoding(_encode)

    def turn(self, turn: Turn) -> None:
        """Publishes the candles of a turn."""
        if turn.candles:
            self._shared.forget()
        for market, interval in turn.candles:
            self.publish(market, interval)

    def publish(self, market: Market, interval: Interval) -> None:
        """Publishes the newest candle of an instrument, if it has one."""
        series = market.series[interval]
        if series.newest is None:
            return
        fanout = self._fanouts[interval]
        newest = self._message(market, series.newest, interval)
        before = self._message(market, series.before, interval) if series.before is not None else None
        fanout.publish(market.name, SharedCandle(newest, before, fanout.newest(market.name)))

    def subscribe(self, interval: Interval, names: Iterable[str] | None) -> Subscription[Latest[str, SharedCandle]]:
        """Returns a reader of an interval's candles of some instruments, or of all."""
        reader = self._fanouts[interval].subscribe(names)
        return Subscription(reader, list(_snapshot(reader.take())), self._update)

    def _update(self, latest: Sequence[Latest[str, SharedCandle]]) -> Wire:
        if len(latest) == 1 and not latest[0].folded:
            return self._shared.bytes_of_one(latest[0].value)
        return self._shared.bytes_of([(entry.value, entry.folded) for entry in latest])

    def _message(self, market: Market, candle: Candle, interval: Interval) -> candle_pb2.Candle:
        complete = is_complete(candle, interval, self._venue_time_ns())
        return candle_message(market.name, candle, interval, market.scales, complete=complete)


def _snapshot(latest: Sequence[Latest[str, SharedCandle]]) -> Iterator[tuple[int, Wire]]:
    for part in chunks(latest):
        candles = [entry.value.newest for entry in part]
        yield len(candles), Response(snapshot=candle_access_pb2.CandleSnapshot(candles=candles))


def _encode(states: Sequence[tuple[SharedCandle, int]]) -> Response:
    parts = [shared.folded(count) if count else shared.news for shared, count in states]
    return Response(update=candle_access_pb2.CandleUpdate(candles=[candle for part in parts for candle in part]))
