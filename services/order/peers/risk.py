"""RiskService: one stream that reserves, settles and lets go, brought up to date each time it is opened."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Final, cast

import structlog

from ordermesh.risk.v1.reservation_service_pb2 import (
    Reservation,
    ReservationDecision,
    ReservationRelease,
    ReserveOpen,
    ReserveRequest,
    ReserveResponse,
)
from services.kernel.drain import Drain
from services.mesh.client import Channel
from services.mesh.context import detached
from services.mesh.stream_call import StreamCall
from services.order.domain import refusals
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import ExecutionType
from services.order.peers.risk_messages import (
    Message,
    decision_of,
    remaining_of,
    reservation_of,
    serialised,
    settlement,
    settles,
    withdrawal_of,
)
from services.order.peers.risk_replaces import with_new_terms
from services.order.peers.risk_sync import PER_MESSAGE, sync
from services.order.peers.session import SessionEndedError, keep_up
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.pipeline.ports import Decision, SettlementLog
from services.order.pipeline.withdrawing import Withdrawing

_log = structlog.stdlib.get_logger(__name__)

_METHOD: Final = "/ordermesh.risk.v1.ReservationService/Reserve"
_REPLACING: Final = (ExecutionType.PENDING_REPLACE, ExecutionType.REPLACED)


class RiskStream:
    """The stream of one shard to RiskService; also a listener of the writer, whose fills and ends it hands on.

    A session brings RiskService up to date before it reserves: what settled since it last heard, then all orders that
    may still trade, those reserved and on their way to the commit among them.
    """

    def __init__(
        self,
        channel: Channel,
        book: Book,
        history: SettlementLog,
        withdrawing: Withdrawing,
        *,
        timeout_seconds: float = 1.0,
    ) -> None:
        self._open = channel.stream_stream(
            _METHOD, request_serializer=serialised, response_deserializer=ReserveResponse.FromString
        )
        self._book, self._history, self._timeout_seconds = book, history, timeout_seconds
        self._withdrawing = withdrawing
        self._outgoing: Drain[Message] | None = None
        self._ready = False
        self._batch_number = 0
        self._answers: dict[int, asyncio.Future[Sequence[ReservationDecision]]] = {}
        self._reserved: dict[str, OrderTerms] = {}
        self._replacing: dict[str, OrderTerms] = {}

    @property
    def ready(self) -> bool:
        """Whether orders can be checked now."""
        return self._ready

    async def run(self) -> None:
        """Keeps the stream up for ever."""
        await keep_up("risk", self._session)

    async def reserve(self, terms: Sequence[OrderTerms]) -> Sequence[Decision]:
        """Checks orders; returns one decision for each.

        Raises:
            CodedError: RISK_UNAVAILABLE; nothing is reserved then, or will be let go.
        """
        self._withdrawing.begin()
        try:
            decisions = await self._ask(
                map(reservation_of, terms), lambda: self.release([each.order_id for each in terms])
            )
            # Without a pause until the writer has them: what is withdrawn later queues behind them there.
            return [self._decision(each, decision) for each, decision in zip(terms, decisions, strict=True)]
        finally:
            self._withdrawing.end()

    async def reserve_replaces(self, replaces: Sequence[tuple[Order, OrderTerms]]) -> Sequence[Decision]:
        """Checks new terms of live orders, and holds the larger of old and new; returns one decision for each.

        Raises:
            CodedError: RISK_UNAVAILABLE; nothing more is held then, or will be let go.
        """
        decisions = await self._ask(
            [with_new_terms(remaining_of(order), order, terms) for order, terms in replaces],
            lambda: self.release_replaces([terms.order_id for _, terms in replaces]),
        )
        for (_, terms), decision in zip(replaces, decisions, strict=True):
            if not decision.reason:
                self._replacing[terms.order_id] = terms
        return [decision_of(decision) for decision in decisions]

    async def _ask(
        self, reservations: Iterable[Reservation], give_up: Callable[[], None]
    ) -> Sequence[ReservationDecision]:
        if not self._ready or self._outgoing is None:
            raise refusals.risk_unavailable()
        self._batch_number += 1
        number = self._batch_number
        answer: asyncio.Future[Sequence[ReservationDecision]] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        request = ReserveRequest()
        request.reserve.batch_number = number
        request.reserve.reservations.extend(reservations)
        self._outgoing.put(request)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await answer
        except TimeoutError:
            give_up()
            raise refusals.risk_unavailable() from None
        finally:
            self._answers.pop(number, None)

    def release(self, order_ids: Sequence[str]) -> None:
        """Lets reservations go whose orders were not committed."""
        for order_id in order_ids:
            self._reserved.pop(order_id, None)
        if self._outgoing is not None:
            self._outgoing.put(ReserveRequest(release=ReservationRelease(order_ids=order_ids)))

    def release_replaces(self, order_ids: Sequence[str]) -> None:
        """Lets go what is held for new terms of orders whose replace was not committed."""
        for order_id in order_ids:
            self._replacing.pop(order_id, None)
        if self._outgoing is not None:
            self._outgoing.put(ReserveRequest(release=ReservationRelease(replace_order_ids=order_ids)))

    def committed(self, draft: Draft) -> None:
        """Hands fills, ends and decided replaces of orders on."""
        if self._replacing:
            for entry in draft.entries:
                if entry.event.type in _REPLACING:
                    self._replacing.pop(entry.order.terms.order_id, None)
        if self._reserved:
            for order in draft.placed:
                self._reserved.pop(order.terms.order_id, None)
        if self._outgoing is None:
            return
        payloads = [entry.payload for entry in draft.entries if settles(entry.event.type, entry.event.order)]
        if payloads:
            self._outgoing.put(settlement(payloads, draft.last_sequence))

    def _decision(self, terms: OrderTerms, decision: ReservationDecision) -> Decision:
        if not decision.reason:
            if (refusal := self._withdrawing.refusal(terms.order_id)) is not None:
                self.release([terms.order_id])
                return refusal
            self._reserved[terms.order_id] = terms
        return decision_of(decision)

    async def _session(self) -> None:
        self._end()
        call = cast("StreamCall", self._open())
        try:
            await call.write(ReserveRequest(open=ReserveOpen(shard=self._book.shard, epoch=self._book.epoch)))
            first = await call.read()
            if first is None or first.WhichOneof("item") != "opened":
                raise SessionEndedError("risk did not open the stream")
            await self._bring_up_to_date(call, first.opened.sequence)
        finally:
            self._end()
            call.cancel()

    async def _bring_up_to_date(self, call: StreamCall, consumed: int) -> None:
        sequence = self._book.sequence
        if consumed > sequence:
            _log.error("risk has consumed more than the log holds", consumed=consumed, sequence=sequence)
        # Without a pause in between: what is committed from here on queues behind the sync of what is live now.
        outgoing: Drain[Message] = Drain()
        told = self._sync(sequence)
        self._outgoing = outgoing
        await self._settle_up_to(call, consumed, sequence)
        self._ready = True
        _log.info("risk is up to date", sequence=sequence)
        writing = detached(_write(call, told, outgoing), name="risk writer")
        try:
            await self._listen(call)
        finally:
            writing.cancel()
            with suppress(asyncio.CancelledError):
                await writing

    async def _settle_up_to(self, call: StreamCall, consumed: int, sequence: int) -> None:
        after = consumed
        while after < sequence:
            rows = await self._history.settling(after, sequence, PER_MESSAGE)
            after = rows[-1].sequence if len(rows) == PER_MESSAGE else sequence
            await call.write(settlement([row.payload for row in rows], after))

    def _sync(self, sequence: int) -> Iterator[ReserveRequest]:
        """Returns the messages that tell what is live now; orders go on while they are sent, and do not change them."""
        live, reserved = list(self._book.live.values()), list(self._reserved.values())
        return sync(live, reserved, dict(self._replacing), sequence)

    async def _listen(self, call: StreamCall) -> None:
        while (response := await call.read()) is not None:
            if response.HasField("withdraw"):
                self._withdrawing.withdraw(withdrawal_of(response.withdraw))
                continue
            answer = self._answers.get(response.decisions.batch_number)
            if answer is not None and not answer.done():
                answer.set_result(response.decisions.decisions)

    def _end(self) -> None:
        """Fails whoever waits for risk, and lets nobody ask."""
        self._ready = False
        self._outgoing = None
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(refusals.risk_unavailable())


async def _write(call: StreamCall, first: Iterator[ReserveRequest], outgoing: Drain[Message]) -> None:
    try:
        for request in first:
            await call.write(request)
        while True:
            for message in await outgoing.take(64):
                await call.write(message)
    finally:
        # A stream that cannot be written to is of no use; ending it ends the session.
        call.cancel()
