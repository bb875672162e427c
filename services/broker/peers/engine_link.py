"""The order entry stream of one participant of the engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Any, Final

from ordermesh.engine.v1 import execution_pb2, order_entry_service_pb2
from services.broker.domain.messages import Command, Cursor, Report, VenuePosition
from services.broker.peers.engine_codec import EngineCodec, Told
from services.broker.peers.instruments import Instruments
from services.broker.pipeline.ports import HistoryLostError
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.stream_call import StreamCall

HEARTBEAT_MILLISECONDS: Final = 1_000
SILENCE_SECONDS: Final = 6.0
OPEN_SECONDS: Final = 5.0

Executions = Sequence[execution_pb2.Execution]


def participant_of(connection_id: str, shard: int) -> str:
    """Returns the engine's name for a connection of a shard of OrderService."""
    return f"{connection_id}/{shard}"


class EngineLink:
    """An open stream. It counts as gone when the engine, which sends a sign of life each second, is silent."""

    def __init__(
        self,
        call: StreamCall,
        position: VenuePosition,
        codec: EngineCodec,
        instruments: Instruments,
        seen: Callable[[Executions], None],
    ) -> None:
        self._call = call
        self._position = position
        self._codec = codec
        self._instruments = instruments
        self._seen = seen

    @property
    def position(self) -> VenuePosition:
        """How far the engine was with the participant at the opening."""
        return self._position

    async def send(self, commands: Sequence[Command]) -> None:
        """Sends commands as one message.

        Raises:
            CodedError: The engine is gone, or the terms of an instrument cannot be asked for now.
        """
        for name in self._codec.unknown_names(commands):
            await self._instruments.load(name)
        await self._call.write(self._codec.request(commands))

    async def reports(self) -> AsyncGenerator[list[Report], None]:
        """Yields reports as they come, one list for each message of the engine."""
        while (message := await self._read()) is not None:
            executions = message.batch.executions
            if not executions:
                continue
            await known(self._instruments, self._codec, executions)
            self._seen(executions)
            yield [self._codec.report(execution) for execution in executions]

    def close(self) -> None:
        """Ends the stream."""
        self._call.cancel()

    async def _read(self) -> Any:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await self._call.read()
        except TimeoutError:
            raise unavailable("VENUE_UNAVAILABLE", "the engine is silent") from None


async def open_stream(call: StreamCall, participant: str, cursor: Cursor) -> order_entry_service_pb2.Opened:
    """Opens the stream of a participant after a cursor.

    Raises:
        HistoryLostError: The cursor belongs to another epoch of the engine.
        CodedError: The engine cannot be reached, or does not have what follows the cursor.
    """
    opening = order_entry_service_pb2.Open(
        participant=participant,
        after_execution_sequence=cursor.sequence,
        expected_epoch=cursor.epoch,
        heartbeat_interval_milliseconds=HEARTBEAT_MILLISECONDS,
    )
    try:
        async with asyncio.timeout(OPEN_SECONDS):
            await call.write(order_entry_service_pb2.TradeRequest(open=opening))
            message = await call.read()
    except TimeoutError:
        call.cancel()
        raise unavailable("VENUE_UNAVAILABLE", "the engine does not answer") from None
    except CodedError as error:
        if error.kind == ErrorKind.PRECONDITION and error.message.startswith("EPOCH"):
            raise HistoryLostError from error
        raise
    if message is None or not message.HasField("opened"):
        call.cancel()
        raise unavailable("VENUE_UNAVAILABLE", "the engine did not open the stream")
    opened: order_entry_service_pb2.Opened = message.opened
    return opened


async def known(instruments: Instruments, codec: EngineCodec, told: Sequence[Told]) -> None:
    """Sees to it that the terms of all instruments in what the engine told are loaded.

    Raises:
        CodedError: They cannot be asked for now, or MarketDataService does not know one.
    """
    if not codec.unknown_numbers(told):
        return
    await instruments.load_all()
    if unknown := codec.unknown_numbers(told):
        raise unavailable("VENUE_UNAVAILABLE", f"the engine trades instruments that nobody knows: {sorted(unknown)}")
