"""What an instrument's market was and is, for orders that are worked: bars of days past, and the volume so far."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import structlog

from ordermesh.marketdata.v1 import candle_pb2
from ordermesh.marketdata.v1.candle_access_pb2 import ListCandlesRequest
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.mesh.client import Channel
from services.order.domain.algorithms.estimates import Bar
from services.order.wire import nanoseconds, timestamp

_SECOND: Final = 1_000_000_000
_PAGE_SIZE: Final = 1_000
_INTERVALS: Final = {
    _SECOND: candle_pb2.CANDLE_INTERVAL_1S,
    60 * _SECOND: candle_pb2.CANDLE_INTERVAL_1M,
    900 * _SECOND: candle_pb2.CANDLE_INTERVAL_15M,
}
_LATE_NS: Final = 5 * _SECOND
"""How long a bar is read again: trades may come in after the second that they were made in."""

_log = structlog.stdlib.get_logger(__name__)


class MarketBars:
    """Bars of an instrument, out of MarketDataService's candles."""

    def __init__(self, channel: Channel) -> None:
        self._stub = MarketDataServiceStub(channel)

    async def bars(self, instrument: str, begin_ns: int, end_ns: int, step_ns: int) -> list[Bar]:
        """Returns the bars with trades that are in a time in part at least, oldest first.

        Raises:
            CodedError: SERVICE_UNAVAILABLE or STORE_UNAVAILABLE.
        """
        request = ListCandlesRequest(
            instrument=instrument, interval=_INTERVALS[step_ns], to=timestamp(end_ns), page_size=_PAGE_SIZE
        )
        getattr(request, "from").CopyFrom(timestamp(begin_ns - begin_ns % step_ns))
        bars: list[Bar] = []
        while True:
            response = await self._stub.ListCandles(request)
            bars += (
                Bar(nanoseconds(candle.open_time), Decimal(candle.close_price), Decimal(candle.volume))
                for candle in response.candles
            )
            if not response.next_page_token:
                return bars[::-1]
            request.page_token = response.next_page_token


@dataclass(slots=True)
class _Watched:
    """A volume that is followed.

    Attributes:
        watchers: How many need it.
        settled: Volume of the bars before `open_ns`, which change no more.
        open_ns: First bar that is read again.
        volume: All of it; None until it was read.
    """

    open_ns: int
    watchers: int = 0
    settled: Decimal = ZERO
    volume: Decimal | None = None


class VolumeBoard:
    """Volumes of instruments since a time, to the second, asked for again and again while somebody needs them.

    Asked for rather than streamed: the answer holds all that has traded, whatever was missed in between, also over
    restarts of either side. While MarketDataService is away, the newest that is known stays.
    """

    def __init__(self, bars: MarketBars, *, interval_seconds: float = 0.5) -> None:
        self._bars, self._interval_seconds = bars, interval_seconds
        self._watched: dict[tuple[str, int], _Watched] = {}
        self._needed = asyncio.Event()

    def watch(self, instrument: str, since_ns: int) -> None:
        """Follows the volume of an instrument since a time, until as many say that they need it no more."""
        # The second that has begun is left out: what traded in it before cannot be told from what did after.
        watched = self._watched.setdefault((instrument, since_ns), _Watched(-(-since_ns // _SECOND) * _SECOND))
        watched.watchers += 1
        self._needed.set()

    def unwatch(self, instrument: str, since_ns: int) -> None:
        """Says that the volume is needed no more."""
        watched = self._watched[instrument, since_ns]
        watched.watchers -= 1
        if not watched.watchers:
            del self._watched[instrument, since_ns]
            if not self._watched:
                self._needed.clear()

    def volume(self, instrument: str, since_ns: int) -> Decimal | None:
        """Returns the newest that is known of a volume that is watched; None while nothing is."""
        watched = self._watched.get((instrument, since_ns))
        return None if watched is None else watched.volume

    async def run(self, now_ns: Callable[[], int]) -> None:
        """Asks for ever."""
        while True:
            await self._needed.wait()
            for (instrument, _), watched in list(self._watched.items()):
                try:
                    await self._read(instrument, watched, now_ns())
                except CodedError as error:
                    _log.warning("the volume of a market cannot be read", instrument=instrument, error=str(error))
            await asyncio.sleep(self._interval_seconds)

    async def _read(self, instrument: str, watched: _Watched, now_ns: int) -> None:
        bars = await self._bars.bars(instrument, watched.open_ns, max(now_ns, watched.open_ns) + _SECOND, _SECOND)
        volume = sum((bar.volume for bar in bars), watched.settled)
        settles_ns = (now_ns - _LATE_NS) // _SECOND * _SECOND
        if settles_ns > watched.open_ns:
            watched.settled += sum((bar.volume for bar in bars if bar.at_ns < settles_ns), ZERO)
            watched.open_ns = settles_ns
        watched.volume = volume
