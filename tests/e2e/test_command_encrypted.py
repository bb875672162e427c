"""The command calls a gateway with TLS: by an address that says so, believing the authority that is named."""

from __future__ import annotations

import pytest

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_pb2 import ORDER_STATUS_NEW
from tests.fixtures.command import ordermesh
from tests.fixtures.trader import Trader, new_instrument
from tests.fixtures.users import PASSWORD

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]


def secure(mesh: Mesh, *, host: str = "") -> list[str]:
    """Returns the words that name the gateway's port with TLS, at its address or at another name for it."""
    address = mesh.address("gateway_tls")
    return ["--address", f"https://{host}:{address.rpartition(':')[2]}" if host else f"https://{address}"]


def believing(mesh: Mesh) -> list[str]:
    """Returns the words that name the gateway's authority."""
    return ["--ca", str(mesh.local.gateway_certificate.authority)]


async def test_a_login_goes_encrypted(mesh: Mesh, someone: Trader) -> None:
    """To the host's name; the tokens are kept for that address alone."""
    where, nobody = [*secure(mesh, host="localhost"), *believing(mesh)], {"ORDERMESH_ACCESS_TOKEN": ""}
    words = ("login", "--username", someone.user.username, *where)
    login = await ordermesh(mesh, *words, typed=f"{PASSWORD}\n", **nobody)
    assert login.code == 0, login.err
    assert (await ordermesh(mesh, "whoami", *where, **nobody)).code == 0
    plain = await ordermesh(mesh, "whoami", **nobody)
    assert (plain.code, "nobody is logged in" in plain.err) == (1, True)


async def test_an_order_goes_encrypted(mesh: Mesh, someone: Trader) -> None:
    """To the host's address."""
    instrument = await new_instrument(someone)
    words = ("order", "buy", instrument, "3", "--limit", "5", "--account", someone.account_id, "--json")
    placed = await ordermesh(someone.user, *words, *secure(mesh), *believing(mesh))
    assert placed.code == 0, placed.err
    await someone.reports.until(placed.json["order_id"], ORDER_STATUS_NEW)


async def test_a_gateway_that_is_not_believed_is_sent_nothing(mesh: Mesh, someone: Trader) -> None:
    """Of an authority that nobody has named here: one line, which says what to do, and the exit code of no mesh."""
    outcome = await ordermesh(someone.user, "orders", *secure(mesh))
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1
    assert "is not believed" in outcome.err
    assert "--ca" in outcome.err


async def test_a_gateway_without_tls_is_told_as_such(mesh: Mesh, someone: Trader) -> None:
    """Its port for this machine does not speak it."""
    where = ["--address", f"https://{mesh.address('gateway')}", *believing(mesh)]
    outcome = await ordermesh(someone.user, "orders", *where)
    assert outcome.code == 3
    assert outcome.err.count("\n") == 1
    assert "speaks no TLS there" in outcome.err
