"""What the operator of the market does at the engine."""

from __future__ import annotations

from ordermesh.engine.v1 import instrument_service_pb2
from ordermesh.engine.v1.instrument_service_pb2_grpc import InstrumentServiceStub
from services.mesh.client import Channel


class EngineAdmin:
    """Halts and resumes trading."""

    def __init__(self, channel: Channel) -> None:
        self._stub = InstrumentServiceStub(channel)

    async def halt(self, instrument_id: int) -> None:
        """Halts trading in an instrument."""
        await self._stub.HaltInstrument(instrument_service_pb2.HaltInstrumentRequest(instrument_id=instrument_id))

    async def resume(self, instrument_id: int) -> None:
        """Resumes trading in an instrument."""
        await self._stub.ResumeInstrument(instrument_service_pb2.ResumeInstrumentRequest(instrument_id=instrument_id))
