"""Plugs pulled under load: no order lost, none twice. The short part, one fault of each kind."""

from __future__ import annotations

import pytest

from deploy.embedded.mesh import Mesh, running_mesh
from tests.faults.load import Load
from tests.fixtures.mesh import WITHOUT_AGENTS

pytestmark = [pytest.mark.mesh, pytest.mark.faults, pytest.mark.timeout(240)]

PARTS = ("order", "risk", "broker", "portfolio", "marketdata", "engine", "redis", "postgres")


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_costs_no_order(part: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every order told as placed is in the log once, at the engine once, and in the positions; no other order is."""
    async with running_mesh(tmp_path_factory.mktemp(part), WITHOUT_AGENTS) as mesh:
        await _survives(mesh, part)


async def _survives(mesh: Mesh, part: str) -> None:
    async with Load.open(mesh, seed=42, accounts=4) as load:
        async with load.running(orders=400):
            await load.until_placed(120)
            await mesh.kill(part)
        await mesh.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()
