"""`make bench`: measures what matters, beside the yardstick and bare servers in the same run, and keeps the figures.

`python -m tests.bench [orders] [engine] [quotes] [streams] [scaling] [overload]` measures those parts; the first four
when none is named. Scaling fills a database and takes minutes; flags set its sizes.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench.engine import measure_engine
from tests.bench.held_streams import measure_held_streams
from tests.bench.order_path import measure_order_path
from tests.bench.overload import measure_overload
from tests.bench.quotes import fan_out, quote_latency
from tests.bench.report import Figure, Skipped, keep, show
from tests.bench.scaling import Sizes, add_sizes, measure_scaling, sizes_of
from tests.bench.work_folder import work_folder
from tests.bench.yardstick import VARIABLE, Yardstick, run_yardstick, yardstick_program

USUAL = ("orders", "engine", "quotes", "streams")
PARTS = (*USUAL, "scaling", "overload")
RESULTS = Path("bench-results")


async def measure(parts: Sequence[str], work: Path, console: Console, sizes: Sizes) -> list[Figure | Skipped]:
    """Returns the figures of some parts."""
    results: list[Figure | Skipped] = []
    if "orders" in parts:
        yardstick = await _yardstick(work, console, results)
        console.print("the order path, on a mesh of its own …")
        results += await measure_order_path(work, yardstick)
    if "engine" in parts:
        console.print("the engine, in process and over gRPC …")
        results += await measure_engine(work)
    if "quotes" in parts:
        console.print("quotes …")
        results += await _quotes(work)
    if "streams" in parts:
        console.print("streams held through the gateway …")
        results += await measure_held_streams(work / "streams")
    if "scaling" in parts:
        console.print("how cost grows …")
        results += await measure_scaling(work / "scaling", sizes, console)
    if "overload" in parts:
        console.print("too much at once …")
        results += await measure_overload(work / "overload")
    return results


async def _yardstick(work: Path, console: Console, results: list[Figure | Skipped]) -> Yardstick | None:
    program = yardstick_program()
    if program is None:
        results.append(Skipped("yardstick", f"it is not here; {VARIABLE} can name it"))
        return None
    console.print("the yardstick …")
    return await run_yardstick(program, work / "yardstick")


async def _quotes(work: Path) -> list[Figure]:
    latency = await quote_latency(work / "quotes")
    fan = await fan_out()
    return [
        Figure("quote, tick to stream at 1,000 ticks/s, p50", latency["p50_ms"], "ms"),
        Figure(
            "quote, tick to stream at 1,000 ticks/s, p99",
            latency["p99_ms"],
            "ms",
            goal="<= 10 ms",
            reached=latency["p99_ms"] <= 10,
        ),
        Figure(
            f"quotes to {fan['readers']:,} readers",
            fan["service"],
            "messages/s",
            f"bare streams {fan['bare']:,.0f}/s",
            fan["ratio"],
            ">= 0.8",
            fan["ratio"] >= 0.8,
        ),
    ]


def main(arguments: Sequence[str]) -> int:
    """Measures, prints the table and keeps the figures."""
    console = Console(width=160 if not sys.stdout.isatty() else None)
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    add_sizes(parser)
    chosen = parser.parse_args(arguments)
    unknown = set(chosen.parts) - set(PARTS)
    if unknown:
        console.print(f"no such part: {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
        return 2
    with work_folder() as work:
        results = asyncio.run(measure(chosen.parts or USUAL, work, console, sizes_of(chosen)))
    show(results, console)
    console.print(f"kept in {keep(results, RESULTS)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
