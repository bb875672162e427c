"""The engine's instruments."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from ordermesh.engine.v1 import instrument_pb2, instrument_service_pb2, instrument_service_pb2_grpc
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.marketdata.domain.instrument import Instrument, TradingStatus
from services.marketdata.domain.scale import scales_of
from services.marketdata.pipeline.ports import VenueListing

RETRY_AFTER_SECONDS = 1.0

_AWAY = {ErrorKind.UNAVAILABLE, ErrorKind.DEADLINE, ErrorKind.CANCELLED, ErrorKind.EXHAUSTED}

STATUS_OF_ENGINE = {
    instrument_pb2.TRADING_STATUS_OPEN: TradingStatus.TRADING,
    instrument_pb2.TRADING_STATUS_HALTED: TradingStatus.HALTED,
    # Orders collect for an auction, and nothing trades.
    instrument_pb2.TRADING_STATUS_CALL: TradingStatus.HALTED,
}


class EngineVenue:
    """Lists, halts and resumes instruments in the engine."""

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
