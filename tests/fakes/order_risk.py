"""RiskService as OrderService meets it: in memory, behind real gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2 as reserving
from ordermesh.risk.v1 import reservation_service_pb2_grpc
from ordermesh.type.v1 import error_pb2, risk_breach_pb2

Decide = Callable[[reserving.Reservation], reserving.ReservationDecision]


def accept(_: reserving.Reservation) -> reserving.ReservationDecision:
    """Lets every order pass."""
    return reserving.ReservationDecision()


def refuse(_: reserving.Reservation) -> reserving.ReservationDecision:
    """Lets none pass."""
    return reserving.ReservationDecision(
        reason=error_pb2.ERROR_REASON_RISK_LIMIT_EXCEEDED,
        breach=risk_breach_pb2.RiskBreach(
            rule=risk_breach_pb2.RISK_RULE_MAX_ORDER_SIZE, limit="10", observed="100", unit="units", text="too much"
        ),
        text="too much",
    )


_DECIDED = (execution_report_pb2.EXECUTION_TYPE_REPLACED, execution_report_pb2.EXECUTION_TYPE_REPLACE_REJECTED)


@dataclass
class FakeRisk(reservation_service_pb2_grpc.ReservationServiceServicer):
    """Reserves as told, and remembers what it was told.

    Attributes:
        withdrawing: Whether no order may stay open that is there when the stream begins.
    """

    decide: Decide = accept
    consumed: int = 0
    silent: bool = False
    down: bool = False
    reserved: dict[str, reserving.Reservation] = field(default_factory=dict)
    settled: list[int] = field(default_factory=list)
    released: list[str] = field(default_factory=list)
    released_replaces: list[str] = field(default_factory=list)
    synced: list[str] = field(default_factory=list)
    sync_sequence: int = 0
    checks: int = 0
    largest: int = 0
    withdrawing: bool = False
    _end: asyncio.Event = field(default_factory=asyncio.Event)
    _said: asyncio.Queue[reserving.ReserveResponse] = field(default_factory=asyncio.Queue)

    async def Reserve(self, requests: AsyncIterator[reserving.ReserveRequest], context: Any) -> AsyncIterator[Any]:
        self._end = end = asyncio.Event()
        said: asyncio.Queue[reserving.ReserveResponse] = asyncio.Queue()
        self._said = said
        iterator = aiter(requests)
        await anext(iterator)
        if self.down:
            return
        yield reserving.ReserveResponse(opened=reserving.ReserveOpened(sequence=self.consumed))
        ending = asyncio.ensure_future(end.wait())
        coming = asyncio.ensure_future(anext(iterator, None))
        while True:
            saying = asyncio.ensure_future(said.get())
            await asyncio.wait({coming, ending, saying}, return_when=asyncio.FIRST_COMPLETED)
            if saying.done():
                yield saying.result()
                continue
            saying.cancel()
            if not coming.done():
                coming.cancel()
                return
            request = coming.result()
            if request is None:
                ending.cancel()
                return
            coming = asyncio.ensure_future(anext(iterator, None))
            answer = self._answer(request)
            while not said.empty():
                yield said.get_nowait()
            if answer is not None and not self.silent:
                yield answer
            if request.HasField("sync") and self.withdrawing:
                self.withdraw(*self.reserved)

    def withdraw(self, *order_ids: str) -> None:
        """Says that orders may not stay open, before whatever is answered next."""
        told = reserving.OrderWithdrawal(
            order_ids=order_ids, reason=error_pb2.ERROR_REASON_TRADING_HALTED, text="trading is halted"
        )
        self._said.put_nowait(reserving.ReserveResponse(withdraw=told))

    async def CheckOrder(self, request: reserving.CheckOrderRequest, context: Any) -> reserving.CheckOrderResponse:
        return reserving.CheckOrderResponse(decision=self.decide(request.order), as_of=self.consumed)

    def cut(self) -> None:
        self._end.set()

    def _answer(self, request: reserving.ReserveRequest) -> reserving.ReserveResponse | None:
        match request.WhichOneof("item"):
            case "sync":
                self.synced = [each.order_id for each in request.sync.reservations]
                self.reserved = {each.order_id: each for each in request.sync.reservations}
                self.sync_sequence = request.sync.sequence
            case "settle":
                self._settle(request.settle)
            case "release":
                self._release(request.release)
            case "reserve":
                return self._decide(request.reserve)
        return None

    def _settle(self, settlement: reserving.Settlement) -> None:
        self.settled += [report.sequence for report in settlement.reports]
        self.consumed = settlement.sequence
        for report in settlement.reports:
            if report.leaves_quantity == "0":
                self.reserved.pop(report.order_id, None)
            elif report.execution_type in _DECIDED and (held := self.reserved.get(report.order_id)) is not None:
                held.quantity = report.leaves_quantity
                held.ClearField("replace")

    def _release(self, release: reserving.ReservationRelease) -> None:
        self.released += release.order_ids
        for order_id in release.order_ids:
            self.reserved.pop(order_id, None)
        self.released_replaces += release.replace_order_ids
        for order_id in release.replace_order_ids:
            if (held := self.reserved.get(order_id)) is not None:
                held.ClearField("replace")

    def _decide(self, batch: reserving.ReservationBatch) -> reserving.ReserveResponse:
        decisions = []
        for reservation in batch.reservations:
            decision = self.decide(reservation)
            if not decision.reason:
                self.reserved[reservation.order_id] = reservation
            decisions.append(decision)
        self.checks += len(decisions)
        self.largest = max(self.largest, len(decisions))
        answer = reserving.ReservationDecisions(batch_number=batch.batch_number, decisions=decisions)
        return reserving.ReserveResponse(decisions=answer)
