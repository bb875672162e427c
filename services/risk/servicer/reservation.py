"""ReservationService: the stream of OrderService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from decimal import Decimal
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2, reservation_service_pb2_grpc
from services.kernel.decimals import ZERO
from services.kernel.drain import Drain, DrainClosedError
from services.kernel.errors import invalid_field
from services.mesh.draining import Draining
from services.risk.domain.values import Adjusted, Change, Proposal, Settled
from services.risk.pipeline.decision import Decision, Gate
from services.risk.pipeline.reserving import (
    Answer,
    Batch,
    Message,
    Release,
    Reserving,
    Settlement,
    ShardStream,
    Sync,
)
from services.risk.pipeline.withdrawing import Withdrawal
from services.risk.wire import REASON, breach_to_proto

_MOST_WAITING: Final = 1_000
_EPOCH_DAY: Final = 719_163
"""Proleptic ordinal of 1970-01-01."""
_DAY_SECONDS: Final = 86_400

Responses = Drain[reservation_service_pb2.ReserveResponse]


class ReservationServicer(reservation_service_pb2_grpc.ReservationServiceServicer):
    """Serves OrderService: one stream for each shard, a newer one ends the one before."""

    def __init__(self, reserving: Reserving, looking: Gate, draining: Draining) -> None:
        self._reserving = reserving
        self._looking = looking
        self._draining = draining
        self._workers: dict[int, asyncio.Task[None]] = {}

    async def Reserve(
        self, request_iterator: AsyncIterator[reservation_service_pb2.ReserveRequest], context: Any
    ) -> AsyncIterator[reservation_service_pb2.ReserveResponse]:
        """Checks and reserves until OrderService ends the stream or opens another."""
        opening = await anext(request_iterator, None)
        if opening is None or not opening.HasField("open"):
            raise invalid_field("open", "must be the first message of the stream")
        shard = opening.open.shard
        await self._end_before(shard)
        stream = self._reserving.begin(shard, opening.open.epoch)
        responses: Responses = Drain()

        def withdraw(withdrawal: Withdrawal) -> None:
            responses.put(_withdrawal(withdrawal))

        self._reserving.withdrawing.attach(shard, withdraw)
        worker = self._workers[shard] = asyncio.create_task(_work(request_iterator, stream, responses))
        stop_listening = self._draining.listen(responses.close)
        try:
            yield reservation_service_pb2.ReserveResponse(
                opened=reservation_service_pb2.ReserveOpened(sequence=stream.opened)
            )
            with suppress(DrainClosedError):
                while True:
                    for response in await responses.take(_MOST_WAITING):
                        yield response
        finally:
            stop_listening()
            self._reserving.withdrawing.detach(shard, withdraw)
            worker.cancel()
            if self._workers.get(shard) is worker:
                del self._workers[shard]
        with suppress(asyncio.CancelledError):
            await worker

    async def CheckOrder(
        self, request: reservation_service_pb2.CheckOrderRequest, context: Any
    ) -> reservation_service_pb2.CheckOrderResponse:
        """Tells what would be decided on an order, and reserves nothing."""
        asked = _proposal(request.order)
        order = asked.order if isinstance(asked, Change) else asked
        decision = await self._reserving.look(request.shard, order, self._looking)
        as_of = self._reserving.book.sequence(request.shard)
        return reservation_service_pb2.CheckOrderResponse(decision=_decision(decision), as_of=as_of)

    async def _end_before(self, shard: int) -> None:
        """Sees to it that no earlier stream of the shard works on: two must not book the same log."""
        if (worker := self._workers.pop(shard, None)) is not None:
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)


async def _work(
    requests: AsyncIterator[reservation_service_pb2.ReserveRequest], stream: ShardStream, responses: Responses
) -> None:
    """Does what comes, in its order, until there is no more or it is nonsense; then the stream ends."""
    try:
        async for request in requests:
            for answer in await stream.handle(_message(request)):
                responses.put(_decisions(answer))
    finally:
        responses.close()


def _message(request: reservation_service_pb2.ReserveRequest) -> Message:
    match request.WhichOneof("item"):
        case "reserve":
            return Batch(request.reserve.batch_number, [_proposal(each) for each in request.reserve.reservations])
        case "settle":
            return Settlement(
                [_settled(report) for report in request.settle.reports if _concerns(report)], request.settle.sequence
            )
        case "release":
            return Release(list(request.release.order_ids), list(request.release.replace_order_ids))
        case "sync":
            proposals = [_proposal(each) for each in request.sync.reservations]
            return Sync(proposals, request.sync.sequence, request.sync.last)
        case _:
            raise invalid_field("open", "must come once only")


def _proposal(told: reservation_service_pb2.Reservation) -> Proposal | Change:
    price = told.limit_price
    proposal = Proposal(
        told.order_id,
        told.account_id,
        told.instrument,
        told.side,
        Decimal(told.quantity),
        Decimal(price) if price else None,
    )
    if told.stop_price or told.reduce_only:
        stop = Decimal(told.stop_price) if told.stop_price else None
        proposal = proposal._replace(stop_price=stop, reduce_only=told.reduce_only)
    if told.group_id:
        proposal = proposal._replace(group_id=told.group_id)
    if not told.HasField("replace"):
        return proposal
    new = told.replace
    after = proposal._replace(
        quantity=Decimal(new.quantity),
        limit_price=Decimal(new.limit_price) if new.limit_price else None,
        ordered=Decimal(new.order_quantity),
        stop_price=Decimal(new.stop_price) if new.stop_price else None,
    )
    return Change(proposal, after)


_ENDED: Final = frozenset(
    {
        execution_report_pb2.EXECUTION_TYPE_CANCELED,
        execution_report_pb2.EXECUTION_TYPE_REJECTED,
        execution_report_pb2.EXECUTION_TYPE_EXPIRED,
    }
)
_DECIDED: Final = frozenset(
    {execution_report_pb2.EXECUTION_TYPE_REPLACED, execution_report_pb2.EXECUTION_TYPE_REPLACE_REJECTED}
)
_CHANGED: Final = frozenset(
    {execution_report_pb2.EXECUTION_TYPE_ORDER_STATUS, execution_report_pb2.EXECUTION_TYPE_RESTATED}
)
_TRADE: Final = execution_report_pb2.EXECUTION_TYPE_TRADE
_ADJUSTED: Final = frozenset(
    {execution_report_pb2.EXECUTION_TYPE_TRADE_CANCEL, execution_report_pb2.EXECUTION_TYPE_TRADE_CORRECT}
)
_OTHERS: Final = _ENDED | _DECIDED | _CHANGED | _ADJUSTED


def _concerns(report: execution_report_pb2.ExecutionReport) -> bool:
    return report.execution_type == _TRADE or report.execution_type in _OTHERS


def _settled(report: execution_report_pb2.ExecutionReport) -> Settled:
    if report.execution_type in _ADJUSTED:
        return _readjusted(report)
    filled, decided = report.execution_type == _TRADE, report.execution_type in _DECIDED
    goes_on = filled or report.execution_type not in _ENDED
    return Settled(
        report.sequence,
        report.order_id,
        report.account_id,
        report.instrument,
        report.side,
        _day_of(report.times.committed_at),
        Decimal(report.last_quantity) if filled else ZERO,
        Decimal(report.last_price) if filled else ZERO,
        Decimal(report.fee) if filled and report.fee else ZERO,
        Decimal(report.leaves_quantity) if goes_on and report.leaves_quantity else ZERO,
        decided,
    )


def _readjusted(report: execution_report_pb2.ExecutionReport) -> Settled:
    told = report.trade_adjustment
    return Settled(
        report.sequence,
        report.order_id,
        report.account_id,
        report.instrument,
        report.side,
        _day_of(report.times.committed_at),
        Decimal(report.last_quantity) if report.last_quantity else ZERO,
        Decimal(report.last_price) if report.last_price else ZERO,
        Decimal(report.fee) if report.fee else ZERO,
        Decimal(report.leaves_quantity) if report.leaves_quantity else ZERO,
        before=Adjusted(
            _day_of(told.committed_at),
            Decimal(told.previous_quantity),
            Decimal(told.previous_price),
            Decimal(told.previous_fee) if told.previous_fee else ZERO,
            report.reduce_only,
        ),
    )


def _day_of(at: Timestamp) -> int:
    return _EPOCH_DAY + at.seconds // _DAY_SECONDS


def _decisions(answer: Answer) -> reservation_service_pb2.ReserveResponse:
    decisions = [_ACCEPTED if not decision.reason else _decision(decision) for decision in answer.decisions]
    return reservation_service_pb2.ReserveResponse(
        decisions=reservation_service_pb2.ReservationDecisions(batch_number=answer.number, decisions=decisions)
    )


def _decision(decision: Decision) -> reservation_service_pb2.ReservationDecision:
    return reservation_service_pb2.ReservationDecision(
        reason=REASON[decision.reason],
        breach=breach_to_proto(decision.breach) if decision.breach is not None else None,
        text=decision.text,
    )


def _withdrawal(withdrawal: Withdrawal) -> reservation_service_pb2.ReserveResponse:
    return reservation_service_pb2.ReserveResponse(
        withdraw=reservation_service_pb2.OrderWithdrawal(
            order_ids=withdrawal.order_ids,
            reason=REASON[withdrawal.reason],
            text=withdrawal.text,
        )
    )


_ACCEPTED: Final = reservation_service_pb2.ReservationDecision()
