"""Envoy's administration on a whole mesh: for whoever runs it, and for nobody else on the machine."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import httpx
import pytest

from deploy.embedded.mesh import Mesh
from deploy.embedded.ports import HOST
from deploy.embedded.probes import http_client

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


async def test_it_is_a_socket_that_its_owner_alone_may_use(mesh: Mesh) -> None:
    """It answers there, and at no port."""
    address = mesh.local.gateway_admin
    path = Path(address.removeprefix("unix:"))
    assert path.parent == mesh.local.run
    assert stat.S_ISSOCK(path.stat().st_mode)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    async with http_client(address) as client:
        assert (await client.get("/server_info")).json()["state"] == "LIVE"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((HOST, mesh.local.ports.numbers["gateway_admin"]))


async def test_its_figures_are_among_those_of_the_mesh(mesh: Mesh, rest: httpx.AsyncClient) -> None:
    """Collected by SystemService, which runs as the same user."""
    text = (await rest.get("/metrics")).text
    assert 'service="gateway"' in text
    assert "envoy_http_downstream_rq_total" in text
