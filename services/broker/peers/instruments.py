"""The terms of instruments, asked of MarketDataService once and kept: ticks, lots and multipliers never change."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Final

from ordermesh.marketdata.v1 import instrument_pb2, market_data_service_pb2, market_data_service_pb2_grpc
from services.broker.domain.terms import Terms
from services.kernel.errors import CodedError, ErrorKind
from services.mesh.client import Channel

SERVICE: Final = "ordermesh.marketdata.v1.MarketDataService"
_PAGE: Final = 1_000


class Instruments:
    """Terms by name and by the engine's number."""

    def __init__(self, channel: Channel, *, timeout_seconds: float = 2.0) -> None:
        self._stub = market_data_service_pb2_grpc.MarketDataServiceStub(channel)
        self._timeout = timeout_seconds
        self._loading = asyncio.Lock()
        self.by_name: dict[str, Terms] = {}
        self.by_number: dict[int, Terms] = {}

    async def load_all(self) -> None:
        """Loads every instrument there is.

        Raises:
            CodedError: MarketDataService does not answer.
        """
        async with self._loading:
            token = ""
            while True:
                request = market_data_service_pb2.ListInstrumentsRequest(page_size=_PAGE, page_token=token)
                page = await self._stub.ListInstruments(request, timeout=self._timeout)
                for instrument in page.instruments:
                    self._keep(instrument)
                if not (token := page.next_page_token):
                    return

    async def load(self, name: str) -> Terms | None:
        """Returns the terms of an instrument; None when there is no such instrument.

        Raises:
            CodedError: MarketDataService does not answer.
        """
        if (terms := self.by_name.get(name)) is not None:
            return terms
        request = market_data_service_pb2.GetInstrumentRequest(instrument=name)
        try:
            response = await self._stub.GetInstrument(request, timeout=self._timeout)
        except CodedError as error:
            if error.kind in (ErrorKind.NOT_FOUND, ErrorKind.INVALID):
                return None
            raise
        return self._keep(response.instrument)

    def _keep(self, told: instrument_pb2.Instrument) -> Terms:
        terms = Terms(
            told.instrument,
            told.engine_instrument_id,
            told.currency,
            Decimal(told.tick_size),
            Decimal(told.lot_size),
            Decimal(told.contract_multiplier or "1"),
            held_outright=told.asset_class != instrument_pb2.ASSET_CLASS_FUTURE,
        )
        self.by_name[terms.instrument] = terms
        self.by_number[terms.venue_number] = terms
        return terms
