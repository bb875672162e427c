"""OrderService over a real Postgres and Redis, with peers that a test directs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import rest
from tests.fakes.order_world import Client, ready, serving


@pytest.fixture
async def peers() -> AsyncIterator[Peers]:
    """Peers that accept and fill everything."""
    async with Peers().serving() as running:
        yield running


@pytest.fixture
def resting_peers(peers: Peers) -> Peers:
    """The same peers, who accept and let rest."""
    peers.broker.venue.react = rest
    return peers


@pytest.fixture
async def client(postgres_url: str, redis_url: str, peers: Peers) -> AsyncIterator[Client]:
    """A client of a running OrderService."""
    async with serving(postgres_url, redis_url, peers) as running:
        await ready(running, peers)
        yield running
