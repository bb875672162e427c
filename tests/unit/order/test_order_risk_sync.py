"""What RiskService is told of all that is live: in parts, each order once, as it stood when it began to be told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ordermesh.risk.v1.reservation_service_pb2 import ReservationSync, ReserveOpened, ReserveResponse
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.peers import risk_sync
from services.order.peers.risk import RiskStream
from services.order.pipeline.book import Book
from services.order.pipeline.entries import LoggedReport
from services.order.pipeline.metrics import Metrics
from services.order.pipeline.withdrawing import Withdrawing
from services.order.pipeline.writer import Writer
from tests.fakes.clock import FakeClock
from tests.fakes.order_store import FakeStore
from tests.fakes.orders import CountingIdentifiers, placed, terms

PART = 3


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few orders in a message, so that few make several."""
    monkeypatch.setattr(risk_sync, "PER_MESSAGE", PART)


class SlowRisk:
    """A stream to a RiskService that takes a message whenever it is told to, a channel to it, and its log: empty."""

    def __init__(self) -> None:
        self.said: list[Any] = []
        self.takes = asyncio.Semaphore(1)
        self._answers = [ReserveResponse(opened=ReserveOpened())]

    def stream_stream(self, _method: str, **_: Any) -> Any:
        return lambda: self

    async def write(self, message: Any) -> None:
        await self.takes.acquire()
        self.said.append(message)

    async def read(self) -> Any:
        return self._answers.pop() if self._answers else await asyncio.get_running_loop().create_future()

    def cancel(self) -> None:
        """Nothing is left to end."""

    async def settling(self, _after: int, _up_to: int, _limit: int) -> Sequence[LoggedReport]:
        return ()


def live(count: int) -> list[Order]:
    """Returns orders that are live."""
    return [placed(sequence=number) for number in range(1, count + 1)]


def told(orders: Sequence[Order], reserved: Sequence[OrderTerms] = ()) -> list[ReservationSync]:
    """Returns what is said of orders."""
    return [request.sync for request in risk_sync.sync(orders, reserved, {}, 9)]


def ids(parts: Sequence[ReservationSync]) -> list[str]:
    """Returns the orders that are told of."""
    return [reservation.order_id for part in parts for reservation in part.reservations]


@pytest.mark.parametrize("count", [0, 1, PART - 1, PART, PART + 1, 3 * PART])
@pytest.mark.parametrize("reserved", [0, 1, PART])
def test_the_last_part_and_no_other_says_that_it_is(count: int, reserved: int) -> None:
    """Also of nothing: RiskService checks no order before it has heard the last part."""
    orders, coming = live(count), [terms() for _ in range(reserved)]
    parts = told(orders, coming)
    assert ids(parts) == [each.order_id for each in (*(order.terms for order in orders), *coming)]
    assert [part.last for part in parts] == [False] * (len(parts) - 1) + [True]
    assert {part.sequence for part in parts} == {9}
    assert max(len(part.reservations) for part in parts) <= PART


def test_new_terms_on_their_way_to_the_commit_are_told_with_their_order() -> None:
    """The larger of both is held."""
    orders = live(2)
    new = orders[1].terms.changed(quantity=Decimal(500))
    (part,) = [request.sync for request in risk_sync.sync(orders, (), {new.order_id: new}, 9)]
    assert [each.HasField("replace") for each in part.reservations] == [False, True]
    assert part.reservations[1].replace.quantity == "500"


async def test_orders_go_on_while_they_are_told() -> None:
    """What is told is what was live at the beginning; what happens meanwhile is said behind all of it."""
    book, peer, orders = Book(), SlowRisk(), live(2 * PART)
    book.load(orders)
    writer = Writer(book, FakeStore(), FakeClock(), CountingIdentifiers(), Metrics(CollectorRegistry()))
    stream = RiskStream(peer, book, peer, Withdrawing(writer))  # type: ignore[arg-type]  # it does what a channel does
    running = asyncio.create_task(stream.run())
    async with asyncio.timeout(5):
        while not stream.ready:
            await asyncio.sleep(0)
        book.load(live(1))
        stream.release(["an order that was not committed"])
        for _ in range(3):
            peer.takes.release()
        while len(peer.said) < 4:
            await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [message.WhichOneof("item") for message in peer.said] == ["open", "sync", "sync", "release"]
    assert ids([message.sync for message in peer.said[1:3]]) == [order.terms.order_id for order in orders]
