"""A Trade stream behind those who look at its caller: it goes on by another token, or ends with the one it has."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import pytest

from ordermesh.order.v1.trade_stream_pb2 import (
    CancelOnDisconnect,
    CommandBatch,
    TradeAuthorize,
    TradeOpen,
    TradeRequest,
    TradeResponse,
)
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError
from services.mesh.access.accounts import AccountAccess
from services.mesh.context import Call, enter_call
from services.mesh.descriptors import service_descriptor
from services.mesh.interceptors.accounts import AccountInterceptor
from services.mesh.interceptors.base import Method
from tests.fakes.access import LIVE, SIMULATION, FakeEnvironments, FakeIdentity, guard
from tests.fakes.clock import FakeClock
from tests.fakes.order_world import request
from tests.fakes.timers import FakeTimers
from tests.fakes.trade_client import placing
from tests.fixtures.trade_world import TradeWorld, trade_world
from tests.fixtures.waiting import eventually

SERVICE = "ordermesh.order.v1.OrderService"
TRADE = Method(SERVICE, "Trade", True, True, service_descriptor(SERVICE).methods_by_name["Trade"].input_type)
LEASE = CancelOnDisconnect()


@dataclass
class Guarded:
    """Trade streams that are looked at."""

    world: TradeWorld
    identity: FakeIdentity
    timers: FakeTimers
    served: Any

    def open(self, **fields: Any) -> AsyncIterator[bytes]:
        """Returns the responses of a stream that the trader of `demo` opens."""
        enter_call(Call(TRADE.path, None, None, f"Bearer {self.identity.token()}"))
        self.world.requests.put_nowait(TradeRequest(open=TradeOpen(account_id="demo", **fields)))
        return cast("AsyncIterator[bytes]", self.served(self.world.sent(), None))

    def show(self, token: str) -> None:
        """Shows another token."""
        self.world.requests.put_nowait(TradeRequest(authorize=TradeAuthorize(access_token=token)))

    def place(self, sequence: int) -> None:
        """Places an order."""
        batch = CommandBatch(sequence=sequence, commands=[placing(request())])
        self.world.requests.put_nowait(TradeRequest(commands=batch))

    def token(self, **changes: Any) -> str:
        """Returns a token that begins now."""
        return self.identity.token(**changes)


@asynccontextmanager
async def guarded() -> AsyncIterator[Guarded]:
    """Runs a pipeline with Trade streams that are looked at."""
    clock = FakeClock()
    identity, timers = FakeIdentity(clock), FakeTimers(clock)
    accounts = AccountInterceptor(AccountAccess(FakeEnvironments({"demo": SIMULATION, "real": LIVE})))
    access = guard(identity, timers)
    async with trade_world() as world:
        inner = accounts.wrap_stream(TRADE, lambda requests, _context: world.trades.trade(requests))
        yield Guarded(world, identity, timers, access.wrap_stream(TRADE, inner))
        enter_call(None)


async def take(stream: AsyncIterator[bytes], *kinds: str) -> TradeResponse:
    """Takes messages of these kinds, and returns the last."""
    told = TradeResponse()
    for kind in kinds:
        told = TradeResponse.FromString(await anext(stream))
        assert told.WhichOneof("item") == kind, told
    return told


async def drain(stream: AsyncIterator[bytes], into: list[TradeResponse]) -> None:
    """Keeps what a stream says until it ends or fails."""
    async for message in stream:
        into.append(TradeResponse.FromString(message))  # noqa: PERF401 - what came before the failure counts


BEGIN = ("subscribed", "snapshot_begin", "snapshot_end")


async def test_a_stream_goes_on_by_another_token() -> None:
    """It is told what is near, shows another, is told till when that is good, and trades past the end of the first."""
    async with guarded() as mine, aclosing(cast("Any", mine.open(cancel_on_disconnect=LEASE))) as stream:
        await take(stream, *BEGIN)
        mine.timers.advance(290)
        await take(stream, "token_expiring")
        mine.show(mine.token())
        told = await take(stream, "authorized")
        assert told.authorized.expires_at.ToDatetime().replace(tzinfo=mine.identity.clock.now().tzinfo) == (
            mine.identity.clock.now() + timedelta(seconds=300)
        )
        mine.timers.advance(200)
        mine.place(1)
        await take(stream, "update")
        assert mine.world.record.leases == {"demo": 0}


async def test_a_stream_ends_with_its_token_as_one_that_was_lost() -> None:
    """Its last words are why, and where to go on; then cancel-on-disconnect does what it is for."""
    async with guarded() as mine:
        stream = mine.open(cancel_on_disconnect=LEASE)
        await take(stream, *BEGIN)
        mine.place(1)
        newest = await take(stream, "update")
        while not newest.update.results:
            newest = await take(stream, "update")
        mine.timers.advance(300)
        told = await take(stream, "going_away")
        assert told.going_away.reason == stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED
        assert told.going_away.resume_token
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        await eventually(lambda: mine.world.record.leases, lambda leases: not leases, 10)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sub": "user-2"}, "PERMISSION_DENIED"),
        ({"environment": "live"}, "PERMISSION_DENIED"),
        ({"accounts": ["real"]}, "PERMISSION_DENIED"),
        ({"roles": ["compliance"]}, "PERMISSION_DENIED"),
        ({"scopes": ["read"]}, "PERMISSION_DENIED"),
        ({"iss": "somebody"}, "INVALID_TOKEN"),
        ({"aud": "another"}, "INVALID_TOKEN"),
        ({"exp": 1}, "INVALID_TOKEN"),
    ],
)
async def test_a_token_that_allows_less_ends_the_stream(changes: dict[str, Any], reason: str) -> None:
    """Another's, of the other world, for another account, for something else, or not good: with what came before it."""
    async with guarded() as mine:
        stream = mine.open()
        await take(stream, *BEGIN)
        mine.place(1)
        mine.show(mine.token(**changes))
        mine.place(2)
        told: list[TradeResponse] = []
        with pytest.raises(CodedError) as failure:
            await drain(stream, told)
        answered = [result.sequence for each in told for result in each.update.results]
        assert (failure.value.reason, answered) == (reason, [1])


async def test_a_token_that_comes_too_late_does_not_help() -> None:
    """The one before has ended: nothing is begun any more."""
    async with guarded() as mine:
        stream = mine.open()
        await take(stream, *BEGIN)
        mine.timers.advance(300)
        mine.show(mine.token())
        mine.place(1)
        await asyncio.sleep(0)
        with suppress(CodedError):
            await drain(stream, [])
        assert mine.world.risk.batches == []


async def test_where_nobody_looks_another_token_is_answered_without_an_end() -> None:
    """A client does the same wherever it trades."""
    async with trade_world() as world:
        stream = world.open()
        await take(stream, *BEGIN)
        world.requests.put_nowait(TradeRequest(authorize=TradeAuthorize(access_token="any")))
        told = await take(stream, "authorized")
        assert not told.authorized.HasField("expires_at")
