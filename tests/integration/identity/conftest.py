"""A running IdentityService and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pydantic import SecretStr

from services.identity.config import IdentitySettings
from tests.fixtures.identity import ADMIN, CHEAP, PASSWORD, Client, World


@pytest.fixture
def world(tmp_path: Path, postgres_url: str) -> World:
    """An installation with an admin."""
    settings = IdentitySettings(
        postgres_url=SecretStr(postgres_url),
        secrets_key_file=tmp_path / "secrets.key",
        port_file=tmp_path / "identity-port",
        first_admin=ADMIN,
        first_admin_password=SecretStr(PASSWORD),
        drain_seconds=0,
        audit_interval_seconds=0.01,
        **CHEAP,
    )
    return World(settings, postgres_url)


@pytest_asyncio.fixture
async def client(world: World) -> AsyncIterator[Client]:
    """A client of it, while it runs."""
    async with world.running() as running:
        yield running
