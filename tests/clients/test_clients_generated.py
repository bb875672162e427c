"""Clients in C++ and Go that have nothing of us but the contracts."""

from __future__ import annotations

import pytest

from deploy.embedded.mesh import Mesh
from tests.clients.caller import TRADER, built, run
from tests.fixtures.users import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize("client", ["cpp/client", "bin/go-client"])
async def test_a_generated_client_trades(guarded: Mesh, instrument: str, client: str) -> None:
    """It logs in, places an order, sees it on its stream, and reads why another is refused."""
    program = built(client)
    told = (await run(program, guarded.address("gateway"), TRADER, PASSWORD, "demo", instrument)).json
    assert told.pop("order_id")
    assert told == {"status": "ORDER_STATUS_NEW", "error": "INVALID_FIELD quantity"}


@pytest.mark.parametrize("client", ["cpp/client", "bin/go-client"])
async def test_a_generated_client_is_refused_with_a_wrong_password(guarded: Mesh, instrument: str, client: str) -> None:
    """It ends with what the service says."""
    program = built(client)
    ended = await run(program, guarded.address("gateway"), TRADER, "not the password", "demo", instrument)
    assert ended.code == 1
    assert "the credentials are not those of a user" in ended.err
