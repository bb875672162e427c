"""MarketDataService, as the simulated market needs it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from ordermesh.marketdata.v1 import instrument_admin_pb2, instrument_pb2, market_data_service_pb2
from ordermesh.marketdata.v1.market_data_service_pb2_grpc import MarketDataServiceStub
from services.mesh.client import Channel


@dataclass(frozen=True, slots=True)
class ListedInstrument:
    """An instrument as the simulated market needs it."""

    name: str
    engine_id: int
    tick_size: Decimal
    lot_size: Decimal
    last_price: Decimal | None


class MarketDataPeer:
    """MarketDataService."""

    def __init__(self, channel: Channel) -> None:
        self._stub = MarketDataServiceStub(channel)

    async def instruments(self) -> list[ListedInstrument]:
        """Returns all instruments with the price of their last trade."""
        prices = await self._last_prices()
        found: list[ListedInstrument] = []
        token = ""
        while True:
            request = market_data_service_pb2.ListInstrumentsRequest(page_size=1000, page_token=token)
            page = await self._stub.ListInstruments(request)
            found += [_listed(instrument, prices) for instrument in page.instruments]
            token = page.next_page_token
            if not token:
                return found

    async def create_equity(self, name: str, description: str) -> ListedInstrument:
        """Makes an instrument in cents and single shares, or finds it made.

        Raises:
            CodedError: INSTRUMENT_EXISTS, when it exists with other terms.
        """
        request = instrument_admin_pb2.CreateInstrumentRequest(
            instrument=name,
            description=description,
            asset_class=instrument_pb2.ASSET_CLASS_EQUITY,
            currency="USD",
            tick_size="0.01",
            lot_size="1",
        )
        response = await self._stub.CreateInstrument(request)
        return _listed(response.instrument, {})

    async def _last_prices(self) -> dict[str, Decimal]:
        prices: dict[str, Decimal] = {}
        async for response in self._stub.StreamQuotes(market_data_service_pb2.StreamQuotesRequest()):
            if response.HasField("snapshot_end"):
                break
            for quote in response.snapshot.quotes:
                if quote.last_price:
                    prices[quote.instrument] = Decimal(quote.last_price)
        return prices


def _listed(instrument: instrument_pb2.Instrument, prices: dict[str, Decimal]) -> ListedInstrument:
    return ListedInstrument(
        name=instrument.instrument,
        engine_id=instrument.engine_instrument_id,
        tick_size=Decimal(instrument.tick_size),
        lot_size=Decimal(instrument.lot_size),
        last_price=prices.get(instrument.instrument),
    )
