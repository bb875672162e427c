"""The simulation adapter: the matching engine as a venue. A connection of a shard is a participant of the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, cast

from ordermesh.engine.v1 import (
    instrument_service_pb2_grpc,
    order_entry_service_pb2,
    order_entry_service_pb2_grpc,
    order_pb2,
)
from services.broker.domain.account import VenueAccount, account_of
from services.broker.domain.books import Book
from services.broker.domain.capabilities import Capabilities, Environment
from services.broker.domain.messages import (
    Correction,
    Cursor,
    OpenOrders,
    OrderType,
    Report,
    TimeInForce,
    VenuePosition,
)
from services.broker.peers.engine_adjustments import refusal, request_of
from services.broker.peers.engine_codec import EngineCodec
from services.broker.peers.engine_link import EngineLink, Executions, known, open_stream, participant_of
from services.broker.peers.instruments import Instruments
from services.broker.pipeline.books import Books
from services.broker.pipeline.ports import VenueLink
from services.kernel.errors import CodedError, ErrorKind, unavailable
from services.mesh.client import Channel
from services.mesh.stream_call import StreamCall

KIND: Final = "simulation"
SERVICE: Final = "ordermesh.engine.v1.OrderEntryService"
_QUERY_SECONDS: Final = 5.0

CAPABILITIES: Final = Capabilities(
    adapter=KIND,
    order_types=frozenset(OrderType),
    times_in_force=frozenset(TimeInForce),
    environments=frozenset({Environment.SIMULATION}),
    deduplicates_commands=True,
    recovers_reports=True,
    tells_account=True,
    replaces_orders=True,
    takes_post_only=True,
    takes_display_quantity=True,
    adjusts_trades=True,
    optional_credentials=frozenset({"api_key", "api_secret"}),
)
"""The engine asks for no credentials; it takes those that a client made for a real broker brings along."""


class SimulationAdapter:
    """Speaks to the engine."""

    def __init__(self, channel: Channel, instruments: Instruments, codec: EngineCodec, books: Books) -> None:
        self._stub = order_entry_service_pb2_grpc.OrderEntryServiceStub(channel)
        self._operator = instrument_service_pb2_grpc.InstrumentServiceStub(channel)
        self._instruments = instruments
        self._codec = codec
        self._books = books

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return replace(CAPABILITIES, taker_fee_rate=self._codec.taker_fee_rate)

    async def open(self, connection_id: str, shard: int, cursor: Cursor) -> VenueLink:
        """Opens the participant's order entry stream."""
        call = cast("StreamCall", self._stub.Trade())
        opened = await open_stream(call, participant_of(connection_id, shard), cursor)
        position = VenuePosition(opened.epoch, opened.last_command_sequence, opened.last_execution_sequence)
        book = self._books.of(connection_id, shard)

        def seen(executions: Executions) -> None:
            self._book(book, opened.epoch, executions)

        return EngineLink(call, position, self._codec, self._instruments, seen)

    async def reports_after(self, connection_id: str, shard: int, sequence: int, limit: int) -> list[Report]:
        """Asks the engine for executions after a sequence."""
        response = await self._executions(connection_id, shard, sequence, limit)
        await known(self._instruments, self._codec, response.executions)
        return [self._codec.report(execution) for execution in response.executions]

    async def open_orders(self, connection_id: str, shard: int) -> OpenOrders:
        """Asks the engine for the participant's open orders; one that it never heard of has none."""
        request = order_entry_service_pb2.QueryOpenOrdersRequest(participant=participant_of(connection_id, shard))
        orders: list[order_pb2.OpenOrder] = []
        as_of = 0
        try:
            async for batch in self._stub.QueryOpenOrders(request, timeout=_QUERY_SECONDS):
                orders += batch.orders
                as_of = batch.last_execution_sequence
        except CodedError as error:
            if error.kind == ErrorKind.NOT_FOUND:
                return OpenOrders((), 0)
            raise
        await known(self._instruments, self._codec, orders)
        return OpenOrders(tuple(self._codec.open_order(order) for order in orders), as_of)

    def shards(self, connection_id: str) -> list[int]:
        """Returns the shards that have traded through a connection."""
        return self._books.shards(connection_id)

    async def account(self, connection_id: str) -> VenueAccount:
        """Returns money and positions of a connection, as of now."""
        books = [self._books.of(connection_id, shard) for shard in self.shards(connection_id)]
        for shard, book in zip(self.shards(connection_id), books, strict=True):
            await self.catch_up(connection_id, shard, book)
        await self._terms_of(books)
        by_number = self._instruments.by_number
        return account_of((position for book in books for position in book.positions.values()), by_number.__getitem__)

    async def adjust_trade(self, connection_id: str, venue_execution_id: str, correction: Correction | None) -> bool:
        """Has the engine take a trade back or correct it, if the connection had a side of it."""
        participants = [participant_of(connection_id, shard) for shard in self.shards(connection_id)]
        request = await request_of(venue_execution_id, participants, correction, self._instruments)
        try:
            response = await self._operator.AdjustTrade(request, timeout=_QUERY_SECONDS)
        except CodedError as error:
            raise refusal(error, venue_execution_id) from error
        return bool(response.changed)

    async def probe(self) -> None:
        """Asks the engine for a sign of life: what it says of a participant that nobody is."""
        await self.open_orders("", 0)

    def forget(self, connection_id: str) -> None:
        """Drops the books of a connection that is no more."""
        self._books.forget(connection_id)

    async def catch_up(self, connection_id: str, shard: int, book: Book) -> None:
        """Books what the engine has done for a participant since.

        Raises:
            CodedError: The engine cannot be reached, or no longer has the executions that are missing.
        """
        while True:
            try:
                response = await self._executions(connection_id, shard, book.sequence, 10_000)
            except CodedError as error:
                if error.kind == ErrorKind.NOT_FOUND:
                    return
                raise
            await known(self._instruments, self._codec, response.executions)
            self._book(book, response.epoch, response.executions)
            if book.sequence >= response.last_execution_sequence:
                book.behind = False
                return
            if not response.executions:
                raise unavailable("VENUE_UNAVAILABLE", f"the engine does not tell its execution {book.sequence + 1}")

    async def _executions(
        self, connection_id: str, shard: int, sequence: int, limit: int
    ) -> order_entry_service_pb2.QueryExecutionsResponse:
        request = order_entry_service_pb2.QueryExecutionsRequest(
            participant=participant_of(connection_id, shard), after_execution_sequence=sequence, limit=limit
        )
        return await self._stub.QueryExecutions(request)

    async def _terms_of(self, books: Sequence[Book]) -> None:
        by_number = self._instruments.by_number
        if any(number not in by_number for book in books for number in book.positions):
            await self._instruments.load_all()

    def _book(self, book: Book, epoch: str, executions: Executions) -> None:
        """Books executions that follow on what is booked; others are left for `catch_up`."""
        if book.epoch != epoch:
            book.begin_anew(epoch)
        if not executions:
            return
        first, last = executions[0].execution_sequence, executions[-1].execution_sequence
        if first > book.sequence + 1 or last - first + 1 != len(executions):
            book.behind = True
            return
        fills = [
            fill
            for each in executions
            if each.trade_id and each.execution_sequence > book.sequence
            for fill in self._codec.fills(each)
        ]
        book.apply(fills, max(book.sequence, last))
