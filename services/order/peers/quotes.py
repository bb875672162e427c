"""The newest quotes of all instruments, followed from MarketDataService.

A quote is told at once, without asking anybody: while MarketDataService is away or silent, or its feed is lost, it is
the newest that is known, and says that it is stale.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Final, cast

import structlog
from google.protobuf.duration_pb2 import Duration

from ordermesh.marketdata.v1 import quote_pb2
from ordermesh.marketdata.v1.market_data_service_pb2 import StreamQuotesRequest, StreamQuotesResponse
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall
from services.order.domain.quotes import Quote
from services.order.peers.session import SessionEndedError, keep_up
from services.order.wire_quotes import quote_of

CONFLATION_NANOSECONDS: Final = 50_000_000
"""Least time between two messages: each costs the loop that orders go through, however few instruments have changed."""
_HEARTBEAT_SECONDS: Final = 1
_SILENCE_SECONDS: Final = 5.0

_log = structlog.stdlib.get_logger(__name__)


class QuoteBoard:
    """Quotes by instrument. Numbers are read only of those that somebody looks at, once for each change."""

    def __init__(self, channel: Channel, *, silence_seconds: float = _SILENCE_SECONDS) -> None:
        self._stub = MarketDataServiceStub(channel)
        self._silence_seconds = silence_seconds
        self._told: dict[str, quote_pb2.Quote] = {}
        self._read: dict[str, Quote] = {}
        self._snapshot: dict[str, quote_pb2.Quote] = {}
        self._connected = False

    def quote(self, instrument: str) -> Quote | None:
        """Returns the newest quote of an instrument; None while nothing is known of its market."""
        quote = self._read.get(instrument)
        if quote is not None:
            return quote
        told = self._told.get(instrument)
        if told is None:
            return None
        quote = self._read[instrument] = quote_of(told, stale=not self._connected)
        return quote

    async def run(self) -> None:
        """Follows quotes for ever."""
        await keep_up("quotes", self._session)

    async def _session(self) -> None:
        request = StreamQuotesRequest(
            heartbeat_interval=Duration(seconds=_HEARTBEAT_SECONDS),
            conflation_interval=Duration(nanos=CONFLATION_NANOSECONDS),
        )
        call = cast("StreamCall", self._stub.StreamQuotes(request))
        try:
            while (message := await self._next(call)) is not None:
                self._take(message)
        finally:
            self._set_connected(False)
            call.cancel()

    async def _next(self, call: StreamCall) -> Any:
        try:
            async with asyncio.timeout(self._silence_seconds):
                return await call.read()
        except TimeoutError:
            raise SessionEndedError("the stream of quotes is silent") from None

    def _take(self, message: StreamQuotesResponse) -> None:
        match message.WhichOneof("item"):
            case "update":
                self._keep(message.update.quotes)
            case "snapshot_begin":
                self._snapshot = {}
            case "snapshot":
                self._snapshot |= {quote.instrument: _own(quote) for quote in message.snapshot.quotes}
            case "snapshot_end":
                # What the snapshot leaves out, nothing is known of any more. Only now are quotes those of the present.
                self._told, self._snapshot = self._snapshot, {}
                self._set_connected(True)
                _log.info("quotes are followed", count=message.snapshot_end.count)

    def _keep(self, quotes: Iterable[quote_pb2.Quote]) -> None:
        told, read = self._told, self._read
        for quote in quotes:
            told[quote.instrument] = _own(quote)
            read.pop(quote.instrument, None)

    def _set_connected(self, connected: bool) -> None:
        self._connected = connected
        self._read.clear()


def _own(quote: quote_pb2.Quote) -> quote_pb2.Quote:
    """Returns a copy: a part of a message would keep all of the message in memory."""
    copy = quote_pb2.Quote()
    copy.CopyFrom(quote)
    return copy
