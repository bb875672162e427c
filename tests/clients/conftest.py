"""One mesh, in which everybody must prove who they are, for all tests of clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import httpx
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from deploy.embedded.ports import unused_port
from tests.clients.caller import TRADER, login, new_instrument
from tests.fixtures import http_clients
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh

SETTINGS: Final = {
    # Many of these tests fail to log in, and all from this machine's one address.
    "ORDERMESH_IDENTITY_ADDRESS_ATTEMPTS": "100000",
    "ORDERMESH_IDENTITY_ATTEMPT_PAUSE_SECONDS": "60",
    "ORDERMESH_IDENTITY_REGISTRATION": "simulation,live",
    "ORDERMESH_GATEWAY_LOGIN_RATE": "0",
}
"""Beside those of every mesh of tests."""


@pytest.fixture(scope="session")
def shop() -> str:
    """The origin of a page elsewhere that may call; a browser of these tests finds it on this machine."""
    return f"http://shop.example:{unused_port()}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory, shop: str) -> AsyncIterator[Mesh]:
    """Everything but the trading agents."""
    settings = {**SETTINGS, "ORDERMESH_GATEWAY_CORS_ORIGINS": shop}
    async with running_mesh(tmp_path_factory.mktemp("clients"), WITHOUT_AGENTS, settings) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rest(guarded: Mesh) -> AsyncIterator[httpx.AsyncClient]:
    """A REST client at the gateway."""
    async with http_clients.async_client(base_url=guarded.gateway_url, timeout=20) as client:
        yield client


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def admin(rest: httpx.AsyncClient) -> str:
    """The first admin's token."""
    return await login(rest, "admin")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def trader(rest: httpx.AsyncClient) -> str:
    """The token of who trades for the account `demo`."""
    return await login(rest, TRADER)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def instrument(rest: httpx.AsyncClient, admin: str) -> str:
    """An instrument that nobody else trades."""
    return await new_instrument(rest, admin)
