"""A Trade stream as a whole, over a pipeline with fakes around it: what comes in one message, and what stands when."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from ordermesh.order.v1.trade_stream_pb2 import (
    CancelOnDisconnect,
    CommandBatch,
    TradeRequest,
    TradeResponse,
)
from services.kernel.errors import CodedError
from tests.fakes.order_world import request
from tests.fakes.trade_client import placing
from tests.fixtures.trade_world import trade_world
from tests.fixtures.waiting import eventually


async def take(stream: AsyncIterator[bytes], count: int) -> list[TradeResponse]:
    """Returns the next responses."""
    return [TradeResponse.FromString(await anext(stream)) for _ in range(count)]


async def test_what_a_commit_makes_ready_comes_in_one_message() -> None:
    """The results of all batches that it holds, and their reports."""
    async with trade_world() as world:
        stream = world.open()
        started = await take(stream, 3)
        assert [each.WhichOneof("item") for each in started] == ["subscribed", "snapshot_begin", "snapshot_end"]
        for sequence in (1, 2, 3):
            batch = CommandBatch(sequence=sequence, commands=[placing(request()), placing(request())])
            world.requests.put_nowait(TradeRequest(commands=batch))
        answered: list[int] = []
        while len(answered) < 3:
            (response,) = await take(stream, 1)
            placed = [result.order.order_id for answer in response.update.results for result in answer.results]
            assert placed
            assert [report.order_id for report in response.update.reports] == placed
            answered += [answer.sequence for answer in response.update.results]
            started.append(response)
        assert answered == [1, 2, 3]
        assert [each.sequence for each in started] == list(range(1, len(started) + 1))


async def test_a_stream_that_is_refused_has_no_lease() -> None:
    """A damaged token, or a first message of another kind, leaves nothing behind that could cancel orders."""
    async with trade_world() as world:
        with pytest.raises(CodedError, match="INVALID_RESUME_TOKEN"):
            await take(world.open(resume_token="damaged", cancel_on_disconnect=CancelOnDisconnect()), 1)
        world.requests.put_nowait(TradeRequest(commands=CommandBatch(sequence=1, commands=[placing(request())])))
        with pytest.raises(CodedError, match="open: must be the first message"):
            await take(world.trades.trade(world.sent()), 1)
        assert len(world.leases) == 0
        assert world.record.leases == {}


async def test_the_lease_is_on_record_before_the_client_hears_of_its_stream() -> None:
    """From `subscribed` on, it survives whatever happens."""
    async with trade_world() as world:
        stream = world.open(cancel_on_disconnect=CancelOnDisconnect())
        await take(stream, 1)
        assert world.record.leases == {"demo": 0}
        await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
        await eventually(lambda: world.record.leases, lambda leases: not leases, 10)
