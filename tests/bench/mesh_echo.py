"""What the interceptors cost: a unary echo through the whole stack against a bare one, and with a look at who calls.

`python -m tests.bench.mesh_echo [SECONDS] [CALLERS]` prints one JSON line: calls per second of each, and their ratio.
The servers are processes of their own and take turns, so that each has the machine to itself.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection
from typing import Any

import grpc
import uvloop

from ordermesh.order.v1 import order_entry_pb2, order_pb2, order_service_pb2_grpc
from ordermesh.type.v1 import trading_pb2
from services.kernel.clock import SystemClock
from services.mesh.access.accounts import AccountAccess
from services.mesh.client import Channels, Metadata
from services.mesh.server import Server, standard_interceptors
from services.mesh.telemetry import Telemetry
from services.order.servicer.access import account_interceptor
from tests.fakes.access import FakeEnvironments, FakeIdentity, guard

ORDER = order_entry_pb2.PlaceOrderRequest(
    client_order_id="c-1",
    account_id="demo",
    instrument="AAPL.XNAS",
    side=trading_pb2.SIDE_BUY,
    type=trading_pb2.ORDER_TYPE_LIMIT,
    time_in_force=trading_pb2.TIME_IN_FORCE_DAY,
    quantity="100",
    limit_price="187.25",
)
# Many short turns: what else the machine does falls on both alike.
ROUNDS = 24


class Echo(order_service_pb2_grpc.OrderServiceServicer):
    """Answers every order at once."""

    async def PlaceOrder(  # noqa: N802 - the contract's name
        self, request: order_entry_pb2.PlaceOrderRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> order_entry_pb2.PlaceOrderResponse:
        return order_entry_pb2.PlaceOrderResponse(order=order_pb2.Order(client_order_id=request.client_order_id))


async def serve_bare(ready: Connection) -> None:
    """Serves the echo with nothing around it."""
    server = grpc.aio.server()
    order_service_pb2_grpc.add_OrderServiceServicer_to_server(Echo(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready.send(port)
    await server.wait_for_termination()


async def serve_full(ready: Connection) -> None:
    """Serves the echo as a service does."""
    server = Server(Telemetry.start("bench"))
    server.add(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Echo())
    ready.send(await server.start("127.0.0.1:0"))
    await asyncio.Event().wait()


async def serve_guarded(ready: Connection) -> None:
    """Serves it as a service does that looks at who calls, and at their accounts; tells a good token after the port."""
    clock, telemetry = SystemClock(), Telemetry.start("bench")
    identity = FakeIdentity(clock)
    interceptors = standard_interceptors(telemetry, access=guard(identity))
    server = Server(telemetry, interceptors=interceptors)
    accounts: Any = AccountAccess(FakeEnvironments({"demo": trading_pb2.ENVIRONMENT_SIMULATION}))
    # No order is asked for by its id.
    nothing: Any = None
    reached = account_interceptor(accounts, nothing, nothing)
    server.add(order_service_pb2_grpc.add_OrderServiceServicer_to_server, Echo(), reached)
    port = await server.start("127.0.0.1:0")
    many = [f"account-{number}" for number in range(9)]
    ready.send((port, identity.token(accounts=["demo", *many], jti="x" * 36, amr=["pwd"])))
    await asyncio.Event().wait()


async def call(stub: Any, seconds: float, callers: int, metadata: Metadata = ()) -> float:
    """Returns the calls per second of so many callers."""
    end, counts = time.perf_counter() + seconds, [0] * callers

    async def caller(number: int) -> None:
        while time.perf_counter() < end:
            await stub.PlaceOrder(ORDER, timeout=5, metadata=metadata)
            counts[number] += 1

    start = time.perf_counter()
    await asyncio.gather(*map(caller, range(callers)))
    return sum(counts) / (time.perf_counter() - start)


async def measure(ports: dict[str, int], token: str, seconds: float, callers: int) -> dict[str, float]:
    """Returns the medians of all rounds."""
    channels = Channels()
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{ports['bare']}") as bare,
        grpc.aio.insecure_channel(f"127.0.0.1:{ports['full']}") as full,
        grpc.aio.insecure_channel(f"127.0.0.1:{ports['guarded']}") as guarded,
    ):
        own: Any = channels.to(f"127.0.0.1:{ports['full']}", "ordermesh.order.v1.OrderService")
        stubs = {
            "bare": order_service_pb2_grpc.OrderServiceStub(bare),
            "full": order_service_pb2_grpc.OrderServiceStub(full),
            # What a token costs on the wire, with nobody who looks at it.
            "token": order_service_pb2_grpc.OrderServiceStub(full),
            "guarded": order_service_pb2_grpc.OrderServiceStub(guarded),
            "full_and_client": order_service_pb2_grpc.OrderServiceStub(own),
        }
        rates: dict[str, list[float]] = {name: [] for name in stubs}
        for _ in range(ROUNDS):
            for name, stub in stubs.items():
                shown = (("authorization", f"Bearer {token}"),) if name in {"guarded", "token"} else ()
                rates[name].append(await call(stub, seconds, callers, shown))
    await channels.close()
    return {name: statistics.median(values) for name, values in rates.items()}


def _run(serve: Callable[[Connection], Awaitable[None]], ready: Connection) -> None:
    uvloop.run(serve(ready))  # type: ignore[arg-type]  # any awaitable will do


def main(seconds: float = 0.25, callers: int = 32) -> dict[str, float]:
    """Starts both servers, measures, and returns rates and ratios."""
    context = multiprocessing.get_context("spawn")
    ports, processes = {}, []
    token = ""
    for name, serve in (("bare", serve_bare), ("full", serve_full), ("guarded", serve_guarded)):
        here, there = context.Pipe()
        process = context.Process(target=_run, args=(serve, there), daemon=True)
        process.start()
        processes.append(process)
        told = here.recv()
        ports[name], token = told if isinstance(told, tuple) else (told, token)
    rates = uvloop.run(measure(ports, token, seconds, callers))
    for process in processes:
        process.terminate()
        process.join()
    return {
        **{f"{name}_per_second": round(rate) for name, rate in rates.items()},
        "ratio": round(rates["full"] / rates["bare"], 3),
        "ratio_guarded": round(rates["guarded"] / rates["token"], 3),
        "ratio_with_client": round(rates["full_and_client"] / rates["bare"], 3),
    }


if __name__ == "__main__":
    numbers = sys.argv[1:]
    sys.stdout.write(
        json.dumps(main(float(numbers[0]) if numbers else 0.25, int(numbers[1]) if len(numbers) > 1 else 32)) + "\n"
    )
