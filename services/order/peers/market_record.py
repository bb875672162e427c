"""What the public market was, as MarketDataService tells it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Final

from ordermesh.marketdata.v1 import candle_pb2, market_trade_pb2
from ordermesh.marketdata.v1.candle_access_pb2 import ListCandlesRequest
from ordermesh.marketdata.v1.market_data_service_pb2 import GetInstrumentRequest
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from ordermesh.marketdata.v1.market_trade_access_pb2 import ListMarketTradesRequest
from services.kernel.decimals import EXACT, ZERO
from services.mesh.client import Channel
from services.order.domain.executions import Mark, Traded
from services.order.pipeline.judging import Contract
from services.order.wire import nanoseconds, timestamp

MOST_TRADES: Final = 5_000
"""Beyond so many trades of an order's life, candles are taken."""
_MOST_CANDLES: Final = 4_000
_PAGE_SIZE: Final = 1_000
_NEAR: Final = 20
"""Trades that are asked for at a time for the last one that counts: some of a page may not. Bounds of a list are whole
microseconds, times are not; and a trade that its venue has taken back is still listed."""
_MICROSECOND: Final = 1_000
_SECOND: Final = 1_000_000_000

_INTERVALS: Final = (
    (_SECOND, candle_pb2.CANDLE_INTERVAL_1S),
    (60 * _SECOND, candle_pb2.CANDLE_INTERVAL_1M),
    (3_600 * _SECOND, candle_pb2.CANDLE_INTERVAL_1H),
    (86_400 * _SECOND, candle_pb2.CANDLE_INTERVAL_1D),
)


class PublicMarket:
    """Public trades and candles. What prices of an instrument mean never changes, and is asked for once."""

    def __init__(self, channel: Channel) -> None:
        self._stub = MarketDataServiceStub(channel)
        self._contracts: dict[str, Contract] = {}

    async def contract(self, instrument: str) -> Contract:
        """Returns what the instrument's prices mean.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT or SERVICE_UNAVAILABLE.
        """
        known = self._contracts.get(instrument)
        if known is None:
            terms = (await self._stub.GetInstrument(GetInstrumentRequest(instrument=instrument))).instrument
            known = Contract(terms.currency, Decimal(terms.contract_multiplier or "1"))
            self._contracts[instrument] = known
        return known

    async def last_trade(self, instrument: str, begin_ns: int, end_ns: int) -> Mark | None:
        """Returns the last public trade from one time to another, both inclusive; None when there was none that counts.

        Raises:
            CodedError: SERVICE_UNAVAILABLE, STORE_UNAVAILABLE.
        """
        async for trade in self._each_trade(instrument, begin_ns, end_ns, _NEAR):
            return Mark(Decimal(trade.price), nanoseconds(trade.venue_time))
        return None

    async def traded(self, instrument: str, begin_ns: int, end_ns: int) -> Traded | None:
        """Returns what the public traded from one time to another, both inclusive; None when that is nothing.

        Raises:
            CodedError: UNKNOWN_INSTRUMENT, SERVICE_UNAVAILABLE, STORE_UNAVAILABLE.
        """
        paid, volume, count = ZERO, ZERO, 0
        async for trade in self._each_trade(instrument, begin_ns, end_ns):
            quantity = Decimal(trade.quantity)
            paid = EXACT.add(paid, EXACT.multiply(Decimal(trade.price), quantity))
            volume = EXACT.add(volume, quantity)
            count += 1
            if count > MOST_TRADES:
                break
        if 0 < count <= MOST_TRADES:
            return Traded(paid, volume, count, begin_ns, end_ns)
        return await self._of_candles(instrument, begin_ns, end_ns)

    async def _each_trade(
        self, instrument: str, begin_ns: int, end_ns: int, page_size: int = _PAGE_SIZE
    ) -> AsyncIterator[market_trade_pb2.MarketTrade]:
        """Yields the trades that count, newest first."""
        request = _trades(instrument, begin_ns, end_ns, page_size)
        while True:
            response = await self._stub.ListMarketTrades(request)
            for trade in response.trades:
                if begin_ns <= nanoseconds(trade.venue_time) <= end_ns and not trade.canceled:
                    yield trade
            if not response.next_page_token:
                return
            request.page_token = response.next_page_token

    async def _of_candles(self, instrument: str, begin_ns: int, end_ns: int) -> Traded | None:
        """Returns the same of candles: the shortest that are kept and are not too many."""
        for length_ns, interval in _INTERVALS:
            first_ns = begin_ns - begin_ns % length_ns
            last_ns = end_ns - end_ns % length_ns + length_ns
            if (last_ns - first_ns) // length_ns > _MOST_CANDLES:
                continue
            traded = await self._sum(instrument, interval, first_ns, last_ns)
            if traded is not None:
                return traded
        return None

    async def _sum(
        self, instrument: str, interval: candle_pb2.CandleInterval.ValueType, first_ns: int, last_ns: int
    ) -> Traded | None:
        request = ListCandlesRequest(
            instrument=instrument, interval=interval, to=timestamp(last_ns), page_size=_PAGE_SIZE
        )
        getattr(request, "from").CopyFrom(timestamp(first_ns))
        turnover, volume, count = ZERO, ZERO, 0
        while True:
            response = await self._stub.ListCandles(request)
            for candle in response.candles:
                turnover = EXACT.add(turnover, Decimal(candle.turnover))
                volume = EXACT.add(volume, Decimal(candle.volume))
                count += candle.trade_count
            if not response.next_page_token:
                break
            request.page_token = response.next_page_token
        if not volume:
            return None
        multiplier = (await self.contract(instrument)).multiplier
        return Traded(EXACT.divide(turnover, multiplier), volume, count, first_ns, last_ns)


def _trades(instrument: str, begin_ns: int, end_ns: int, size: int) -> ListMarketTradesRequest:
    request = ListMarketTradesRequest(
        instrument=instrument, to=timestamp((end_ns // _MICROSECOND + 1) * _MICROSECOND), page_size=size
    )
    getattr(request, "from").CopyFrom(timestamp(begin_ns // _MICROSECOND * _MICROSECOND))
    return request
