"""BeginAuction and UncrossAuction."""

from __future__ import annotations

from typing import Any

from ordermesh.marketdata.v1 import auction_admin_pb2 as api
from ordermesh.marketdata.v1 import instrument_pb2
from services.kernel.decimals import parse_positive
from services.marketdata.domain.auction import AuctionKind
from services.marketdata.domain.scale import scales_of
from services.marketdata.pipeline.catalogue import Catalogue
from services.marketdata.servicer.render import instrument_message


class AuctionMethods:
    """The methods of MarketDataService that run auctions."""

    _catalogue: Catalogue

    async def BeginAuction(self, request: api.BeginAuctionRequest, context: Any) -> api.BeginAuctionResponse:
        """Begins a call phase."""
        instrument, begun = await self._catalogue.begin_auction(request.instrument, AuctionKind(request.kind))
        message = instrument_message(instrument)
        # The feed says so in a moment.
        message.status = instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION
        return api.BeginAuctionResponse(instrument=message, begun=begun)

    async def UncrossAuction(self, request: api.UncrossAuctionRequest, context: Any) -> api.UncrossAuctionResponse:
        """Ends a call phase."""
        told = request.reference_price
        reference = parse_positive(told, "reference_price") if told else None
        instrument, found = await self._catalogue.uncross_auction(request.instrument, reference)
        scales = scales_of(instrument.terms)
        return api.UncrossAuctionResponse(
            instrument=instrument_message(instrument),
            price="" if found.price is None else scales.prices.text(found.price),
            quantity=scales.quantities.text(found.quantity),
        )
