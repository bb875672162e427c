"""Two shards of OrderService over one Postgres and one Redis, each with peers of its own that a test directs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

from deploy.embedded.ports import HOST, unused_port
from services.kernel.shards import shard_of
from tests.fakes.order_peers import Peers
from tests.fakes.order_world import Client, ready, serving

COUNT = 2


def account_of(shard: int, prefix: str = "desk") -> str:
    """Returns an account that a shard owns."""
    return next(name for n in range(1_000) if shard_of(name := f"{prefix}-{n}", COUNT) == shard)


@dataclass
class ShardedOrders:
    """The shards: a client of each, and its peers."""

    clients: tuple[Client, ...]
    peers: tuple[Peers, ...]
    addresses: tuple[str, ...]


@asynccontextmanager
async def sharded(
    postgres_url: str, redis_url: str, peers: tuple[Peers, ...], **settings: Any
) -> AsyncIterator[ShardedOrders]:
    """Runs the shards in this process, until each takes orders, and stops them in order."""
    addresses = tuple(f"{HOST}:{unused_port()}" for _ in peers)
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                serving(
                    postgres_url,
                    redis_url,
                    own,
                    shard=shard,
                    shard_addresses=addresses,
                    address=addresses[shard],
                    **settings,
                )
            )
            for shard, own in enumerate(peers)
        ]
        for shard, client in enumerate(clients):
            await ready(client, peers[shard], account_of(shard, "warm-up"))
        yield ShardedOrders(tuple(clients), peers, addresses)
