"""The engine's instruments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind, precondition, unavailable
from services.marketdata.domain.auction import Auction, AuctionKind, Uncrossed
from services.marketdata.domain.instrument import Instrument, TradingStatus, price_out_of_range
from services.marketdata.domain.scale import scales_of
from services.marketdata.pipeline.ports import VenueListing

RETRY_AFTER_SECONDS = 1.0

_AWAY = {ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE, ErrorKind.CANCELLED, ErrorKind.EXHAUSTED}

STATUS_OF_ENGINE = {
    instrument_pb2.TRADING_STATUS_OPEN: TradingStatus.TRADING,
    instrument_pb2.TRADING_STATUS_HALTED: TradingStatus.HALTED,
    instrument_pb2.TRADING_STATUS_CALL: TradingStatus.CALL_AUCTION,
}
_KIND_OF_AUCTION = {
    AuctionKind.OPENING: instrument_pb2.AUCTION_KIND_OPENING,
    AuctionKind.CLOSING: instrument_pb2.AUCTION_KIND_CLOSING,
}


class EngineVenue:
    """Lists, halts and resumes instruments in the engine, and runs their auctions."""

    def __init__(self, stub: instrument_service_pb2_grpc.InstrumentServiceAsyncStub) -> None:
        self._stub = stub

    async def listings(self) -> list[VenueListing]:
        """Returns every instrument that the engine knows; raises VENUE_UNAVAILABLE."""
        with venue_errors():
            answer = await self._stub.ListInstruments(instrument_service_pb2.ListInstrumentsRequest())
        return [
            VenueListing(entry.instrument.instrument_id, entry.instrument.symbol, STATUS_OF_ENGINE[entry.status])
            for entry in answer.instruments
        ]

    async def define(self, instrument: Instrument) -> None:
        """Lists an instrument; raises VENUE_UNAVAILABLE."""
        most = scales_of(instrument.terms).quantities.count(instrument.terms.max_quantity)
        message = instrument_pb2.Instrument(
            instrument_id=instrument.number, symbol=instrument.name, maximum_quantity_lots=most
        )
        with venue_errors():
            await self._stub.DefineInstrument(instrument_service_pb2.DefineInstrumentRequest(instrument=message))

    async def set_status(self, number: int, status: TradingStatus) -> None:
        """Halts or resumes trading; raises VENUE_UNAVAILABLE."""
        with venue_errors():
            if status is TradingStatus.HALTED:
                await self._stub.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=number))
            else:
                await self._stub.ResumeInstrument(instrument_service_pb2.ResumeInstrumentRequest(instrument_id=number))

    async def begin_auction(self, number: int, kind: AuctionKind) -> bool:
        """Begins a call phase; raises AUCTION_PHASE_MISMATCH or VENUE_UNAVAILABLE."""
        request = instrument_service_pb2.BeginAuctionRequest(instrument_id=number, kind=_KIND_OF_AUCTION[kind])
        with _auction_errors("an auction of the other kind goes on"):
            return (await self._stub.BeginAuction(request)).changed

    async def uncross_auction(self, number: int, reference_price: int | None) -> Uncrossed:
        """Ends a call phase; raises AUCTION_PHASE_MISMATCH, PRICE_OUT_OF_RANGE or VENUE_UNAVAILABLE."""
        request = instrument_service_pb2.UncrossAuctionRequest(
            instrument_id=number, reference_price_ticks=reference_price
        )
        with _auction_errors("no auction goes on, or it is halted"):
            answer = await self._stub.UncrossAuction(request)
        return Uncrossed(answer.price_ticks if answer.HasField("price_ticks") else None, answer.volume_lots)

    async def auction(self, number: int) -> Auction | None:
        """Returns the auction that goes on; raises VENUE_UNAVAILABLE."""
        with _auction_errors(""):
            answer = await self._stub.QueryAuction(instrument_service_pb2.QueryAuctionRequest(instrument_id=number))
        if not answer.kind:
            return None
        price = answer.price_ticks if answer.HasField("price_ticks") else None
        return Auction(AuctionKind(answer.kind), price, answer.volume_lots, answer.surplus_lots)


@contextmanager
def _auction_errors(mismatch: str) -> Iterator[None]:
    """Tells what the engine refuses of an auction in our words."""
    try:
        with venue_errors():
            yield
    except CodedError as error:
        if error.kind is ErrorKind.PRECONDITION:
            raise precondition("AUCTION_PHASE_MISMATCH", mismatch) from error
        if error.kind is ErrorKind.INVALID:
            raise price_out_of_range() from error
        if error.kind is ErrorKind.NOT_FOUND:
            # It has lost its journal; the instrument is listed again with the next connection.
            raise venue_unavailable("it does not list the instrument now") from error
        raise


@contextmanager
def venue_errors() -> Iterator[None]:
    """Tells an engine that does not answer as VENUE_UNAVAILABLE; what it refuses stays what it is."""
    try:
        yield
    except CodedError as error:
        if error.kind in _AWAY:
            raise venue_unavailable(error.message) from error
        raise


def venue_unavailable(text: str) -> CodedError:
    """Returns the error for a venue that cannot be reached."""
    return unavailable(
        "VENUE_UNAVAILABLE", f"the venue does not answer: {text}", retry_after_seconds=RETRY_AFTER_SECONDS
    )
