"""Trade: a private stream of an account's reports that takes commands and tells their results between the reports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Final

from ordermesh.order.v1.trade_stream_pb2 import (
    TradeOpen,
    TradeRequest,
    TradeResponse,
    TradeUpdate,
)
from services.kernel.clock import Clock
from services.kernel.errors import invalid_field
from services.mesh.context import detached
from services.mesh.draining import Draining
from services.mesh.streams import Frames, PrivateStream, Source, Subscription, authorized, heartbeat_seconds
from services.mesh.tokens import ResumeTokens
from services.order.pipeline.leases import Hold, Leases
from services.order.servicer.streams import OrderStreams, Told
from services.order.servicer.trade_commands import Desk, TradeCommands
from services.order.wire_events import delimited, varint

Message = TradeResponse | bytes

_SEQUENCE_TAG: Final = bytes([TradeResponse.SEQUENCE_FIELD_NUMBER << 3])
_UPDATE_TAG: Final = bytes([TradeResponse.UPDATE_FIELD_NUMBER << 3 | 2])
_RESULTS_TAG: Final = bytes([TradeUpdate.RESULTS_FIELD_NUMBER << 3 | 2])
_REPORT_TAG: Final = bytes([TradeUpdate.REPORTS_FIELD_NUMBER << 3 | 2])


class TradeStreams:
    """Makes the streams."""

    def __init__(
        self,
        streams: OrderStreams,
        desk: Desk,
        leases: Leases,
        clock: Clock,
        draining: Draining,
        *,
        most_in_flight: int = 2_000,
    ) -> None:
        self._streams, self._desk, self._leases, self._draining = streams, desk, leases, draining
        self._most_in_flight = most_in_flight
        self._frames: Frames[Message] = Frames(TradeResponse, clock)

    async def trade(self, requests: AsyncIterator[TradeRequest]) -> AsyncIterator[bytes]:
        """Serves one stream: yields the serialised responses.

        Raises:
            CodedError: INVALID_FIELD, COMMAND_OUT_OF_SEQUENCE, INVALID_RESUME_TOKEN, STREAM_GAP or STORE_UNAVAILABLE.
        """
        opening = await _opening(requests)
        commands = TradeCommands(opening.account_id, self._desk, self._most_in_flight)
        messages = self._stream(opening, commands).run(opening.resume_token)
        # A token that does not fit is refused here, before anything stands.
        sequence, message = 1, await anext(messages)
        hold = await self._hold(opening)
        reading = detached(commands.read(requests), name="trade reader")
        try:
            yield _numbered(sequence, message)
            async for message in messages:
                sequence += 1
                yield _numbered(sequence, message)
            if hold is not None and commands.closed:
                await self._leases.close(hold)
        finally:
            reading.cancel()
            if hold is not None:
                self._leases.lost(hold, commands.unfinished)

    def _stream(self, opening: TradeOpen, commands: TradeCommands) -> TradeStream:
        source: Source[Told, Message] = self._streams.source(TradeResponse, _reports, opening.account_id)
        return TradeStream(
            self._frames,
            source,
            self._streams.tokens(opening.account_id),
            self._draining,
            commands,
            heartbeat_seconds=heartbeat_seconds(opening.heartbeat_interval),
        )

    async def _hold(self, opening: TradeOpen) -> Hold | None:
        if not opening.HasField("cancel_on_disconnect"):
            return None
        return await self._leases.open(opening.account_id, opening.cancel_on_disconnect.grace.ToNanoseconds() / 1e9)


class TradeStream(PrivateStream[Told, Message]):
    """The messages of one stream."""

    def __init__(
        self,
        frames: Frames[Message],
        source: Source[Told, Message],
        tokens: ResumeTokens,
        draining: Draining,
        commands: TradeCommands,
        *,
        heartbeat_seconds: float,
    ) -> None:
        super().__init__(frames, source, tokens, draining, heartbeat_seconds=heartbeat_seconds)
        self._commands = commands

    async def _live(self, subscription: Subscription[Told]) -> AsyncIterator[Message]:
        commands = self._commands
        commands.listen(subscription.wake)
        while True:
            woken = await subscription.wait(self._heartbeat_seconds)
            # A commit wakes this stream, then the tasks that wait for its orders: let these answer in the same message.
            await asyncio.sleep(0)
            for message in self._of_token():
                yield message
            if not (self._life.over and commands.done):
                events, results = self._fresh(subscription), commands.take()
                if events or results:
                    yield _update(results, events, self._token())
                    continue
            reason = self._leaving(subscription)
            if reason is not None and not subscription.overflowed:
                commands.stop()
            if subscription.overflowed or commands.done:
                if commands.error is not None:
                    raise commands.error
                if reason is not None:
                    yield self._going_away(reason)
                return
            if not woken:
                yield self._heartbeat()

    def _of_token(self) -> Iterator[Message]:
        """Yields what is to be said of the caller's token. Once it has ended no more commands are begun."""
        if self._life.due:
            if self._life.over:
                self._commands.stop()
            else:
                yield self._expiring()
        if self._commands.authorized:
            self._commands.authorized = False
            yield TradeResponse(authorized=authorized(self._life.ends_ns))


async def _opening(requests: AsyncIterator[TradeRequest]) -> TradeOpen:
    request = await anext(requests, None)
    if request is None or not request.HasField("open"):
        raise invalid_field("open", "must be the first message of the stream")
    return request.open


def _reports(events: Sequence[Told], token: str) -> bytes:
    return _update((), events, token)


def _update(results: Sequence[bytes], events: Sequence[Told], token: str) -> bytes:
    head = TradeUpdate(resume_token=token).SerializeToString()
    reports = delimited(_REPORT_TAG, [event.payload for event in events])
    body = b"".join((head, *delimited(_RESULTS_TAG, results), *reports))
    return _UPDATE_TAG + varint(len(body)) + body


def _numbered(sequence: int, message: Message) -> bytes:
    """Returns a serialised message with its number: fields of a message may stand in any order."""
    body = message if isinstance(message, bytes) else message.SerializeToString()
    return _SEQUENCE_TAG + varint(sequence) + body
