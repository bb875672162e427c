"""What a mesh holds when a wait for it has run out, in words: what stands still is stuck, what moves is slow."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg

from deploy.embedded.mesh import Mesh
from deploy.embedded.supervisor import State
from ordermesh.engine.v1 import order_entry_service_pb2
from ordermesh.engine.v1.order_entry_service_pb2_grpc import OrderEntryServiceStub
from ordermesh.order.v1.order_pb2 import Order, OrderStatus

_MOST_TOLD: Final = 10
_ANSWER_SECONDS: Final = 5.0
_QUERIES: Final = {
    "order log: last sequence": "select max(sequence) from orders.events",
    "order log: cursor of each connection": "select connection_id, epoch, sequence from orders.connection_cursors",
    "order log: last fill": "select max(sequence) from orders.events where executed_at is not null",
    "portfolio: cursor": "select topic, epoch, sequence from portfolio.consumer_cursor",
    "risk: cursor": "select * from risk.log_cursor",
    "postgres: who waits": "select application_name, state, wait_event_type, wait_event, left(query, 60) "
    "from pg_stat_activity where application_name like 'ordermesh.%' and state <> 'idle'",
}


@dataclass(frozen=True, slots=True)
class MeshState:
    """Asks a mesh for its state. What does not answer is told as well; nothing here fails."""

    mesh: Mesh

    async def told(self, *, orders: Sequence[Order] = ()) -> str:
        """Returns the state of the parts, of the log, of its readers, of the engine, and of some orders in each."""
        lines = [f"parts: {', '.join(self._part(name) for name in self.mesh.supervisor.runners)}"]
        lines += [f"{name}: {await _attempt(self._rows(query))}" for name, query in _QUERIES.items()]
        lines += await self._engine(orders)
        lines += [await self._order(order) for order in orders[:_MOST_TOLD]]
        return "\n".join(lines)

    def _part(self, name: str) -> str:
        runner = self.mesh.supervisor.runners[name]
        told = f"{name} {runner.state} after {runner.restarts} restarts"
        return told if runner.state is State.SERVING else f"{told} ({runner.detail})"

    async def _rows(self, query: str, *arguments: Any) -> str:
        connection = await asyncpg.connect(self.mesh.postgres_url, timeout=_ANSWER_SECONDS)
        try:
            rows = await connection.fetch(query, *arguments, timeout=_ANSWER_SECONDS)
        finally:
            await connection.close(timeout=_ANSWER_SECONDS)
        return "; ".join(" ".join(map(str, row)) for row in rows)

    async def _engine(self, orders: Sequence[Order]) -> list[str]:
        """Returns what the engine has of each shard of OrderService, which is a participant of its own."""
        held: set[str] = set()
        shards = range(self.mesh.local.shards)
        lines = [f"engine, shard {shard}: {await _attempt(self._participant(shard, held))}" for shard in shards]
        missing = sorted({order.order_id for order in orders} - held)[:_MOST_TOLD]
        return [*lines, f"engine: does not hold {missing}"]

    async def _participant(self, shard: int, held: set[str]) -> str:
        request = order_entry_service_pb2.QueryOpenOrdersRequest(participant=f"simulation/{shard}")
        told, found = order_entry_service_pb2.QueryOpenOrdersResponse(), set[str]()
        async with self.mesh.channel("engine", as_="broker") as channel:
            async for told in OrderEntryServiceStub(channel).QueryOpenOrders(request, timeout=_ANSWER_SECONDS):
                found |= {str(uuid.UUID(bytes=order.order_id)) for order in told.orders}
        held |= found
        last = f"last command {told.last_command_sequence}, last execution {told.last_execution_sequence}"
        return f"{len(found)} open orders, {last}, epoch {told.epoch}"

    async def _order(self, order: Order) -> str:
        query = "select sequence, type from orders.events where order_id = $1::text::uuid order by sequence"
        events = await _attempt(self._rows(query, order.order_id))
        traded = f"{order.cumulative_quantity} of {order.quantity}"
        status = OrderStatus.Name(order.order_status)
        return f"order {order.order_id} of {order.account_id}: {status}, {traded} traded, entries (type): {events}"


class Patience:
    """The time that a mesh has to recover. It counts from when all parts serve: one that starts slowly is not stuck."""

    def __init__(self, mesh: Mesh, seconds: float, most_seconds: float) -> None:
        """Takes the seconds that recovery may take, and the most with the parts' starting."""
        self._runners = mesh.supervisor.runners.values()
        self._seconds = seconds
        self._clock = asyncio.get_running_loop().time
        self._until = self._clock() + seconds
        self._at_last = self._clock() + most_seconds

    def is_over(self) -> bool:
        """Tells whether the time is up."""
        now = self._clock()
        if any(runner.state is not State.SERVING for runner in self._runners):
            self._until = now + self._seconds
        return now > min(self._until, self._at_last)


async def _attempt(answer: Awaitable[str]) -> str:
    try:
        return await answer
    except Exception as error:  # noqa: BLE001 - that it does not answer is part of the state
        return f"does not answer: {type(error).__name__}: {error}"
