"""The bare pipeline on the same libraries, where it is there: what this machine can do at the most."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "ORDERMESH_YARDSTICK"
_BESIDE = Path(__file__).resolve().parents[3] / "shared" / "yardstick" / "run"


@dataclass(frozen=True, slots=True)
class Yardstick:
    """What the bare pipeline reached in this run.

    Attributes:
        orders_per_second: Over a stream, at full speed.
        acknowledgement_ms: Median and 99th percentile at 500 orders/s.
        echo_per_second: Bare unary calls of 32 callers.
    """

    orders_per_second: float
    acknowledgement_ms: tuple[float, float]
    echo_per_second: float


def yardstick_program() -> Path | None:
    """Returns the program that runs it: named by ORDERMESH_YARDSTICK, else beside the checkout; None without one."""
    program = Path(os.environ.get(VARIABLE, _BESIDE))
    return program if program.exists() else None


async def run_yardstick(program: Path, work: Path) -> Yardstick:
    """Runs it.

    Args:
        program: The program.
        work: Folder for what it builds and stores.

    Raises:
        RuntimeError: It failed; the text ends with what it said.
    """
    process = await asyncio.create_subprocess_exec(
        program,
        env={**os.environ, "PYTHON": sys.executable, "YARDSTICK_DIR": str(work)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output = (await process.communicate())[0].decode(errors="replace")
    lines = [line for line in output.splitlines() if line.endswith("}")]
    figures = [json.loads(line[line.index("{") :]) for line in lines]
    if process.returncode or len(figures) < 4:
        raise RuntimeError(f"the yardstick failed: {output[-500:]}")
    stream, at_500, _, echo = figures[-4:]
    return Yardstick(
        orders_per_second=stream["per_second"],
        acknowledgement_ms=(at_500["ack_ms"]["p50"], at_500["ack_ms"]["p99"]),
        echo_per_second=echo["per_second"],
    )
