"""The order path's figures on a whole mesh: durable orders, acknowledgements, unary calls, REST through the gateway."""

from __future__ import annotations

import asyncio
import json
import ssl
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from deploy.embedded.mesh import Mesh
from tests.bench.desks import Tokens, desks_of
from tests.bench.http_load import post_all
from tests.bench.mesh_echo import main as echo
from tests.bench.report import Figure, percentile
from tests.bench.yardstick import Yardstick
from tests.fixtures.direct import variables
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.users import operator

ACCOUNTS = tuple(f"bench-{number}" for number in range(20))
INSTRUMENT = "AAPL.XNAS"
ORDERS_GOAL, YARDSTICK_GOAL = 10_000, 0.5
CALLERS = 32
NO_LIMITS = {
    "max_order_value": "1000000000000",
    "max_position_size": "1000000000000",
    "max_position_value": "1000000000000",
}


async def measure_order_path(work: Path, yardstick: Yardstick | None, orders: int = 40_000) -> list[Figure]:
    """Measures the order path on a mesh of its own, without agents.

    Args:
        work: Folder for its data.
        yardstick: What the bare pipeline reached, None where it is not there.
        orders: Orders of the run at full speed.
    """
    bare = await asyncio.to_thread(echo)
    async with bench_mesh(work) as mesh:
        await run_load(mesh, "trade", orders=2_000)
        full = await run_load(mesh, "trade", orders=orders)
        paced = await run_load(mesh, "trade-paced", orders=5_000, rate=500)
        unary = await run_load(mesh, "unary", orders=10_000, in_flight=CALLERS)
        rest = await _rest(mesh, orders=10_000)
    return [
        _durable(full, yardstick),
        *_acknowledgement(paced, yardstick),
        Figure(
            f"unary PlaceOrder, durable, {CALLERS} callers",
            unary["acknowledged_per_second"],
            "orders/s",
            f"bare echo {bare['bare_per_second']:,}/s",
            unary["acknowledged_per_second"] / bare["bare_per_second"],
            ">= 0.35",
            unary["acknowledged_per_second"] >= 0.35 * bare["bare_per_second"],
        ),
        Figure(
            f"REST POST /api/v1/orders, {CALLERS} connections",
            rest[0],
            "orders/s",
            f"unary {unary['acknowledged_per_second']:,.0f}/s",
            rest[0] / unary["acknowledged_per_second"],
            ">= 0.7",
            rest[0] >= 0.7 * unary["acknowledged_per_second"],
        ),
        Figure(f"REST POST /api/v1/orders, {CALLERS} connections, p50", rest[1], "ms"),
        Figure("interceptors: unary echo through all", bare["full_per_second"], "calls/s", "bare echo", bare["ratio"]),
    ]


def _durable(full: dict[str, float], yardstick: Yardstick | None) -> Figure:
    value = full["orders_per_second"]
    if yardstick is None:
        return Figure(
            "durable orders, filled and streamed", value, "orders/s", goal=">= 10,000", reached=value >= ORDERS_GOAL
        )
    ratio = value / yardstick.orders_per_second
    return Figure(
        "durable orders, filled and streamed",
        value,
        "orders/s",
        f"yardstick {yardstick.orders_per_second:,.0f}/s",
        ratio,
        ">= 10,000 and 0.5",
        value >= ORDERS_GOAL and ratio >= YARDSTICK_GOAL,
    )


def _acknowledgement(paced: dict[str, float], yardstick: Yardstick | None) -> list[Figure]:
    figures = []
    for index, (name, goal) in enumerate((("p50", 2.5), ("p99", 10.0))):
        value = paced[f"ack_{name}_ms"]
        beside = f"yardstick {yardstick.acknowledgement_ms[index]:.1f} ms" if yardstick else ""
        ratio = value / yardstick.acknowledgement_ms[index] if yardstick else None
        title = f"acknowledgement at 500 orders/s, {name}"
        figures.append(Figure(title, value, "ms", beside, ratio, f"<= {goal:g} ms", value <= goal))
    return figures


@asynccontextmanager
async def bench_mesh(work: Path, settings: Mapping[str, str] | None = None) -> AsyncIterator[Mesh]:
    """Runs a mesh with accounts whose limits are out of the way, and a dealer who trades for them."""
    # For thousands of accounts hundreds of dealers log in at once.
    settings = {"ORDERMESH_GATEWAY_LOGIN_RATE": "0", **(settings or {})}
    async with running_mesh(work / "mesh", WITHOUT_AGENTS, settings) as mesh:
        async with (await operator(mesh)).over_rest() as rest:
            for account in ACCOUNTS:
                await _open(rest, account)
        await desks_of(mesh).engage(ACCOUNTS)
        yield mesh


async def _open(rest: httpx.AsyncClient, account: str) -> None:
    opened = await rest.post(
        "/api/v1/accounts",
        json={"account_id": account, "environment": "ENVIRONMENT_SIMULATION", "base_currency": "USD"},
    )
    opened.raise_for_status()
    parameters = {"account_id": account, **NO_LIMITS}
    limited = await rest.put("/api/v1/risk/parameters", json=parameters)
    limited.raise_for_status()


async def run_load(
    mesh: Mesh, kind: str, *flags: str, orders: int, in_flight: int = 8, rate: float = 0.0
) -> dict[str, float]:
    """Runs a load in a process of its own and returns its figures.

    Args:
        mesh: Where it goes.
        kind: Which load of `tests.bench.orders`.
        *flags: What else that program is told.
        orders: How many.
        in_flight: Requests that are open at once.
        rate: Orders a second; 0 for as fast as they are taken.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.bench.orders", mesh.address("order"), kind, "--orders", str(orders)),
        *("--in-flight", str(in_flight), "--rate", str(rate), "--accounts", ",".join(ACCOUNTS)),
        *("--tokens", str(await desks_of(mesh).tokens())),
        *flags,
        stdout=asyncio.subprocess.PIPE,
        env=variables(mesh),
    )
    output = (await process.communicate())[0]
    if process.returncode:
        raise RuntimeError(f"the load {kind} failed with exit code {process.returncode}")
    figures: dict[str, float] = json.loads(output)
    if figures["refused"]:
        raise RuntimeError(f"{figures['refused']} orders of the load {kind} were refused")
    return figures


async def _rest(mesh: Mesh, orders: int) -> tuple[float, float]:
    """Returns orders per second over REST and the median latency in milliseconds."""
    run = uuid.uuid4().hex[:12]

    def bodies(connection: int) -> Iterator[bytes]:
        number = 0
        while True:
            number += 1
            yield json.dumps(_order(f"{run}-{connection}-{number}", connection)).encode()

    shown = Tokens.read(await desks_of(mesh).tokens()).of(ACCOUNTS[0])
    tls = ssl.create_default_context(cafile=str(mesh.local.gateway_certificate.authority))
    load = await post_all(
        mesh.address("gateway_tls"), "/api/v1/orders", bodies, orders // CALLERS, CALLERS, headers=shown, tls=tls
    )
    if load.failed:
        raise RuntimeError(f"REST orders failed: {load.failed}")
    return load.per_second, percentile(load.latencies, 0.5) * 1e3


def _order(client_order_id: str, connection: int) -> dict[str, Any]:
    return {
        "client_order_id": client_order_id,
        "account_id": ACCOUNTS[connection % len(ACCOUNTS)],
        "instrument": INSTRUMENT,
        "side": "SIDE_SELL" if connection % 2 else "SIDE_BUY",
        "type": "ORDER_TYPE_LIMIT",
        "time_in_force": "TIME_IN_FORCE_GTC",
        "quantity": "100",
        "limit_price": "187.25",
    }
