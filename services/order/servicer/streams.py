"""StreamOrders, in the shape that every private stream has."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, Generic, TypeVar

from ordermesh.order.v1.order_stream_pb2 import (
    OrderSnapshot,
    OrderUpdate,
    StreamOrdersRequest,
    StreamOrdersResponse,
)
from services.kernel.clock import Clock
from services.mesh.draining import Draining
from services.mesh.streams import Frames, Hub, PrivateStream, Snapshot, Source, heartbeat_seconds, resume_tokens
from services.mesh.tokens import ResumeTokens, filters_of
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft, Entry, LoggedReport
from services.order.pipeline.queries import Log
from services.order.wire import order_message

Told = Entry | LoggedReport
"""What an update is made of: as it was committed, or as it was read back."""

M = TypeVar("M")

_PER_CHUNK: Final = 200


class OrderStreams:
    """Makes the streams; a listener of the writer."""

    def __init__(
        self, book: Book, history: Log, clock: Clock, draining: Draining, *, most_waiting: int = 10_000
    ) -> None:
        self._book, self._history, self._draining = book, history, draining
        self._frames: Frames[StreamOrdersResponse] = Frames(StreamOrdersResponse, clock)
        self._hub: Hub[Told] = Hub(book.sequence, limit=most_waiting, key=_account_of)

    def committed(self, draft: Draft) -> None:
        """Hands what was committed to the streams."""
        self._hub.publish(draft.entries)

    def stream(self, request: StreamOrdersRequest) -> AsyncIterator[StreamOrdersResponse]:
        """Returns the messages of one stream.

        Raises:
            CodedError: INVALID_RESUME_TOKEN or STREAM_GAP.
        """
        source: Source[Told, StreamOrdersResponse] = self.source(
            StreamOrdersResponse, encode, request.account_id, request.instrument
        )
        stream = PrivateStream(
            self._frames,
            source,
            self.tokens(request.account_id, request.instrument),
            self._draining,
            heartbeat_seconds=heartbeat_seconds(request.heartbeat_interval),
        )
        return stream.run(request.resume_token)

    def source(
        self,
        response: Callable[..., M],
        encode: Callable[[Sequence[Told], str], M],
        account_id: str,
        instrument: str = "",
    ) -> Source[Told, M]:
        """Returns what a stream of an account's orders is made of.

        Args:
            response: Makes a message of the stream, whose `snapshot` is an OrderSnapshot.
            encode: Makes the update of some entries and the token to resume after them.
            account_id: The account.
            instrument: Only of this instrument. Empty: of all.
        """
        wanted = _Wanted(response, account_id, instrument, self._book, self._history)
        return Source(
            hub=self._hub,
            key=account_id,
            accepts=wanted.accepts if instrument else None,
            snapshot=wanted.snapshot,
            read_after=wanted.read_after,
            encode=encode,
        )

    def tokens(self, account_id: str, instrument: str = "") -> ResumeTokens:
        """Returns the resume tokens of streams with these filters, of whatever RPC."""
        filters = StreamOrdersRequest(account_id=account_id, instrument=instrument)
        return resume_tokens(self._book.epoch, filters_of(filters))


class _Wanted(Generic[M]):
    """What one stream tells."""

    __slots__ = ("_account_id", "_book", "_history", "_instrument", "_response")

    def __init__(self, response: Callable[..., M], account_id: str, instrument: str, book: Book, history: Log) -> None:
        self._response = response
        self._account_id, self._instrument = account_id, instrument
        self._book, self._history = book, history

    def accepts(self, entry: Told) -> bool:
        return isinstance(entry, LoggedReport) or entry.event.order.terms.instrument == self._instrument

    async def snapshot(self) -> Snapshot[M]:
        # No pause between the two: the orders are as of the sequence.
        sequence = self._book.sequence
        orders = [o for o in self._book.live_of(self._account_id).values() if self._is_of(o.terms.instrument)]
        chunks = (
            self._response(snapshot=OrderSnapshot(orders=map(order_message, orders[first : first + _PER_CHUNK])))
            for first in range(0, len(orders), _PER_CHUNK)
        )
        return Snapshot(sequence, chunks, len(orders))

    async def read_after(self, sequence: int, limit: int) -> tuple[Sequence[Told], int]:
        up_to = self._book.sequence
        rows = await self._history.of_account(self._account_id, self._instrument, sequence, up_to, limit)
        return rows, rows[-1].sequence if len(rows) == limit else up_to

    def _is_of(self, instrument: str) -> bool:
        return self._instrument in ("", instrument)


def _account_of(entry: Told) -> str:
    return "" if isinstance(entry, LoggedReport) else entry.event.order.terms.account_id


def encode(entries: Sequence[Told], token: str) -> StreamOrdersResponse:
    """Returns the update of some entries.

    Reports are written anew: what stands in the log may have a part of a message twice, one after the other; every
    reader of protobuf joins the two but the gateway's transcoder, which breaks the stream of events off.
    """
    update = OrderUpdate(resume_token=token)
    for entry in entries:
        update.reports.add().MergeFromString(entry.payload)
    return StreamOrdersResponse(update=update)
