"""MarketDataService: the terms of instruments, and the stream of their prices."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import cast

import structlog

from ordermesh.marketdata.v1 import instrument_pb2, market_data_service_pb2, market_data_service_pb2_grpc, quote_pb2
from services.bus.backoff import Backoff
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall
from services.portfolio.domain.fill import InstrumentTerms
from services.portfolio.domain.price import Price, price_of
from services.portfolio.pipeline.prices import PriceBoard

SERVICE = market_data_service_pb2.DESCRIPTOR.services_by_name["MarketDataService"].full_name
HEARTBEAT_SECONDS = 5
CONFLATION_MILLISECONDS = 50
SILENCE_SECONDS = 15.0
"""Without any message for so long, the stream counts as dead."""

_PAIRS = frozenset({instrument_pb2.ASSET_CLASS_FX, instrument_pb2.ASSET_CLASS_CRYPTO})
_log = structlog.stdlib.get_logger(__name__)


class MarketDataInstruments:
    """Terms of instruments. They never change once made, so that each is asked for once."""

    def __init__(self, channel: Channel) -> None:
        self._stub = market_data_service_pb2_grpc.MarketDataServiceStub(channel)
        self._known: dict[str, InstrumentTerms] = {}

    async def find(self, name: str) -> InstrumentTerms | None:
        """Returns an instrument's terms; None when there is none of that name.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        if (known := self._known.get(name)) is not None:
            return known
        try:
            answer = await self._stub.GetInstrument(market_data_service_pb2.GetInstrumentRequest(instrument=name))
        except CodedError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        self._known[name] = terms = _terms(answer.instrument)
        return terms


class PriceFeed:
    """Keeps the price board current from the stream of all quotes."""

    def __init__(self, channel: Channel, instruments: MarketDataInstruments, board: PriceBoard) -> None:
        self._stub = market_data_service_pb2_grpc.MarketDataServiceStub(channel)
        self._instruments, self._board = instruments, board
        self.connected = False

    async def run(self, backoff: Backoff) -> None:
        """Follows quotes for ever; while they do not come, prices are marked as stale."""
        while True:
            try:
                await self._follow(backoff)
            except CodedError as error:
                if self.connected:
                    _log.warning("no prices come", error=str(error))
            self.connected = False
            self._board.mark_stale()
            await backoff.wait()

    async def _follow(self, backoff: Backoff) -> None:
        request = market_data_service_pb2.StreamQuotesRequest()
        request.heartbeat_interval.FromSeconds(HEARTBEAT_SECONDS)
        request.conflation_interval.FromMilliseconds(CONFLATION_MILLISECONDS)
        call = cast("StreamCall", self._stub.StreamQuotes(request))
        try:
            while (message := await self._next(call)) is not None:
                self.connected = True
                backoff.reset()
                await self._take(message)
        finally:
            call.cancel()

    async def _next(self, call: StreamCall) -> market_data_service_pb2.StreamQuotesResponse | None:
        try:
            # Not wait_for: in Python 3.11 it swallows a cancellation that comes together with a message.
            async with asyncio.timeout(SILENCE_SECONDS):
                message = await call.read()
        except TimeoutError:
            raise unavailable("SERVICE_UNAVAILABLE", "the stream of quotes is silent") from None
        return cast("market_data_service_pb2.StreamQuotesResponse | None", message)

    async def _take(self, message: market_data_service_pb2.StreamQuotesResponse) -> None:
        match message.WhichOneof("item"):
            case "snapshot":
                await self._take_quotes(message.snapshot.quotes)
            case "update":
                await self._take_quotes(message.update.quotes)
            case _:
                pass  # heartbeats and marks of the stream carry no price

    async def _take_quotes(self, quotes: Iterable[quote_pb2.Quote]) -> None:
        for quote in quotes:
            if (terms := await self._instruments.find(quote.instrument)) is not None:
                self._board.update(terms, _price(quote))


def _terms(instrument: instrument_pb2.Instrument) -> InstrumentTerms:
    base, dash, quote = instrument.symbol.partition("-")
    is_pair = instrument.asset_class in _PAIRS and dash and quote == instrument.currency
    return InstrumentTerms(
        name=instrument.instrument,
        currency=instrument.currency,
        multiplier=Decimal(instrument.contract_multiplier),
        pair_base=base if is_pair else "",
    )


def _price(quote: quote_pb2.Quote) -> Price | None:
    return price_of(
        _decimal(quote.bid_price),
        _decimal(quote.ask_price),
        _decimal(quote.last_price),
        stale=quote.stale,
        at_ns=quote.venue_time.ToNanoseconds() if quote.HasField("venue_time") else 0,
    )


def _decimal(text: str) -> Decimal | None:
    return Decimal(text) if text else None
