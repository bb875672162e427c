"""Clients at the gateway's port with TLS: told whom to believe they trade; told nothing they do not connect."""

from __future__ import annotations

import json

import pytest

from deploy.embedded.mesh import Mesh
from tests.clients.caller import TRADER, built, order, program, run
from tests.fixtures.users import PASSWORD

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = "ordermesh.order.v1.OrderService"


def authority(guarded: Mesh) -> str:
    """Returns the file of the gateway's authority."""
    return str(guarded.local.gateway_certificate.authority)


def url(guarded: Mesh) -> str:
    """Returns where the gateway speaks TLS, by the host's name."""
    return f"https://localhost:{guarded.address('gateway_tls').rpartition(':')[2]}"


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_curl_trades(guarded: Mesh, trader: str, instrument: str, version: str) -> None:
    """By REST, in either version of HTTP; without the authority it ends with its own code for that."""
    words = (
        *(program("curl"), "-sS", version, "-w", "\n%{http_code}", "-H", f"authorization: Bearer {trader}"),
        *("-H", "content-type: application/json", "-d", json.dumps(order(instrument)), f"{url(guarded)}/api/v1/orders"),
    )
    ended = await run(*words, "--cacert", authority(guarded))
    assert ended.code == 0, ended.err
    body, _, status = ended.out.rpartition("\n")
    assert (status, json.loads(body)["order"]["instrument"]) == ("200", instrument)
    assert (await run(*words)).code == 60  # CURLE_PEER_FAILED_VERIFICATION


async def test_grpcurl_lists_and_trades(guarded: Mesh, trader: str, instrument: str) -> None:
    """By reflection, then a call; without the authority it does not connect."""
    address, believing = guarded.address("gateway_tls"), ("-cacert", authority(guarded))
    listed = await run(built("bin/grpcurl"), *believing, address, "list")
    assert ORDERS in listed.out.split(), listed.err
    words = ("-H", f"authorization: Bearer {trader}", "-d", json.dumps(order(instrument)))
    placed = await run(built("bin/grpcurl"), *believing, *words, address, f"{ORDERS}/PlaceOrder")
    assert json.loads(placed.out)["order"]["instrument"] == instrument, placed.err
    refused = await run(built("bin/grpcurl"), "-connect-timeout", "5", *words, address, f"{ORDERS}/PlaceOrder")
    assert refused.code != 0
    assert "certificate" in refused.err


@pytest.mark.parametrize("client", ["cpp/client", "bin/go-client"])
async def test_a_generated_client_trades(guarded: Mesh, instrument: str, client: str) -> None:
    """In C++ and Go, with the authority as one more word."""
    words = (guarded.address("gateway_tls"), TRADER, PASSWORD, "demo", instrument)
    told = (await run(built(client), *words, authority(guarded))).json
    assert told.pop("order_id")
    assert told == {"status": "ORDER_STATUS_NEW", "error": "INVALID_FIELD quantity"}
    assert (await run(built(client), *words)).code == 1


@pytest.mark.parametrize("kind", ["connect", "grpc-web"])
async def test_node_trades(guarded: Mesh, instrument: str, kind: str) -> None:
    """With the authority in the variable that Node has for it; without, nothing is sent."""
    told = json.dumps({"username": TRADER, "password": PASSWORD, "account": "demo", "instrument": instrument})
    words = (program("node"), built("node/node.mjs"), kind, url(guarded), told)
    ended = await run(*words, NODE_EXTRA_CA_CERTS=authority(guarded))
    assert ended.json["status"] == "ORDER_STATUS_NEW"
    refused = await run(*words)
    assert refused.code != 0 or refused.json.get("orderId") is None
