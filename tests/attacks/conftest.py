"""Fixtures of attacks: one mesh for all of them, with everybody in it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from tests.attacks.exploring import tally
from tests.attacks.state import settled
from tests.attacks.ways import way_to
from tests.attacks.world import SETTINGS, World, populated
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.waiting import eventually


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def attacked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh that looks at who calls, without trading agents: nothing moves but by attacks."""
    async with running_mesh(tmp_path_factory.mktemp("attacked"), WITHOUT_AGENTS, SETTINGS) as mesh:
        yield mesh


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def world(attacked: Mesh) -> AsyncIterator[World]:
    """Everybody in the mesh."""
    async with way_to(attacked) as way:
        world = await populated(attacked, way)
        # MarketDataService notes how far it has read its feed a moment after it serves.
        await eventually(lambda: settled(attacked), lambda told: "count=0" not in told["marketdata.feed_epoch"])
        yield world


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Tell how many inputs of each kind were tried."""
    if tally:
        terminalreporter.section("inputs tried")
        for kind, count in sorted(tally.items()):
            terminalreporter.write_line(f"{count:>8,}  {kind}")
