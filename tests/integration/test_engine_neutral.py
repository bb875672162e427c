"""The fast book on the neutral workload must reach the results of any price-time-priority book."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.bench.engine_workload import write_workload
from tests.fixtures.engine import built

PROGRAM = "neutral_bench"
pytestmark = pytest.mark.built(PROGRAM)


@pytest.mark.parametrize("seed", [1, 7, 42])
async def test_the_engine_reaches_the_expected_results(tmp_path: Path, seed: int) -> None:
    """Trades, their hash, cancels, live orders and best prices are those of the plain book."""
    workload = tmp_path / "workload"
    expected = write_workload(seed, 40_000, workload)
    assert expected["trades"]
    process = await asyncio.create_subprocess_exec(
        str(built(PROGRAM)), str(workload), "1", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    results = json.loads(output)
    assert {name: results[name] for name in expected if name != "seed"} == {
        name: value for name, value in expected.items() if name != "seed"
    }
    assert results["as_expected"]
    assert process.returncode == 0


async def test_a_deviation_is_noticed(tmp_path: Path) -> None:
    """A workload whose expected results are others fails the run."""
    workload = tmp_path / "workload"
    write_workload(1, 10_000, workload)
    expected = tmp_path / "workload.expected.json"
    expected.write_text(expected.read_text().replace('"trade_hash": "', '"trade_hash": "f'))
    process = await asyncio.create_subprocess_exec(
        str(built(PROGRAM)), str(workload), "1", stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert not json.loads(output)["as_expected"]
    assert process.returncode == 1
