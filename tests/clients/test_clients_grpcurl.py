"""grpcurl by reflection alone, and ghz: both know nothing of the contracts but what the gateway tells them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Final

import pytest

from deploy.embedded.mesh import Mesh
from gateway.tables import load_tables
from tests.clients.caller import PATIENCE_SECONDS, Ended, built, order, run

pytestmark = pytest.mark.asyncio(loop_scope="session")

PUBLIC: Final = {service.name for service in load_tables().services}
ORDERS: Final = "ordermesh.order.v1.OrderService"
CALLS: Final = 2000


async def grpcurl(guarded: Mesh, *words: str, options: Sequence[str] = ()) -> Ended:
    """Runs it against the gateway; it finds out the rest by reflection."""
    return await run(built("bin/grpcurl"), "-plaintext", *options, guarded.address("gateway"), *words)


async def test_it_lists_the_public_services_and_no_other(guarded: Mesh) -> None:
    """What is internal is not told of at the gateway."""
    listed = await grpcurl(guarded, "list")
    assert {name for name in listed.out.split() if name.startswith("ordermesh.")} == PUBLIC


async def test_it_describes_a_method_and_its_request(guarded: Mesh) -> None:
    """With the fields that a caller sends."""
    method = await grpcurl(guarded, "describe", f"{ORDERS}.PlaceOrder")
    assert "rpc PlaceOrder ( .ordermesh.order.v1.PlaceOrderRequest )" in method.out, method
    message = await grpcurl(guarded, "describe", "ordermesh.order.v1.PlaceOrderRequest")
    assert "string client_order_id = 1" in message.out, message


async def test_it_places_an_order_and_follows_it(guarded: Mesh, trader: str, instrument: str) -> None:
    """A call, then a stream until the order is on it."""
    options = ("-H", f"authorization: Bearer {trader}", "-d", json.dumps(order(instrument)))
    placed = await grpcurl(guarded, f"{ORDERS}/PlaceOrder", options=options)
    assert placed.code == 0, placed.err
    order_id = json.loads(placed.out)["order"]["order_id"]
    process = await asyncio.create_subprocess_exec(
        *(built("bin/grpcurl"), "-plaintext", "-H", f"authorization: Bearer {trader}"),
        *("-d", '{"account_id": "demo"}', guarded.address("gateway"), f"{ORDERS}/StreamOrders"),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while order_id not in (line := (await process.stdout.readline()).decode()):
                assert line, "the stream has ended"
    finally:
        process.kill()
        await process.wait()


async def test_it_is_told_why_it_is_refused(guarded: Mesh, instrument: str) -> None:
    """Code, reason and domain."""
    options = ("-format-error", "-d", json.dumps(order(instrument)))
    ended = await grpcurl(guarded, f"{ORDERS}/PlaceOrder", options=options)
    assert ended.code != 0
    assert "INVALID_TOKEN" in ended.err
    assert "ordermesh.dev" in ended.err


async def test_ghz_finds_no_error_under_load(
    guarded: Mesh, trader: str, record_property: Callable[[str, object], None]
) -> None:
    """Calls over ten connections, all answered; its figures are kept with the test's results."""
    ended = await run(
        *(built("bin/ghz"), "--insecure", "--call", f"{ORDERS}.ListOrders", "-d", '{"account_id": "demo"}'),
        *("-m", json.dumps({"authorization": f"Bearer {trader}"}), "-n", str(CALLS), "-c", "20"),
        *("--connections", "10", "-O", "json", guarded.address("gateway")),
    )
    assert ended.code == 0, ended.err
    told = json.loads(ended.out)
    assert told["statusCodeDistribution"] == {"OK": CALLS}
    assert not told.get("errorDistribution")
    for name in ("rps", "average", "fastest", "slowest"):
        record_property(f"ghz_{name}", told[name])
    print(f"ghz: {told['rps']:.0f} calls/s, p99 {quantile(told, 99) / 1e6:.1f} ms")  # noqa: T201 - shown with -s


def quantile(told: dict[str, list[dict[str, float]]], percentage: int) -> float:
    return next(each["latency"] for each in told["latencyDistribution"] if each["percentage"] == percentage)
