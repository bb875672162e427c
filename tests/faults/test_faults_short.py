"""Plugs pulled under load: no order lost, none twice. The short part, one fault of each kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh, running_mesh
from tests.faults.load import Load
from tests.faults.trading import Trading
from tests.fixtures.mesh import WITHOUT_AGENTS

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module"), pytest.mark.xdist_group("faults")]

PARTS = ("order", "risk", "broker", "portfolio", "marketdata", "engine", "redis", "postgres")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def breakable(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh of these tests' own, whose parts are killed one after the other."""
    async with running_mesh(tmp_path_factory.mktemp("faults"), WITHOUT_AGENTS) as mesh:
        yield mesh


@pytest.mark.parametrize("part", PARTS)
async def test_a_killed_part_costs_no_order(breakable: Mesh, part: str) -> None:
    """Every order told as placed is in the log once, at the engine once, and in the positions; no other order is."""
    async with Load.open(breakable, seed=42, accounts=4) as load:
        async with load.running(orders=400):
            await load.until_placed(120)
            await breakable.kill(part)
        await breakable.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()


@pytest.mark.parametrize("part", ["order", "risk", "postgres"])
async def test_trade_streams_lose_and_repeat_nothing(breakable: Mesh, part: str) -> None:
    """Clients that send unanswered batches again, and resume, have each order once and know all that happened."""
    async with Load.open(breakable, seed=43, accounts=4) as load:
        trading = Trading()
        async with load.running(orders=400, client=trading.client):
            await load.until_placed(120)
            await breakable.kill(part)
        await breakable.until_serving(part)
        await load.settle()
        await load.assert_counts_agree()
        await trading.assert_told_all(load)
