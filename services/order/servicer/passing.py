"""Streams that another shard serves, handed through: what it says goes to the caller as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final

from ordermesh.order.v1.order_stream_pb2 import StreamOrdersRequest, StreamOrdersResponse
from ordermesh.order.v1.trade_stream_pb2 import TradeRequest, TradeResponse
from ordermesh.type.v1 import stream_pb2
from services.kernel.clock import Clock
from services.kernel.errors import CodedError
from services.mesh.draining import Draining
from services.mesh.streams import Frames
from services.order.pipeline.sharding import Metadata, OtherShards, Passed

_CLOSE_SECONDS: Final = 0.05
"""A caller that is cut off looks for a moment like one that has closed its side; what tells them apart comes right
after. Passed on as a close, it would end the lease of cancel-on-disconnect."""

Message = StreamOrdersResponse | TradeResponse


class PassedStreams:
    """Makes them."""

    def __init__(self, others: OtherShards, clock: Clock, draining: Draining) -> None:
        self._others, self._draining = others, draining
        self._order_frames: Frames[Message] = Frames(StreamOrdersResponse, clock)
        self._trade_frames: Frames[Message] = Frames(TradeResponse, clock)

    async def orders(self, shard: int, request: StreamOrdersRequest, metadata: Metadata) -> AsyncIterator[Any]:
        """Yields the messages of StreamOrders."""
        call = self._others.stream(shard, "StreamOrders", request, metadata)
        async for message in self._through(call, StreamOrdersResponse, self._order_frames, request.resume_token):
            yield message

    async def trade(
        self, shard: int, first: TradeRequest, rest: AsyncIterator[TradeRequest], metadata: Metadata
    ) -> AsyncIterator[Any]:
        """Yields the messages of Trade.

        Raises:
            CodedError: What the shard ends the stream with; of a message that breaks the contract, what is wrong there.
        """
        sent = _Sent(first, rest)
        call = self._others.stream(shard, "Trade", sent.messages(), metadata)
        try:
            async for message in self._through(call, TradeResponse, self._trade_frames, first.open.resume_token):
                yield message
        except CodedError:
            if sent.error is not None:
                raise sent.error from None
            raise

    async def _through(
        self, call: Passed, response: type[Message], frames: Frames[Message], token: str
    ) -> AsyncIterator[bytes | Message]:
        """Yields what comes, and tells the caller to go elsewhere when this process drains."""
        last = b""
        stop_listening = self._draining.listen(call.cancel)
        try:
            async for message in call:
                last = message
                yield message
            if self._draining.begun and (farewell := _farewell(response.FromString(last), frames, token)) is not None:
                yield farewell
        finally:
            stop_listening()
            call.cancel()


class _Sent:
    """What a caller sends on a Trade stream, as it is passed on.

    Attributes:
        error: What is wrong with the message that ended it.
    """

    def __init__(self, first: TradeRequest, rest: AsyncIterator[TradeRequest]) -> None:
        self._first, self._rest = first, rest
        self.error: CodedError | None = None

    async def messages(self) -> AsyncIterator[TradeRequest]:
        """Yields the messages.

        One that breaks the contract is found here already. In its place goes another one that does, so that the stream
        ends as the contract says: once what came before is answered, and not as one that was closed.
        """
        yield self._first
        try:
            async for request in self._rest:
                yield request
        except CodedError as error:
            self.error = error
            yield TradeRequest()
        await asyncio.sleep(_CLOSE_SECONDS)


def _farewell(last: Message, frames: Frames[Message], token: str) -> Message | None:
    """Returns the last message of a stream that ends here; None when the shard has said its own."""
    if last.HasField("going_away"):
        return None
    parts = (last.update, last.snapshot_end, last.heartbeat)
    newest = next((part.resume_token for part in parts if part.resume_token), token)
    message = frames.going_away(stream_pb2.GOING_AWAY_REASON_DRAINING, newest)
    if isinstance(message, TradeResponse) and isinstance(last, TradeResponse):
        message.sequence = last.sequence + 1
    return message
