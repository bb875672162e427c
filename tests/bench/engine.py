"""The engine's figures: the book in process on the neutral workload, and order entry over gRPC, journal synced."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.bench.engine_workload import write_workload
from tests.bench.report import Figure
from tests.fixtures.engine import Engine, built

OPERATIONS_GOAL = 17_500_000
P99_GOAL_NANOSECONDS = 200
ORDERS_GOAL = 250_000


async def measure_engine(work: Path, operations: int = 1_000_000, orders: int = 1_000_000) -> list[Figure]:
    """Measures the engine.

    Args:
        work: Folder for the workload and the journal.
        operations: Operations of the neutral workload.
        orders: Orders to enter over gRPC.

    Raises:
        RuntimeError: The engine's results are not the expected ones, or a program failed.
    """
    workload = work / "neutral-42"
    await asyncio.to_thread(write_workload, 42, operations, workload)
    book = await _run(built("neutral_bench"), str(workload))
    wire = await _over_grpc(work, orders)
    return [
        _figure("engine in process", book["operations_per_second"], "operations/s", OPERATIONS_GOAL),
        _figure("engine in process, p99", book["p99_ns"], "ns", P99_GOAL_NANOSECONDS, lower=True),
        _figure("engine over gRPC, batches of 1,000, synced", wire["orders_per_second"], "orders/s", ORDERS_GOAL),
        Figure("engine over gRPC, one order alone, p50", wire["alone_p50_us"] / 1000, "ms"),
    ]


async def _over_grpc(work: Path, orders: int) -> dict[str, Any]:
    engine = await Engine(work).start()
    try:
        return await _run(built("grpc_bench"), engine.address, str(orders))
    finally:
        await engine.stop()


async def _run(program: Path, *arguments: str) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        str(program), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output = (await process.communicate())[0].decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{program.name} failed: {output[-500:]}")
    results: dict[str, Any] = json.loads(output)
    return results


def _figure(name: str, value: float, unit: str, goal: float, *, lower: bool = False) -> Figure:
    return Figure(
        name=name,
        value=value,
        unit=unit,
        goal=f"{'≤' if lower else '≥'} {goal:,}",
        reached=value <= goal if lower else value >= goal,
    )
