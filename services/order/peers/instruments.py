"""Instruments, as MarketDataService tells them: all at first, again every few seconds, and a missing one at once."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

import structlog

from ordermesh.marketdata.v1 import instrument_pb2
from ordermesh.marketdata.v1.market_data_service_pb2 import GetInstrumentRequest, ListInstrumentsRequest
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Channel
from services.order.domain.instruments import Instrument
from services.order.wire import nanoseconds

_log = structlog.stdlib.get_logger(__name__)

_PAGE_SIZE: Final = 1_000
_TRADING: Final = (instrument_pb2.INSTRUMENT_STATUS_TRADING, instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION)


class InstrumentCatalogue:
    """What is known of instruments. While MarketDataService is away, what was known stays."""

    def __init__(self, channel: Channel, *, refresh_seconds: float = 2.0) -> None:
        self._stub = MarketDataServiceStub(channel)
        self._refresh_seconds = refresh_seconds
        self._known: dict[str, Instrument] = {}
        self._away = False
        # By symbol; made of what is known when somebody asks for the first time.
        self._listed: dict[str, list[Instrument]] = {}
        self._listed_of: dict[str, Instrument] | None = None

    def known(self, name: str) -> Instrument | None:
        """Returns an instrument if it is known already."""
        return self._known.get(name)

    def listings(self, name: str) -> list[Instrument]:
        """Returns the instruments that list the same as one, itself among them, by name; none while it is not known."""
        own = self._known.get(name)
        if own is None:
            return []
        if self._listed_of is not self._known:
            self._listed, self._listed_of = _by_symbol(self._known), self._known
        listed = [each for each in self._listed.get(own.symbol, ()) if each.lists_the_same(own)]
        return listed if own in listed else [*listed, own]

    async def find(self, name: str) -> Instrument | None:
        """Returns an instrument, asking for it when it is not known; None when there is none of that name.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        if (instrument := self._known.get(name)) is not None:
            return instrument
        try:
            response = await self._stub.GetInstrument(GetInstrumentRequest(instrument=name))
        except CodedError as error:
            if error.kind is ErrorKind.NOT_FOUND:
                return None
            raise
        self._known[name] = instrument = _instrument(response.instrument)
        return instrument

    async def run(self) -> None:
        """Refreshes for ever."""
        while True:
            try:
                await self.refresh()
                self._away = False
            except CodedError as error:
                if not self._away:
                    _log.warning("market data does not answer; instruments stay as they were", error=str(error))
                self._away = True
            await asyncio.sleep(self._refresh_seconds)

    async def refresh(self) -> None:
        """Reads all instruments.

        Raises:
            CodedError: SERVICE_UNAVAILABLE.
        """
        known: dict[str, Instrument] = {}
        token = ""
        while True:
            response = await self._stub.ListInstruments(ListInstrumentsRequest(page_size=_PAGE_SIZE, page_token=token))
            known |= {message.instrument: _instrument(message) for message in response.instruments}
            token = response.next_page_token
            if not token:
                break
        self._known = known


def _by_symbol(known: dict[str, Instrument]) -> dict[str, list[Instrument]]:
    listed: dict[str, list[Instrument]] = {}
    for name in sorted(known):
        listed.setdefault(known[name].symbol, []).append(known[name])
    return listed


def _instrument(message: instrument_pb2.Instrument) -> Instrument:
    return Instrument(
        name=message.instrument,
        tick_size=Decimal(message.tick_size),
        lot_size=Decimal(message.lot_size),
        min_quantity=Decimal(message.min_quantity),
        max_quantity=Decimal(message.max_quantity),
        trading=message.status in _TRADING,
        collecting=message.status == instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION,
        expires_at_ns=nanoseconds(message.expires_at) if message.HasField("expires_at") else None,
        currency=message.currency,
        multiplier=Decimal(message.contract_multiplier or "1"),
    )
