"""An event log served by the real server, and a client of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from ordermesh.event.v1 import event_log_service_pb2_grpc as rpc
from tests.fakes.mesh_servicers import SERVICE, Log
from tests.fixtures.serving import Serving, serving


@pytest.fixture
def log() -> Log:
    """The servicer behind `served`."""
    return Log()


@pytest_asyncio.fixture
async def served(log: Log) -> AsyncIterator[Serving]:
    """A served event log."""
    async with serving(rpc.add_EventLogServiceServicer_to_server, log, SERVICE) as running:
        yield running


@pytest.fixture
def stub(served: Serving) -> rpc.EventLogServiceStub:
    """A client of it."""
    return rpc.EventLogServiceStub(served.channel)
