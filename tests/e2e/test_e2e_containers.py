"""The mesh as the compose file starts it: everybody proves who they are there, too, and an order gets through."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import pytest_asyncio

from ordermesh.order.v1.order_query_pb2 import GetOrderRequest
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from tests.e2e.test_e2e_rest import order, until_status
from tests.fixtures import http_clients
from tests.fixtures.composed import Composed
from tests.fixtures.waiting import eventually

pytestmark = [pytest.mark.asyncio]

START_SECONDS = 90.0
AT_MARKET: dict[str, Any] = {"type": "ORDER_TYPE_MARKET", "time_in_force": "TIME_IN_FORCE_IOC", "limit_price": None}


@pytest_asyncio.fixture
async def composed(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Composed]:
    """All containers of the project's own images, started as they depend on each other."""
    variables = {
        "ORDERMESH_PASSWORD": "unused",
        "ORDERMESH_IDENTITY_SECRETS_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
        "ORDERMESH_IDENTITY_FIRST_ADMIN": "admin",
        "ORDERMESH_IDENTITY_FIRST_TRADER": "demo",
    }
    stores = {"ORDERMESH_POSTGRES_URL": postgres_url, "ORDERMESH_REDIS_URL": redis_url}
    running = Composed(tmp_path, variables, stores)
    try:
        running.start("authority")
        await eventually(lambda: _healthy(running, "authority"), bool)
        for name in running.services:
            if name != "authority":
                running.start(name)
        yield running
    finally:
        await running.stop()


def _logs(running: Composed) -> Callable[[str], Awaitable[str]]:
    async def told(_: str) -> str:
        return "\n".join(f"{name}: {running.processes[name].output(5)}" for name in running.processes)

    return told


def _is_ok(answer: httpx.Response) -> bool:
    return answer.status_code == httpx.codes.OK


async def _text(answer: httpx.Response) -> str:
    return answer.text


async def _healthy(running: Composed, name: str) -> bool:
    return running.is_healthy(name)


async def _until_healthy(running: Composed, client: httpx.AsyncClient) -> None:
    async def missing() -> str:
        try:
            answer = await client.get("/health")
        except httpx.TransportError as error:
            return str(error)
        return "" if _is_ok(answer) else answer.text

    await eventually(missing, lambda text: not text, START_SECONDS, _logs(running))


async def _log_in(running: Composed, client: httpx.AsyncClient, username: str) -> None:
    """Logs in with the password that the first start has left."""
    made = json.loads((running.folder("identity", "/state") / "first-users.json").read_text())
    password = next(user["password"] for user in made if user["username"] == username)
    body = {"username": username, "password": password, "environment": "ENVIRONMENT_SIMULATION"}

    async def logged_in() -> httpx.Response:
        return await client.post("/api/v1/auth/login", json=body)

    # The gateway looks for itself who is there, and may learn of the last one a moment after everybody is.
    answer = await eventually(logged_in, _is_ok, explain=_text)
    client.headers["authorization"] = f"Bearer {answer.json()['tokens']['access_token']}"


async def test_the_compose_file_starts_a_mesh_that_lets_in_who_proves_it(composed: Composed) -> None:
    """No call without a token, no connection without a certificate, and an order of the first trader is filled."""
    url = f"http://{composed.address('gateway')}"
    async with http_clients.async_client(base_url=url, timeout=20) as client:
        await _until_healthy(composed, client)
        refused = await client.get("/api/v1/orders", params={"account_id": "demo"})
        assert refused.status_code == httpx.codes.UNAUTHORIZED
        await _log_in(composed, client, "demo")

        async def placed() -> httpx.Response:
            return await client.post("/api/v1/orders", json=order("demo", quantity="1", **AT_MARKET))

        # The market opens a moment after it was started.
        order_id = (await eventually(placed, _is_ok, explain=_text)).json()["order"]["order_id"]
        await until_status(client, order_id, "ORDER_STATUS_FILLED")

    async with grpc.aio.insecure_channel(composed.address("order")) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as shut:
            await OrderServiceStub(channel).GetOrder(GetOrderRequest(order_id=order_id), timeout=5)
    assert shut.value.code() is grpc.StatusCode.UNAVAILABLE
