"""Ten times the load that can be sustained: what is still placed, what it costs, and how soon it is over.

`python -m tests.bench.overload [--seconds S] [--most-waiting N] [--orders N]` prints this table alone.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import uuid
from pathlib import Path
from typing import Any, Final

import grpc
from rich.console import Console

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from services.mesh.status import from_rpc_error
from tests.bench.desks import Tokens, desks_of
from tests.bench.flood import PLACED
from tests.bench.order_load import Load, order
from tests.bench.order_path import bench_mesh, run_load
from tests.bench.report import Figure, show
from tests.bench.work_folder import work_folder
from tests.fixtures.direct import variables
from tests.fixtures.usage import Usage, usage_of

TIMES: Final = 10
NEXT_GOAL_SECONDS: Final = 1.0
ALLOWED: Final = {PLACED, "OVERLOADED", "DEADLINE_EXCEEDED"}


async def measure_overload(
    work: Path, seconds: float = 5.0, most_waiting: int = 2_000, orders: int = 20_000
) -> list[Figure]:
    """Measures on a mesh of its own, without agents.

    Args:
        work: Folder for its data.
        seconds: How long too much is sent.
        most_waiting: Orders that OrderService takes in at once; few, so that the bound is reached soon.
        orders: Orders of the run that tells what can be sustained.

    Raises:
        RuntimeError: OrderService went down, or answered something that an overloaded service should not.
    """
    settings = {"ORDERMESH_ORDER_MOST_WAITING_ORDERS": str(most_waiting)}
    async with bench_mesh(work, settings) as mesh:
        await run_load(mesh, "batches", "--no-streams", orders=2_000)
        sustained = (await run_load(mesh, "batches", "--no-streams", orders=orders))["orders_per_second"]
        before = usage_of(mesh, "order")
        told = await _flooded(mesh, TIMES * sustained, seconds)
        next_seconds = await _next_order(mesh)
        after = usage_of(mesh, "order")
    if after.pid != before.pid:
        raise RuntimeError("OrderService did not stay up")
    if told["retry_untold"] or not set(told["told"]) <= ALLOWED:
        raise RuntimeError(f"answers that an overloaded service should not give: {told}")
    return _figures(told, sustained, next_seconds, before, after)


def _figures(told: dict[str, Any], sustained: float, next_seconds: float, before: Usage, after: Usage) -> list[Figure]:
    answers = told["told"]
    beside = f"sustained {sustained:,.0f}/s"
    return [
        Figure(
            "overload: orders offered",
            told["offered_per_second"],
            "orders/s",
            beside,
            told["offered_per_second"] / sustained,
        ),
        Figure(
            "overload: orders placed",
            told["placed_per_second"],
            "orders/s",
            beside,
            told["placed_per_second"] / sustained,
        ),
        Figure("overload: answered with OVERLOADED", answers.get("OVERLOADED", 0), "orders"),
        Figure("overload: deadline exceeded", answers.get("DEADLINE_EXCEEDED", 0), "orders"),
        Figure(
            "overload: most memory of OrderService",
            after.peak_mib,
            "MiB",
            f"before {before.peak_mib:,.0f} MiB",
            after.peak_mib / before.peak_mib,
        ),
        Figure(
            "overload: the next order acknowledged after",
            next_seconds,
            "s",
            goal=f"< {NEXT_GOAL_SECONDS:g} s",
            reached=next_seconds < NEXT_GOAL_SECONDS,
        ),
    ]


async def _flooded(mesh: Mesh, rate: float, seconds: float) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.flood", mesh.address("order"), "--rate", str(rate), "--seconds", str(seconds)),
        *("--tokens", str(await desks_of(mesh).tokens())),
        stdout=asyncio.subprocess.PIPE,
        env=variables(mesh),
    )
    output = (await process.communicate())[0]
    if process.returncode:
        raise RuntimeError(f"the flood failed with exit code {process.returncode}")
    told: dict[str, Any] = json.loads(output)
    return told


async def _next_order(mesh: Mesh) -> float:
    """Returns the seconds until an order is acknowledged that is sent right after, and again when it is told to."""
    request = order(Load(), uuid.uuid4().hex[:12], 0)
    shown = Tokens.read(await desks_of(mesh).tokens()).of(request.account_id)
    async with mesh.channel("order") as channel:
        started = time.perf_counter()
        while True:
            try:
                await OrderServiceStub(channel).PlaceOrder(request, timeout=60, metadata=shown)
            except grpc.aio.AioRpcError as failed:
                error = from_rpc_error(failed)
                if error.reason != "OVERLOADED" or error.retry_after_seconds is None:
                    raise
                await asyncio.sleep(error.retry_after_seconds)
            else:
                return time.perf_counter() - started


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--most-waiting", type=int, default=2_000)
    parser.add_argument("--orders", type=int, default=20_000)
    chosen = parser.parse_args()
    with work_folder() as folder:
        measured = measure_overload(folder, chosen.seconds, chosen.most_waiting, chosen.orders)
        show(asyncio.run(measured), Console(width=160))


if __name__ == "__main__":
    main()
