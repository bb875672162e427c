"""How long OrderService takes to be there again after `kill -9`."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass

import grpc

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_service_pb2_grpc import OrderServiceStub
from tests.bench.desks import Tokens, desks_of
from tests.bench.order_load import Load, order
from tests.fixtures.usage import usage_of

_MOST_SECONDS = 300.0
_AGAIN_SECONDS = 0.02
_NOT_YET = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


@dataclass(frozen=True, slots=True)
class Restart:
    """A restart, from the kill on.

    Attributes:
        serving_seconds: Until the process answers that it serves.
        acknowledged_seconds: Until the next order is acknowledged.
        processor_seconds: Processor time that the new process has used until then.
        resident_mib: Its memory then.
    """

    serving_seconds: float
    acknowledged_seconds: float
    processor_seconds: float
    resident_mib: float


async def restart(mesh: Mesh, account_id: str) -> Restart:
    """Kills OrderService, and waits until it serves and an order of an account is acknowledged."""
    await mesh.kill("order")
    start = time.perf_counter()

    async def serving() -> float:
        await mesh.until_serving("order", _MOST_SECONDS)
        return time.perf_counter() - start

    async def acknowledged() -> float:
        await _placed(mesh, account_id)
        return time.perf_counter() - start

    serving_seconds, acknowledged_seconds = await asyncio.gather(serving(), acknowledged())
    usage = usage_of(mesh, "order")
    return Restart(serving_seconds, acknowledged_seconds, usage.processor_seconds, usage.resident_mib)


async def _placed(mesh: Mesh, account_id: str) -> None:
    """Sends an order until it is acknowledged, each time on a channel that waits for no connection of before."""
    request = order(Load(accounts=(account_id,)), uuid.uuid4().hex[:12], 0)
    shown = Tokens.read(await desks_of(mesh).tokens()).of(account_id)
    async with asyncio.timeout(_MOST_SECONDS):
        while True:
            async with mesh.channel("order") as channel:
                try:
                    await OrderServiceStub(channel).PlaceOrder(request, timeout=_MOST_SECONDS, metadata=shown)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in _NOT_YET:
                        raise
                else:
                    return
            await asyncio.sleep(_AGAIN_SECONDS)
