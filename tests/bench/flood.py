"""Orders at a rate that nobody can keep up with: batches are sent when it is their time, whatever became of the others.

`python -m tests.bench.flood ADDRESS --rate ORDERS_PER_SECOND [--seconds S] …` prints one JSON line. The batches are
serialised beforehand, so that the sender costs as little as possible on the machine that it floods.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import grpc
import uvloop

from ordermesh.order.v1.order_entry_pb2 import PlaceOrdersRequest, PlaceOrdersResponse
from services.kernel.errors import CodedError
from services.mesh.options import CLIENT_OPTIONS
from services.mesh.status import from_rpc_error, from_status
from tests.bench.desks import Tokens
from tests.bench.order_load import Load, order, until
from tests.fixtures.direct import channel_to

PLACED: Final = "PLACED"
_METHOD: Final = "/ordermesh.order.v1.OrderService/PlaceOrders"
_CHANNELS: Final = 4
Call = grpc.aio.UnaryUnaryMultiCallable[bytes, PlaceOrdersResponse]


class Flood:
    """What came of the orders: how many got which answer, by reason."""

    def __init__(self, batch: int, deadline_seconds: float, shown: Sequence[tuple[str, str]] = ()) -> None:
        self.told: Counter[str] = Counter()
        self.retry_untold = 0
        self._batch, self._deadline_seconds, self._shown = batch, deadline_seconds, tuple(shown)

    async def send(self, call: Call, request: bytes) -> None:
        """Sends a batch, and counts its answers."""
        try:
            response = await call(request, timeout=self._deadline_seconds, metadata=self._shown)
        except grpc.aio.AioRpcError as error:
            self._refused(from_rpc_error(error), self._batch)
            return
        for result in response.results:
            if result.HasField("order"):
                self.told[PLACED] += 1
            else:
                self._refused(from_status(result.error), 1)

    def _refused(self, error: CodedError, orders: int) -> None:
        self.told[error.reason] += orders
        if error.reason == "OVERLOADED" and error.retry_after_seconds is None:
            self.retry_untold += orders


async def flood(address: str, chosen: argparse.Namespace) -> dict[str, float | dict[str, int]]:
    """Sends orders for some seconds; returns how many a second were offered and placed, and the answers."""
    load, run = Load(batch=chosen.batch, rate=chosen.rate), uuid.uuid4().hex[:12]
    count = int(chosen.rate * chosen.seconds) // load.batch
    requests = [_request(load, run, first * load.batch) for first in range(count)]
    outcome = Flood(load.batch, chosen.deadline, Tokens.read(chosen.tokens).of(load.accounts[0]))
    options = [*CLIENT_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
    channels = [channel_to(address, options=options) for _ in range(_CHANNELS)]
    calls: list[Call] = [
        each.unary_unary(_METHOD, response_deserializer=PlaceOrdersResponse.FromString) for each in channels
    ]
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, request in enumerate(requests):
            await until(start, number * load.batch, load.rate)
            tasks.create_task(outcome.send(calls[number % len(calls)], request))
            await asyncio.sleep(0)
        offered_seconds = time.perf_counter() - start
    seconds = time.perf_counter() - start
    await asyncio.gather(*(each.close() for each in channels))
    return {
        "offered_per_second": count * load.batch / offered_seconds,
        "placed_per_second": outcome.told[PLACED] / seconds,
        "retry_untold": outcome.retry_untold,
        "told": dict(outcome.told),
    }


def _request(load: Load, run: str, first: int) -> bytes:
    orders = [order(load, run, number) for number in range(first, first + load.batch)]
    return PlaceOrdersRequest(orders=orders).SerializeToString()


def main() -> None:
    """Runs a flood and prints what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("address")
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--deadline", type=float, default=2.0)
    parser.add_argument("--tokens", type=Path, help="file that tells whose token goes with which account")
    chosen = parser.parse_args()
    print(json.dumps(uvloop.run(flood(chosen.address, chosen))))


if __name__ == "__main__":
    main()
