"""How long a user's stream lasts, and what it says of that."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.order.v1.order_stream_pb2 import OrderUpdate, StreamOrdersResponse
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError
from services.mesh.access.caller import Caller
from services.mesh.access.life import GRACE_SECONDS, TokenLife, current_life, until_cut
from services.mesh.context import Call, enter_call
from services.mesh.draining import Draining
from services.mesh.streams import Frames, Hub, PrivateStream, Snapshot, Source, timestamp
from services.mesh.tokens import ResumeTokens
from tests.fakes.clock import FakeClock
from tests.fakes.timers import FakeTimers

SECOND = 1_000_000_000
TOKENS = ResumeTokens(UUID("01890000-0000-7000-8000-000000000001"), b"f")
EXPIRED = stream_pb2.GOING_AWAY_REASON_TOKEN_EXPIRED


@dataclass(frozen=True)
class Change:
    """An event of a log."""

    sequence: int


@dataclass
class World:
    """A life, and what it hangs on."""

    clock: FakeClock = field(default_factory=FakeClock)
    hub: Hub[Change] = field(default_factory=Hub)

    def __post_init__(self) -> None:
        self.timers = FakeTimers(self.clock)
        self.life = TokenLife(self.clock, self.timers.later)

    def token(self, seconds: int) -> Caller:
        """Returns the caller of a token that is issued now."""
        now = self.clock.now_ns()
        nothing: frozenset[int] = frozenset()
        ends = now + seconds * SECOND
        return Caller("user-1", False, nothing, nothing, 1, frozenset(), "s", ends, now)

    def stream(self) -> AsyncIterator[StreamOrdersResponse]:
        """Returns a stream that loses nothing."""

        async def snapshot() -> Snapshot[StreamOrdersResponse]:
            return Snapshot(self.hub.last_sequence, [], 0)

        async def read_after(sequence: int, _limit: int) -> tuple[Sequence[Change], int]:
            return [Change(sequence + 1)], sequence + 1

        def encode(_events: Sequence[Change], token: str) -> StreamOrdersResponse:
            return StreamOrdersResponse(update=OrderUpdate(resume_token=token))

        source = Source(self.hub, None, snapshot, read_after, encode)
        frames = Frames(StreamOrdersResponse, self.clock)
        return PrivateStream(frames, source, TOKENS, Draining(), heartbeat_seconds=60).run()


@pytest.fixture
def world() -> Iterator[World]:
    """A stream's call, by a token of five minutes."""
    made = World()
    made.life.stand_by(made.token(300))
    call = Call("/test/Stream", None)
    call.life = made.life
    enter_call(call)
    yield made
    enter_call(None)


async def begun(stream: AsyncIterator[StreamOrdersResponse]) -> None:
    """Takes the messages of the beginning."""
    for kind in ("subscribed", "snapshot_begin", "snapshot_end"):
        assert (await anext(stream)).WhichOneof("item") == kind


async def test_a_stream_says_that_its_token_ends_and_then_that_it_has(world: World) -> None:
    """A minute before, with the time; at the end with the token to resume by, and after that nothing."""
    stream = world.stream()
    await begun(stream)
    world.timers.advance(239.5)
    assert not world.life.due
    world.timers.advance(1)
    told = await anext(stream)
    assert told.token_expiring.expires_at == timestamp(world.life.ends_ns)
    world.hub.publish([Change(1)])
    assert (await anext(stream)).update.resume_token == TOKENS.make(1)
    world.timers.advance(60)
    told = await anext(stream)
    assert (told.going_away.reason, told.going_away.resume_token) == (EXPIRED, TOKENS.make(1))
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_always_has_something_to_say_ends_all_the_same(world: World) -> None:
    """What waits is not told any more: it comes after the resume token."""
    stream = world.stream()
    await begun(stream)
    world.hub.publish([Change(1)])
    world.timers.advance(300)
    told = await anext(stream)
    assert (told.going_away.reason, told.going_away.resume_token) == (EXPIRED, TOKENS.make(0))


async def test_a_stream_that_begins_late_says_so_at_once(world: World) -> None:
    """Less than the notice is left of its token."""
    token = world.token(100)
    world.timers.advance(85)
    world.life.stand_by(token)
    world.timers.advance(0)
    stream = world.stream()
    await begun(stream)
    assert (await anext(stream)).HasField("token_expiring")


async def test_another_token_is_announced_anew(world: World) -> None:
    """Each token's end once, and the stream goes on past the first of them."""
    stream = world.stream()
    await begun(stream)
    world.timers.advance(299)
    assert (await anext(stream)).HasField("token_expiring")
    world.life.stand_by(world.token(300))
    world.timers.advance(239)
    assert not world.life.due
    world.timers.advance(2)
    assert (await anext(stream)).token_expiring.expires_at == timestamp(world.life.ends_ns)


def test_another_token_may_come_too_late(world: World) -> None:
    """What has ended stays so."""
    world.timers.advance(300)
    with pytest.raises(CodedError, match="INVALID_TOKEN"):
        world.life.stand_by(world.token(300))
    assert world.life.over


def test_who_is_not_looked_at_has_no_end() -> None:
    """Where nobody looks, and in services: nothing is ever due."""
    life = current_life()
    assert (life.due, life.over, life.ends_ns) == (False, False, 0)


@given(lives=st.lists(st.tuples(st.integers(1, 1000), st.floats(0, 2000)), min_size=1, max_size=8))
def test_a_life_is_over_when_its_last_token_has_ended_and_announced_before(lives: list[tuple[int, float]]) -> None:
    """Whatever tokens a client shows, and whenever."""
    world = World()
    announced = []
    world.life.listen(lambda: announced.append(world.clock.now_ns()))
    for seconds, passing in lives:
        token = world.token(seconds)
        if world.life.over:
            with pytest.raises(CodedError):
                world.life.stand_by(token)
            break
        world.life.stand_by(token)
        announced.clear()
        world.timers.advance(passing)
        assert world.life.over == (world.clock.now_ns() >= token.ends_ns)
        assert world.life.due == (world.clock.now_ns() >= token.ends_ns - min(60 * SECOND, seconds * SECOND // 5))
        assert len(announced) == world.life.due + world.life.over
    world.life.close()
    assert world.timers.planned == 0


class Messages:
    """A stream that waits for ever after some messages."""

    def __init__(self, count: int) -> None:
        self.count, self.closed = count, False

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            for number in range(self.count):
                yield number
            await asyncio.Event().wait()
        finally:
            self.closed = True


async def test_a_stream_that_does_not_end_is_cut_off_at_its_next_message(world: World) -> None:
    """The reader is not cancelled as it does something else; the stream behind is closed."""
    messages = Messages(10)
    stream = until_cut(aiter(messages), world.life)
    assert await anext(stream) == 0
    world.timers.advance(300)
    assert await anext(stream) == 1
    world.timers.advance(GRACE_SECONDS)
    with pytest.raises(CodedError, match="INVALID_TOKEN"):
        await anext(stream)
    assert messages.closed


async def test_a_stream_that_waits_is_cut_off(world: World) -> None:
    """It does not wait for a message that may never come."""
    messages = Messages(0)
    reading = asyncio.ensure_future(anext(until_cut(aiter(messages), world.life)))
    await asyncio.sleep(0)
    world.timers.advance(300 + GRACE_SECONDS)
    with pytest.raises(CodedError, match="INVALID_TOKEN"):
        await reading
    assert messages.closed


async def test_a_cancellation_by_somebody_else_stays_one(world: World) -> None:
    """The caller has gone away: nothing is made of it."""
    messages = Messages(0)
    reading = asyncio.ensure_future(anext(until_cut(aiter(messages), world.life)))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert messages.closed


async def test_a_stream_may_end_before_its_token(world: World) -> None:
    """Then nothing is left of it."""

    async def short() -> AsyncIterator[int]:
        yield 1

    assert [each async for each in until_cut(short(), world.life)] == [1]
    assert world.timers.planned == 0
