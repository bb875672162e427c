"""An order load: batches as fast as they are taken, or single orders by many callers, or at a fixed rate.

`python -m tests.bench.orders ADDRESS trade|trade-paced|batches|unary|paced [--orders N] …` prints one JSON line. The
functions are what `make bench` uses. Latencies are from request to answer; with streams, it is also measured how long
it takes until every order was told as ended.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import uvloop

from ordermesh.order.v1 import order_entry_pb2, order_service_pb2_grpc, order_stream_pb2
from services.mesh.options import CLIENT_OPTIONS
from tests.bench.desks import Tokens
from tests.bench.order_load import ENDED, Load, Outcome, order, until
from tests.bench.trade import trade, trade_paced
from tests.fixtures.direct import channel_to


async def batches(address: str, load: Load) -> Outcome:
    """Sends batches, several at once, and waits until every order has ended."""
    async with _stub(address) as stub, _Endings.following(stub, load) as endings:
        outcome, numbers = Outcome(), iter(range(0, load.orders, load.batch))
        run, start = uuid.uuid4().hex[:12], time.perf_counter()

        async def sender() -> None:
            for first in numbers:
                await until(start, first, load.rate)
                requests = [order(load, run, first + offset) for offset in range(min(load.batch, load.orders - first))]
                sent = time.perf_counter()
                shown = load.tokens.of(requests[0].account_id)
                response = await stub.PlaceOrders(order_entry_pb2.PlaceOrdersRequest(orders=requests), metadata=shown)
                taken = time.perf_counter() - sent
                accepted = sum(result.HasField("order") for result in response.results)
                outcome.orders += accepted
                outcome.refused += len(requests) - accepted
                outcome.latencies += [taken] * accepted

        await asyncio.gather(*(sender() for _ in range(load.in_flight)))
        outcome.acknowledged_seconds = time.perf_counter() - start
        if load.streams:
            await endings.reached(outcome.orders)
            outcome.ended_seconds = time.perf_counter() - start
        return outcome


async def unary(address: str, load: Load) -> Outcome:
    """Sends single orders, `in_flight` callers at once."""
    async with _stub(address) as stub:
        outcome, numbers = Outcome(), iter(range(load.orders))
        run, start = uuid.uuid4().hex[:12], time.perf_counter()

        async def caller() -> None:
            for number in numbers:
                await _place(stub, load, run, number, outcome)

        await asyncio.gather(*(caller() for _ in range(load.in_flight)))
        outcome.acknowledged_seconds = time.perf_counter() - start
        return outcome


async def paced(address: str, load: Load) -> Outcome:
    """Sends single orders at the load's rate, whether or not the ones before are answered."""
    async with _stub(address) as stub:
        outcome, run, start = Outcome(), uuid.uuid4().hex[:12], time.perf_counter()
        sent: list[asyncio.Task[None]] = []
        for number in range(load.orders):
            await until(start, number, load.rate)
            sent.append(asyncio.create_task(_place(stub, load, run, number, outcome)))
        await asyncio.gather(*sent)
        outcome.acknowledged_seconds = time.perf_counter() - start
        return outcome


class _Endings:
    """Counts the orders that the streams tell as ended."""

    def __init__(self) -> None:
        self.count = 0
        self._wanted: int | None = None
        self._enough = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def following(cls, stub: order_service_pb2_grpc.OrderServiceAsyncStub, load: Load) -> AsyncIterator[_Endings]:
        endings = cls()
        accounts = load.accounts if load.streams else ()
        ready = [asyncio.Event() for _ in accounts]
        tasks = [
            asyncio.create_task(endings._follow(stub, load, account, event))
            for account, event in zip(accounts, ready, strict=True)
        ]
        await asyncio.gather(*(event.wait() for event in ready))
        try:
            yield endings
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def reached(self, wanted: int) -> None:
        self._wanted = wanted
        self._look()
        await self._enough.wait()

    async def _follow(
        self, stub: order_service_pb2_grpc.OrderServiceAsyncStub, load: Load, account: str, ready: asyncio.Event
    ) -> None:
        token = ""
        while True:
            request = order_stream_pb2.StreamOrdersRequest(account_id=account, resume_token=token)
            async for message in stub.StreamOrders(request, metadata=load.tokens.of(account)):
                match message.WhichOneof("item"):
                    case "update":
                        self.count += sum(report.order_status in ENDED for report in message.update.reports)
                        token = message.update.resume_token
                        self._look()
                    case "snapshot_end":
                        token = message.snapshot_end.resume_token
                        ready.set()
                    case "going_away":
                        token = message.going_away.resume_token

    def _look(self) -> None:
        if self._wanted is not None and self.count >= self._wanted:
            self._enough.set()


@asynccontextmanager
async def _stub(address: str) -> AsyncIterator[order_service_pb2_grpc.OrderServiceAsyncStub]:
    async with channel_to(address, options=list(CLIENT_OPTIONS)) as channel:
        yield order_service_pb2_grpc.OrderServiceStub(channel)


async def _place(
    stub: order_service_pb2_grpc.OrderServiceAsyncStub, load: Load, run: str, number: int, outcome: Outcome
) -> None:
    request = order(load, run, number)
    sent = time.perf_counter()
    try:
        await stub.PlaceOrder(request, metadata=load.tokens.of(request.account_id))
    except grpc.aio.AioRpcError as error:
        if error.code() not in (grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.RESOURCE_EXHAUSTED):
            raise
        outcome.refused += 1
    else:
        outcome.orders += 1
        outcome.latencies.append(time.perf_counter() - sent)


KINDS = {"trade": trade, "trade-paced": trade_paced, "batches": batches, "unary": unary, "paced": paced}


def main() -> None:
    """Runs one load and prints its figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("kind", choices=tuple(KINDS))
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--in-flight", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.0)
    parser.add_argument("--instrument", default="AAPL.XNAS")
    parser.add_argument("--price", default="187.25")
    parser.add_argument("--accounts", default="")
    parser.add_argument("--account-count", type=int, default=0, help="use bench-0, bench-1, ... instead")
    parser.add_argument("--no-streams", action="store_true")
    parser.add_argument("--resting", action="store_true", help="all buy, so that none trades")
    parser.add_argument("--tokens", type=Path, help="file that tells whose token goes with which account")
    chosen = parser.parse_args()
    if chosen.account_count:
        chosen.accounts = ",".join(f"bench-{number}" for number in range(chosen.account_count))
    load = Load(
        orders=chosen.orders,
        batch=chosen.batch,
        in_flight=chosen.in_flight,
        rate=chosen.rate,
        instrument=chosen.instrument,
        price=chosen.price,
        streams=not chosen.no_streams,
        resting=chosen.resting,
        tokens=Tokens.read(chosen.tokens),
        **({"accounts": tuple(chosen.accounts.split(","))} if chosen.accounts else {}),
    )
    outcome = uvloop.run(KINDS[chosen.kind](chosen.address, load))
    print(json.dumps(outcome.figures()))


if __name__ == "__main__":
    main()
