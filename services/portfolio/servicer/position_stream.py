"""StreamPositions: an account's positions, then every booking, none left out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from ordermesh.event.v1 import event_pb2
from ordermesh.portfolio.v1 import position_pb2, position_stream_pb2
from services.mesh.interceptors.base import Context
from services.mesh.streams import Frames, PrivateStream, Snapshot, Source, heartbeat_seconds, resume_tokens
from services.mesh.tokens import filters_of
from services.portfolio.codec import value_to_proto, valued_to_proto
from services.portfolio.pipeline.ports import LoggedChange
from services.portfolio.servicer.desk import Desk

_MOST_PER_CHUNK = 500
_Response = position_stream_pb2.StreamPositionsResponse


class PositionStreamMethods:
    """Streams positions."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def StreamPositions(
        self, request: position_stream_pb2.StreamPositionsRequest, _context: Context
    ) -> AsyncIterator[position_stream_pb2.StreamPositionsResponse]:
        """Streams an account's positions: the open ones as a snapshot, then every booking."""
        desk = self._desk
        desk.ledger.account(request.account_id)
        reader = _Reader(desk, request.account_id, request.instrument)
        stream = PrivateStream(
            Frames(_Response, desk.clock),
            Source(desk.hub, reader.accepts, reader.snapshot, reader.read_after, reader.encode),
            resume_tokens(desk.epoch, filters_of(request)),
            desk.draining,
            heartbeat_seconds=heartbeat_seconds(
                request.heartbeat_interval if request.HasField("heartbeat_interval") else None
            ),
        )
        async for message in stream.run(request.resume_token):
            yield message


class _Reader:
    """What one stream reads, by its filters."""

    def __init__(self, desk: Desk, account_id: str, instrument: str) -> None:
        self._desk, self._account_id, self._instrument = desk, account_id, instrument

    def accepts(self, change: LoggedChange) -> bool:
        return change.account_id == self._account_id and self._wants(change.instrument)

    async def snapshot(self) -> Snapshot[position_stream_pb2.StreamPositionsResponse]:
        ledger, valuer = self._desk.ledger, self._desk.valuer
        positions = [
            valued_to_proto(valuer.valued(position))
            for instrument, position in sorted(ledger.positions_of(self._account_id).items())
            if position.is_open and self._wants(instrument)
        ]
        chunks = [
            _Response(
                snapshot=position_stream_pb2.PositionSnapshot(positions=positions[start : start + _MOST_PER_CHUNK])
            )
            for start in range(0, len(positions), _MOST_PER_CHUNK)
        ]
        return Snapshot(ledger.sequence, chunks, len(positions))

    async def read_after(self, after: int, limit: int) -> tuple[Sequence[LoggedChange], int]:
        up_to = self._desk.hub.last_sequence
        rows = await self._desk.history.of_account(self._account_id, after, up_to, limit)
        changes = [
            LoggedChange(sequence, self._account_id, _change(payload).position.instrument, payload)
            for sequence, payload in rows
        ]
        reached = rows[-1][0] if len(rows) == limit else up_to
        return [change for change in changes if self._wants(change.instrument)], reached

    def encode(self, changes: Sequence[LoggedChange], resume_token: str) -> position_stream_pb2.StreamPositionsResponse:
        told = [self._with_value(_change(change.payload)) for change in changes]
        return _Response(update=position_stream_pb2.PositionUpdate(changes=told, resume_token=resume_token))

    def _with_value(self, change: position_pb2.PositionChange) -> position_pb2.PositionChange:
        """Adds what the position is worth, if it is still the one that the account has."""
        position = self._desk.ledger.positions_of(self._account_id).get(change.position.instrument)
        if position is not None and position.sequence == change.sequence:
            price = self._desk.board.price(position.instrument)
            change.position.value.CopyFrom(value_to_proto(position, price))
        return change

    def _wants(self, instrument: str) -> bool:
        return not self._instrument or instrument == self._instrument


def _change(payload: bytes) -> position_pb2.PositionChange:
    return event_pb2.Event.FromString(payload).position_change
