"""Checks and settlements in one process, from the bytes of a request to the bytes of its answer.

`python -m tests.bench.risk_checks [ORDERS]` prints one JSON line: checks per second alone, and with each order filled.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal

from ordermesh.risk.v1 import reservation_service_pb2
from services.kernel.clock import SystemClock
from services.kernel.decimals import use_exact_context
from services.kernel.identifiers import UuidV7
from services.risk.domain.limits import FIRM, Parameters
from services.risk.domain.market import Market
from services.risk.pipeline.alerts import AlertLog
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers
from services.risk.pipeline.reserving import Reserving, ShardStream, Sync
from services.risk.pipeline.withdrawing import Withdrawing
from services.risk.servicer.reservation import _decisions, _message
from tests.fakes.clock import FakeClock
from tests.fakes.reserve_client import fill, reservation
from tests.fakes.risk_store import FakeAccounts, FakeMarkets, FakeRiskStore

BATCH = 250
ACCOUNTS = 50
MANY = Decimal(10**15)


async def stream() -> ShardStream:
    """Returns a stream with every limit set, none of which refuses."""
    clock = SystemClock()
    book = Book(clock)
    limits = Parameters(FIRM, MANY, MANY, MANY, MANY, Decimal(50), MANY, 10**9, MANY)
    book.limits.set({FIRM: limits})
    market = Market("AAPL.XNAS", "USD", Decimal(1))
    market.quote("99", "101", "100")
    store = FakeRiskStore()
    accounts = FakeAccounts(*(f"a{number}" for number in range(ACCOUNTS)))
    for account in accounts.there:
        await accounts.find(account)
    breakers = Breakers(book, clock, AlertLog(store, UuidV7(clock)), store)
    begun = Reserving(book, accounts, FakeMarkets(market), breakers, clock, Withdrawing(book)).begin(0, "bench")
    await begun.handle(Sync((), 0, last=True))
    return begun


def requests(orders: int) -> list[tuple[bytes, bytes]]:
    """Returns batches of orders, each with its fills."""
    clock = FakeClock(SystemClock().now())
    made = []
    for first in range(0, orders, BATCH):
        numbers = range(first, first + BATCH)
        terms = [{"account_id": f"a{number % ACCOUNTS}", "side": 1 + number % 2} for number in numbers]
        batch = reservation_service_pb2.ReservationBatch(
            batch_number=first,
            reservations=[reservation(f"{n:036d}", **each) for n, each in zip(numbers, terms, strict=True)],
        )
        fills = [fill(n + 1, f"{n:036d}", clock, **each) for n, each in zip(numbers, terms, strict=True)]
        settle = reservation_service_pb2.Settlement(reports=fills, sequence=first + BATCH)
        made.append(
            (
                reservation_service_pb2.ReserveRequest(reserve=batch).SerializeToString(),
                reservation_service_pb2.ReserveRequest(settle=settle).SerializeToString(),
            )
        )
    return made


async def measure(orders: int) -> dict[str, int]:
    """Returns checks per second, alone and with settlements."""
    begun = await stream()
    checking = settling = 0.0
    for batch, settlement in requests(orders):
        start = time.perf_counter()
        for answer in await begun.handle(_message(reservation_service_pb2.ReserveRequest.FromString(batch))):
            refused = sum(bool(decision.reason) for decision in answer.decisions)
            _decisions(answer).SerializeToString()
            if refused:
                raise RuntimeError("a limit refused; the figures would be of refusals")
        middle = time.perf_counter()
        await begun.handle(_message(reservation_service_pb2.ReserveRequest.FromString(settlement)))
        checking += middle - start
        settling += time.perf_counter() - middle
    return {
        "orders": orders,
        "checks_per_second": round(orders / checking),
        "checked_and_settled_per_second": round(orders / (checking + settling)),
    }


def main() -> None:
    """Measures and prints."""
    orders = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    use_exact_context()
    print(json.dumps(asyncio.run(measure(orders // BATCH * BATCH))))


if __name__ == "__main__":
    main()
