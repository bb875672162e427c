"""The shape of private streams."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.order.v1 import execution_report_pb2, order_pb2
from ordermesh.order.v1.order_stream_pb2 import OrderSnapshot, OrderUpdate, StreamOrdersResponse
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError
from services.mesh.draining import Draining
from services.mesh.streams import Frames, Hub, PrivateStream, Snapshot, Source, heartbeat_seconds
from services.mesh.tokens import ResumeTokens
from tests.fakes.clock import FakeClock

EPOCH = UUID("01890000-0000-7000-8000-000000000001")


@dataclass(frozen=True)
class Change:
    """An event of a log."""

    sequence: int
    account: str = "a"


@dataclass
class Log:
    """A service with a log, whose state is the number of its events."""

    hub: Hub[Change] = field(default_factory=lambda: Hub(limit=5))
    events: list[Change] = field(default_factory=list)
    draining: Draining = field(default_factory=Draining)
    tokens: ResumeTokens = field(default_factory=lambda: ResumeTokens(EPOCH, b"f"))

    def commit(self, *accounts: str) -> None:
        new = [Change(len(self.events) + n, account) for n, account in enumerate(accounts, 1)]
        self.events += new
        self.hub.publish(new)

    async def snapshot(self) -> Snapshot[StreamOrdersResponse]:
        count = len(self.events)
        chunk = StreamOrdersResponse(snapshot=OrderSnapshot(orders=[order_pb2.Order()] * count))
        return Snapshot(count, [chunk] if count else [], count)

    async def read_after(self, sequence: int, limit: int) -> tuple[Sequence[Change], int]:
        page = self.events[sequence : sequence + min(limit, 2)]
        return [e for e in page if e.account == "a"], page[-1].sequence if page else sequence

    def stream(self, heartbeat: float = 5.0) -> PrivateStream[Change, StreamOrdersResponse]:
        source = Source(self.hub, lambda e: e.account == "a", self.snapshot, self.read_after, encode)
        frames = Frames(StreamOrdersResponse, FakeClock())
        return PrivateStream(frames, source, self.tokens, self.draining, heartbeat_seconds=heartbeat)


def encode(events: Sequence[Change], token: str) -> StreamOrdersResponse:
    """Makes an update."""
    reports = [execution_report_pb2.ExecutionReport(sequence=e.sequence) for e in events]
    return StreamOrdersResponse(update=OrderUpdate(reports=reports, resume_token=token))


async def take(stream: AsyncIterator[StreamOrdersResponse], count: int) -> list[StreamOrdersResponse]:
    """Returns the next messages."""
    return [await anext(stream) for _ in range(count)]


def kinds(messages: Sequence[StreamOrdersResponse]) -> list[str]:
    """Returns what each message is."""
    return [message.WhichOneof("item") or "" for message in messages]


def sequences(message: StreamOrdersResponse) -> list[int]:
    """Returns the sequences of an update."""
    return [report.sequence for report in message.update.reports]


async def test_a_stream_begins_with_a_snapshot_and_goes_on_with_updates() -> None:
    """Subscribed, the snapshot between its ends, and what comes after it, once."""
    log = Log()
    log.commit("a", "b")
    stream = log.stream().run()
    started = await take(stream, 4)
    assert kinds(started) == ["subscribed", "snapshot_begin", "snapshot", "snapshot_end"]
    assert (started[0].subscribed.sequence, started[0].subscribed.epoch) == (2, str(EPOCH))
    assert (started[3].snapshot_end.sequence, started[3].snapshot_end.count) == (2, 2)
    log.commit("b", "a", "a")
    [update] = await take(stream, 1)
    assert sequences(update) == [4, 5]
    assert log.tokens.read(update.update.resume_token).sequence == 5


async def test_what_the_snapshot_holds_does_not_come_again() -> None:
    """Events committed between subscribing and the snapshot are in the snapshot alone."""
    log = Log()
    stream = log.stream().run()
    await take(stream, 1)
    log.commit("a")
    assert kinds(await take(stream, 3)) == ["snapshot_begin", "snapshot", "snapshot_end"]
    log.commit("a")
    [update] = await take(stream, 1)
    assert sequences(update) == [2]


async def test_a_resumed_stream_takes_up_where_the_token_says() -> None:
    """No snapshot: everything after the token, then what comes, nothing twice."""
    log = Log()
    log.commit(*"aabaaba")
    stream = log.stream().run(log.tokens.make(1))
    messages = await take(stream, 4)
    assert kinds(messages) == ["subscribed", "update", "update", "update"]
    assert messages[0].subscribed.resumed
    log.commit("a")
    messages += await take(stream, 1)
    assert [s for m in messages for s in sequences(m)] == [2, 4, 5, 7, 8]


@given(st.lists(st.sampled_from("ab"), max_size=12), st.data())
async def test_cut_anywhere_and_resumed_a_stream_loses_nothing_and_repeats_nothing(
    accounts: list[str], data: st.DataObject
) -> None:
    """Whatever the cut, both parts together are what an unbroken stream would have shown."""
    log = Log()
    log.commit(*accounts)
    cut = data.draw(st.integers(0, len(accounts)))
    expected = [e.sequence for e in log.events if e.account == "a" and e.sequence > cut]
    got: list[int] = []
    log.draining.begin()
    async for message in log.stream().run(log.tokens.make(cut)):
        got += sequences(message)
    assert got == expected


async def test_a_token_of_another_log_is_a_gap() -> None:
    """After the log has begun anew, the reader is told to subscribe anew."""
    log = Log()
    for token in (ResumeTokens(uuid4(), b"f").make(0), log.tokens.make(99)):
        with pytest.raises(CodedError, match="STREAM_GAP"):
            await anext(log.stream().run(token))
    with pytest.raises(CodedError, match="INVALID_RESUME_TOKEN"):
        await anext(log.stream().run("garbage"))
    assert len(log.hub) == 0


async def test_a_log_that_lacks_what_follows_the_token_is_a_gap() -> None:
    """When the log was cut off, the stream fails rather than skip."""
    log = Log()
    log.hub.publish([Change(5)])
    stream = log.stream().run(log.tokens.make(1))
    await anext(stream)
    with pytest.raises(CodedError, match="STREAM_GAP"):
        await anext(stream)


async def test_a_silent_stream_beats() -> None:
    """Each interval without news brings a heartbeat with the last sequence and a token."""
    log = Log()
    stream = log.stream(heartbeat=0.001).run()
    await take(stream, 3)
    log.commit("b", "b")
    [beat] = await take(stream, 1)
    assert kinds([beat]) == ["heartbeat"]
    assert beat.heartbeat.sequence == 2
    assert log.tokens.read(beat.heartbeat.resume_token).sequence == 2


async def test_a_reader_too_slow_is_ended_with_a_token_that_loses_nothing() -> None:
    """What fits is delivered; then going_away says why, and the token leads to the rest."""
    log = Log()
    stream = log.stream().run()
    await take(stream, 3)
    log.commit("a", "a", "a")
    log.commit("a", "a", "a")
    log.commit("a")
    update, going = await take(stream, 2)
    assert sequences(update) == [1, 2, 3]
    assert going.going_away.reason == stream_pb2.GOING_AWAY_REASON_SLOW_READER
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    resumed = log.stream().run(going.going_away.resume_token)
    got = [s for m in await take(resumed, 3) for s in sequences(m)]
    assert got == [4, 5, 6, 7]


async def test_draining_ends_the_stream_after_what_waits() -> None:
    """The last message is going_away, whose token resumes elsewhere."""
    log = Log()
    stream = log.stream().run()
    await take(stream, 3)
    log.commit("a")
    log.draining.begin()
    messages = [message async for message in stream]
    assert kinds(messages) == ["update", "going_away"]
    assert messages[1].going_away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
    assert log.tokens.read(messages[1].going_away.resume_token).sequence == 1


async def test_a_stream_that_is_left_leaves_nothing_behind() -> None:
    """Its subscription and its place among the listeners are given up."""
    log = Log()
    stream = log.stream().run()
    await take(stream, 2)
    assert len(log.hub) == 1
    await stream.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(log.hub) == 0
    assert not log.draining._listeners


@pytest.mark.parametrize(("asked", "got"), [(None, 10), (0.2, 1), (5, 5), (3600, 60)])
def test_heartbeats_come_as_asked_within_bounds(asked: float | None, got: float) -> None:
    """Absent means the default; too often or too seldom is brought into the bounds."""
    interval = None
    if asked is not None:
        interval = Duration()
        interval.FromNanoseconds(int(asked * 1e9))
    assert heartbeat_seconds(interval) == got


async def test_a_hub_with_keys_hands_each_reader_its_own() -> None:
    """A reader of one key gets that key's events alone; a reader of all gets all."""
    hub: Hub[Change] = Hub(key=lambda change: change.account)
    one, everything = hub.subscribe(key="a"), hub.subscribe()
    hub.publish([Change(1, "a"), Change(2, "b"), Change(3, "a")])
    assert [change.sequence for change in one.take()] == [1, 3]
    assert [change.sequence for change in everything.take()] == [1, 2, 3]
    assert hub.last_sequence == 3
    one.close()
    everything.close()
    assert len(hub) == 0
