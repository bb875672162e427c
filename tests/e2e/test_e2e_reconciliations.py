"""The records of reconciliation on the whole mesh, over gRPC, REST and the command."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1 import reconciliation_pb2
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from tests.fixtures.command import ordermesh
from tests.fixtures.users import operator
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

PATH = "/api/v1/reconciliations"


@pytest_asyncio.fixture(loop_scope="session")
async def connection_id(rest: httpx.AsyncClient) -> str:
    """A connection of the test's own, which opens once it is made."""
    made = {
        "connection_id": f"c-{uuid.uuid4().hex[:12]}",
        "adapter": "simulation",
        "environment": "ENVIRONMENT_SIMULATION",
    }
    answer = await rest.post("/api/v1/brokers", json=made)
    assert answer.status_code == 200, answer.text
    return made["connection_id"]


async def test_an_opening_is_told_over_every_way(mesh: Mesh, rest: httpx.AsyncClient, connection_id: str) -> None:
    """The engine holds no order of the new connection: agreed; the same record by REST, gRPC and command."""

    async def ask() -> list[dict[str, Any]]:
        answer = await rest.get(PATH, params={"connection_id": connection_id})
        assert answer.status_code == 200, answer.text
        records: list[dict[str, Any]] = answer.json()["reconciliations"]
        return records

    (record,) = await eventually(ask, lambda records: len(records) == 1)
    assert (record["kind"], record["count"], record["order_ids"]) == ("RECONCILIATION_KIND_AGREED", 0, [])
    assert all(record[name] for name in ("time", "found", "decided"))
    desk = await operator(mesh)
    async with desk.calling() as channel:
        wanted = reconciliation_pb2.ListReconciliationsRequest(
            connection_id=connection_id, kinds=[reconciliation_pb2.RECONCILIATION_KIND_AGREED]
        )
        (told,) = (await OrderServiceStub(channel).ListReconciliations(wanted)).reconciliations
    assert (told.reconciliation_id, str(told.sequence)) == (record["reconciliation_id"], record["sequence"])
    shown = await ordermesh(desk, "reconciliations", "--connection", connection_id, "--kind", "agreed")
    assert (shown.code, connection_id in shown.out, "agreed" in shown.out) == (0, True, True)
    as_json = await ordermesh(desk, "reconciliations", "--connection", connection_id, "--json")
    assert [each["reconciliation_id"] for each in as_json.json["reconciliations"]] == [record["reconciliation_id"]]
    other = await ordermesh(desk, "reconciliations", "--connection", connection_id, "--kind", "lost-by-venue")
    assert (other.code, other.out, other.err) == (0, "", "nothing was found\n")


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ({"kinds": "RECONCILIATION_KIND_UNSPECIFIED"}, "INVALID_FIELD"),
        ({"kinds": "AGREED"}, "INVALID_FIELD"),
        ({"page_size": "1001"}, "INVALID_FIELD"),
        ({"page_size": "-1"}, "INVALID_FIELD"),
        ({"page_token": "x"}, "INVALID_PAGE_TOKEN"),
        ({"from": "yesterday"}, "INVALID_FIELD"),
        ({"from": "2026-01-02T00:00:00Z", "to": "2026-01-01T00:00:00Z"}, "INVALID_FIELD"),
        ({"connection": "x"}, "UNKNOWN_FIELD"),
    ],
)
async def test_bad_input_over_rest(rest: httpx.AsyncClient, query: dict[str, str], reason: str) -> None:
    """400 with the reason."""
    answer = await rest.get(PATH, params=query)
    assert (answer.status_code, answer.json()["details"][0]["reason"]) == (400, reason)


async def test_bad_input_to_the_command(mesh: Mesh) -> None:
    """A kind that is none is wrong usage; a connection that cannot be one is refused in a line."""
    assert (await ordermesh(await operator(mesh), "reconciliations", "--kind", "none-such")).code == 2
    refused = await ordermesh(await operator(mesh), "reconciliations", "--connection", "No")
    assert (refused.code, refused.err.count("\n")) == (1, 1)
