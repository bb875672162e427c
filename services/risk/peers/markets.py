"""Instruments and their newest prices, followed from MarketDataService.

Prices are fresh while the stream of quotes lives (it sends a sign of life each second, so that a silent instrument is
told from a dead feed) and for a short while after it broke.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, cast

import structlog
from google.protobuf.duration_pb2 import Duration

from ordermesh.marketdata.v1 import (
    instrument_pb2,
    market_data_service_pb2,
    market_data_service_pb2_grpc,
    quote_pb2,
)
from services.bus.backoff import Backoff
from services.kernel.clock import Clock
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall
from services.risk.domain.market import Market
from services.risk.pipeline.ports import Standing

SERVICE: Final = "ordermesh.marketdata.v1.MarketDataService"
CONFLATION_NANOSECONDS: Final = 50_000_000
"""How old a price may grow while the next one is on its way: nothing against what a check compares it with."""
SILENCE_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 0.5
_PAGE: Final = 1_000

_log = structlog.stdlib.get_logger(__name__)


class QuotedMarkets:
    """The instruments there are, and what they cost."""

    def __init__(self, channel: Channel, clock: Clock, *, timeout_seconds: float, most_age_seconds: float) -> None:
        self._stub = market_data_service_pb2_grpc.MarketDataServiceStub(channel)
        self._clock = clock
        self._timeout = timeout_seconds
        self._most_age_ns = round(most_age_seconds * 1e9)
        self._markets: dict[str, Market] = {}
        self._connected = False
        self._heard_ns: int | None = None
        self._silent_until = 0.0

    @property
    def all(self) -> Mapping[str, Market]:
        """All instruments that are known, by name."""
        return self._markets

    def get(self, instrument: str) -> Market | None:
        """Returns an instrument that is known."""
        return self._markets.get(instrument)

    def fresh(self, now_ns: int) -> bool:
        """Tells whether prices are fresh."""
        if self._connected:
            return True
        return self._heard_ns is not None and 0 <= now_ns - self._heard_ns <= self._most_age_ns

    async def find(self, instrument: str) -> Standing:
        """Asks for an instrument that is not known; after a question without an answer nobody for a moment."""
        if instrument in self._markets:
            return Standing.KNOWN
        if asyncio.get_running_loop().time() < self._silent_until:
            return Standing.UNREACHABLE
        request = market_data_service_pb2.GetInstrumentRequest(instrument=instrument)
        try:
            response = await self._stub.GetInstrument(request, timeout=self._timeout, wait_for_ready=True)
        except CodedError as error:
            if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
                return Standing.UNKNOWN
            self._silent_until = asyncio.get_running_loop().time() + SILENT_SECONDS
            return Standing.UNREACHABLE
        self._keep(response.instrument)
        return Standing.KNOWN

    async def require(self, instruments: Iterable[str]) -> None:
        """Waits until all of these instruments are known; what the log speaks of cannot be left out."""
        backoff = Backoff(0.1, 2.0)
        while missing := {name for name in instruments if name not in self._markets}:
            try:
                await self.load_all()
            except CodedError as error:
                _log.warning("instruments cannot be loaded now", error=str(error), instruments=sorted(missing))
                await backoff.wait()
                continue
            if missing - self._markets.keys():
                _log.error("the order log speaks of instruments that nobody knows", instruments=sorted(missing))
                await backoff.wait()

    async def load_all(self) -> None:
        """Loads every instrument there is.

        Raises:
            CodedError: MarketDataService does not answer.
        """
        token = ""
        while True:
            request = market_data_service_pb2.ListInstrumentsRequest(page_size=_PAGE, page_token=token)
            page = await self._stub.ListInstruments(request)
            for instrument in page.instruments:
                self._keep(instrument)
            if not (token := page.next_page_token):
                return

    async def run(self) -> None:
        """Follows quotes for ever."""
        backoff = Backoff(0.1, 2.0)
        while True:
            try:
                await self._follow(backoff)
            except CodedError as error:
                if self._connected:
                    _log.warning("prices stand still: the stream of quotes broke", error=str(error))
            finally:
                self._end()
            await backoff.wait()

    async def _follow(self, backoff: Backoff) -> None:
        request = market_data_service_pb2.StreamQuotesRequest(
            heartbeat_interval=Duration(seconds=1), conflation_interval=Duration(nanos=CONFLATION_NANOSECONDS)
        )
        call = cast("StreamCall", self._stub.StreamQuotes(request))
        try:
            while (message := await _read(call)) is not None:
                backoff.reset()
                await self._take(message)
        finally:
            call.cancel()

    async def _take(self, message: market_data_service_pb2.StreamQuotesResponse) -> None:
        match message.WhichOneof("item"):
            case "update":
                await self._quotes(message.update.quotes)
            case "snapshot":
                await self._quotes(message.snapshot.quotes)
            case "snapshot_end":
                # Only now are the prices those of the present.
                self._connected = True
                _log.info("prices are followed", count=message.snapshot_end.count)

    async def _quotes(self, quotes: Iterable[quote_pb2.Quote]) -> None:
        markets = self._markets
        for quote in quotes:
            if (market := markets.get(quote.instrument)) is None:
                if await self.find(quote.instrument) != Standing.KNOWN:
                    continue
                market = markets[quote.instrument]
            market.quote(quote.bid_price, quote.ask_price, quote.last_price)

    def _end(self) -> None:
        if self._connected:
            self._heard_ns = self._clock.now_ns()
        self._connected = False

    def _keep(self, told: instrument_pb2.Instrument) -> None:
        if told.instrument not in self._markets:
            multiplier = Decimal(told.contract_multiplier or "1")
            self._markets[told.instrument] = Market(told.instrument, told.currency, multiplier)


async def _read(call: StreamCall) -> Any:
    try:
        async with asyncio.timeout(SILENCE_SECONDS):
            return await call.read()
    except TimeoutError:
        raise unavailable("SERVICE_UNAVAILABLE", "the stream of quotes is silent") from None
