"""Far more than can be done: the service answers what it can, turns the rest away, and is itself again at once."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Final

import grpc
import pytest
import pytest_asyncio

from deploy.embedded.mesh import Mesh
from ordermesh.order.v1.order_entry_pb2 import PlaceOrderRequest
from services.mesh.status import from_rpc_error
from tests.faults.flood import PLACED, Flood
from tests.faults.load import PRICE, Load, Manner
from tests.fixtures.mesh import WITHOUT_AGENTS, running_mesh
from tests.fixtures.trader import BUY, Trader
from tests.fixtures.usage import usage_of
from tests.fixtures.waiting import PATIENCE_SECONDS

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

MOST_WAITING: Final = 40
ORDERS: Final = 800
IMPATIENT: Final = Manner(deadlines=(0.2, 10.0))
NEXT_SECONDS: Final = 1.0
MORE_MIB: Final = 24.0
"""What a flood may leave behind beside its orders, which are remembered: pages that the allocator keeps."""

# Bounds so low that a few clients reach them; time for a risk check that is enough on any machine.
SETTINGS: Final = {
    "ORDERMESH_ORDER_MOST_WAITING_ORDERS": str(MOST_WAITING),
    "ORDERMESH_ORDER_MOST_COMMANDS_PER_STREAM": "40",
    "ORDERMESH_ORDER_RISK_TIMEOUT_SECONDS": "30",
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """A mesh whose OrderService takes in few orders at once."""
    async with running_mesh(tmp_path_factory.mktemp("overload"), WITHOUT_AGENTS, SETTINGS) as mesh:
        yield mesh


async def test_a_flood_is_turned_away_and_costs_no_order(narrow: Mesh) -> None:
    """Answers are success, OVERLOADED with a time to try again, or the deadline; the next order is taken soon.

    A second flood as large needs no more memory than the first; what was turned away is placed once when sent again.
    """
    async with Load.open(narrow, seed=44, accounts=4, manner=IMPATIENT) as load:
        process, peaks = usage_of(narrow, "order").pid, []
        for _ in range(2):
            flood = Flood()
            async with load.running(ORDERS, flood.client):
                pass
            await _next_order_is_taken(load)
            peaks.append(usage_of(narrow, "order").peak_mib)
            assert set(flood.told) <= {PLACED, "OVERLOADED", "DEADLINE_EXCEEDED"}, flood.told
            assert flood.told[PLACED], flood.told
            assert flood.told["OVERLOADED"] > MOST_WAITING, flood.told
            assert flood.retry_untold == 0
            await flood.again(load)
        await load.settle()
        await load.assert_counts_agree()
        assert usage_of(narrow, "order").pid == process, "the service has not stayed up"
        assert peaks[1] - peaks[0] <= MORE_MIB, peaks


async def _next_order_is_taken(load: Load) -> None:
    """Places an order, which must be acknowledged soon: not after anything that the flood has left behind.

    Orders whose callers gave up may wait for a moment yet: who is turned away for them asks again when told to.
    """
    someone = load.traders[0]
    request = someone.request(BUY, load.instrument, "1", PRICE, client_order_id=uuid.uuid4().hex)
    async with asyncio.timeout(NEXT_SECONDS):
        while (order_id := await _placed(someone, request)) is None:
            pass
    load.told(request.client_order_id, order_id)


async def _placed(someone: Trader, request: PlaceOrderRequest) -> str | None:
    """Returns the id of an order; None, when it may be tried again, where it was turned away."""
    try:
        answer = await someone.orders.PlaceOrder(request, timeout=PATIENCE_SECONDS)
    except grpc.aio.AioRpcError as refused:
        error = from_rpc_error(refused)
        assert error.reason == "OVERLOADED", error
        assert error.retry_after_seconds is not None, error
        await asyncio.sleep(error.retry_after_seconds)
        return None
    return str(answer.order.order_id)
