"""A client of a Reserve stream, and what it sends."""

from __future__ import annotations

import asyncio
from typing import Any, Self

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1 import reservation_service_pb2, reservation_service_pb2_grpc
from ordermesh.type.v1 import trading_pb2
from services.mesh.client import Channel
from tests.fakes.clock import FakeClock
from tests.fakes.risk_store import EPOCH
from tests.fixtures.waiting import eventually


def reservation(number: int | str, **values: Any) -> reservation_service_pb2.Reservation:
    """Returns an order to check."""
    terms: dict[str, Any] = {
        "order_id": str(number),
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": trading_pb2.SIDE_BUY,
        "type": trading_pb2.ORDER_TYPE_LIMIT,
        "quantity": "10",
        "limit_price": "100",
    }
    return reservation_service_pb2.Reservation(**(terms | values))


def fill(sequence: int, number: int | str, clock: FakeClock, **values: Any) -> execution_report_pb2.ExecutionReport:
    """Returns the report of a fill."""
    terms: dict[str, Any] = {
        "sequence": sequence,
        "execution_type": execution_report_pb2.EXECUTION_TYPE_TRADE,
        "order_id": str(number),
        "account_id": "demo",
        "instrument": "AAPL.XNAS",
        "side": trading_pb2.SIDE_BUY,
        "last_quantity": "10",
        "last_price": "100",
        "leaves_quantity": "0",
    }
    report = execution_report_pb2.ExecutionReport(**(terms | values))
    report.times.committed_at.FromNanoseconds(clock.now_ns())
    return report


def ended(sequence: int, number: int | str, clock: FakeClock, **values: Any) -> execution_report_pb2.ExecutionReport:
    """Returns the report of a cancel."""
    values = {
        "execution_type": execution_report_pb2.EXECUTION_TYPE_CANCELED,
        "last_quantity": "",
        "last_price": "",
    } | values
    return fill(sequence, number, clock, **values)


def busted(sequence: int, number: int | str, clock: FakeClock, **values: Any) -> execution_report_pb2.ExecutionReport:
    """Returns the report that takes a fill of 10 back."""
    values = {
        "execution_type": execution_report_pb2.EXECUTION_TYPE_TRADE_CANCEL,
        "last_quantity": "",
        "last_price": "",
    } | values
    report = fill(sequence, number, clock, **values)
    report.trade_adjustment.previous_quantity, report.trade_adjustment.previous_price = "10", "100"
    report.trade_adjustment.committed_at.CopyFrom(report.times.committed_at)
    return report


class ReserveClient:
    """OrderService's end of a Reserve stream."""

    def __init__(self, channel: Channel, shard: int = 0, epoch: str = EPOCH) -> None:
        self._call: Any = reservation_service_pb2_grpc.ReservationServiceStub(channel).Reserve()
        self._shard, self._epoch = shard, epoch
        self._batches = 0
        self.opened = -1
        self.decisions: dict[int, list[reservation_service_pb2.ReservationDecision]] = {}
        self.withdrawals: list[reservation_service_pb2.OrderWithdrawal] = []
        self.ended: BaseException | None = None

    async def __aenter__(self) -> Self:
        await self._send(open=reservation_service_pb2.ReserveOpen(shard=self._shard, epoch=self._epoch))
        self._reader = asyncio.create_task(self._read())
        await eventually(lambda: self.opened >= 0 or self._reader.done())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._reader.cancel()
        self._call.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)

    async def sync(
        self, *reservations: reservation_service_pb2.Reservation, sequence: int = 0, last: bool = True
    ) -> None:
        """Sends open orders."""
        await self._send(
            sync=reservation_service_pb2.ReservationSync(reservations=reservations, sequence=sequence, last=last)
        )

    async def settle(self, *reports: execution_report_pb2.ExecutionReport, sequence: int = 0) -> None:
        """Sends what was committed."""
        sequence = sequence or reports[-1].sequence
        await self._send(settle=reservation_service_pb2.Settlement(reports=reports, sequence=sequence))

    async def release(self, *numbers: int | str) -> None:
        """Lets reservations go."""
        await self._send(release=reservation_service_pb2.ReservationRelease(order_ids=[str(each) for each in numbers]))

    async def release_replaces(self, *numbers: int | str) -> None:
        """Lets go what is held for new terms."""
        order_ids = [str(each) for each in numbers]
        await self._send(release=reservation_service_pb2.ReservationRelease(replace_order_ids=order_ids))

    async def submit(self, *reservations: reservation_service_pb2.Reservation) -> int:
        """Sends a batch, and returns its number."""
        self._batches += 1
        batch = reservation_service_pb2.ReservationBatch(batch_number=self._batches, reservations=reservations)
        await self._send(reserve=batch)
        return self._batches

    async def reserve(
        self, *reservations: reservation_service_pb2.Reservation
    ) -> list[reservation_service_pb2.ReservationDecision]:
        """Sends a batch, and returns the decisions."""
        number = await self.submit(*reservations)
        await eventually(lambda: number in self.decisions or self._reader.done())
        return self.decisions[number]

    async def one(self, number: int | str, **values: Any) -> reservation_service_pb2.ReservationDecision:
        """Sends one order, and returns its decision."""
        return (await self.reserve(reservation(number, **values)))[0]

    @property
    def withdrawn(self) -> list[str]:
        """The orders that may not stay open, in the order in which they were named."""
        return [order_id for withdrawal in self.withdrawals for order_id in withdrawal.order_ids]

    async def _send(self, **item: Any) -> None:
        await self._call.write(reservation_service_pb2.ReserveRequest(**item))

    async def _read(self) -> None:
        try:
            while (message := await self._call.read()) is not None:
                if message.HasField("opened"):
                    self.opened = message.opened.sequence
                elif message.HasField("withdraw"):
                    self.withdrawals.append(message.withdraw)
                else:
                    self.decisions[message.decisions.batch_number] = list(message.decisions.decisions)
        except Exception as error:  # noqa: BLE001 - a test looks at it
            self.ended = error
