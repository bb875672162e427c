"""StreamOrders over a real Postgres: snapshot, updates, resume and its limits."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.order.v1.order_stream_pb2 import StreamOrdersRequest, StreamOrdersResponse
from ordermesh.type.v1 import stream_pb2
from services.kernel.errors import CodedError
from services.mesh.streams import resume_tokens
from services.mesh.tokens import filters_of
from tests.fakes.order_peers import Peers
from tests.fakes.order_venue import fill
from tests.fakes.order_world import Client, ready, serving
from tests.fixtures.waiting import eventually

pytestmark = pytest.mark.usefixtures("resting_peers")


class Following:
    """Reads a stream in the background."""

    def __init__(self, call: Any) -> None:
        self.messages: list[StreamOrdersResponse] = []
        self.error: CodedError | None = None
        self._task = asyncio.create_task(self._read(call))

    async def _read(self, call: Any) -> None:
        try:
            while (message := await call.read()) is not None:
                self.messages.append(message)
        except CodedError as error:
            self.error = error

    def items(self) -> list[str]:
        return [message.WhichOneof("item") or "" for message in self.messages]

    def sequences(self) -> list[int]:
        return [report.sequence for message in self.messages for report in message.update.reports]

    def has_updates(self) -> bool:
        return bool(self.sequences())

    def token(self) -> str:
        return next(m.update.resume_token for m in reversed(self.messages) if m.HasField("update"))

    async def begun(self) -> None:
        await eventually(lambda: "snapshot_end" in self.items())

    async def ended(self) -> None:
        await asyncio.wait_for(asyncio.wait([self._task]), 20)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])


async def test_a_stream_begins_with_the_live_orders_and_goes_on_with_what_happens(client: Client, peers: Peers) -> None:
    """subscribed, snapshot, then every report after the snapshot's sequence, in the log's order."""
    live = await client.place(account_id="demo")
    await eventually(lambda: len(peers.risk.reserved) >= 1)
    stream = Following(client.stream())
    await stream.begun()
    assert stream.items()[:4] == ["subscribed", "snapshot_begin", "snapshot", "snapshot_end"]
    snapshot = [order for message in stream.messages for order in message.snapshot.orders]
    assert [order.order_id for order in snapshot] == [live.order_id]
    begun_at = stream.messages[1].snapshot_begin.sequence
    placed = await client.place()
    history = await _history_of(client, live.order_id, placed.order_id)
    expected = [sequence for sequence in history if sequence > begun_at]
    await eventually(lambda: stream.sequences() == expected)
    await stream.stop()


async def _history_of(client: Client, *order_ids: str) -> list[int]:
    """Returns the sequences of orders that rest: two events each, once the venue has answered."""

    async def histories() -> list[list[execution_report_pb2.ExecutionReport]]:
        return [await client.history(order_id) for order_id in order_ids]

    told = await eventually(histories, lambda told: all(len(history) == 2 for history in told))
    return sorted([report.sequence for history in told for report in history])


async def test_streams_tell_their_account_and_instrument_only(client: Client) -> None:
    """Orders of other accounts and instruments do not show."""
    stream = Following(client.stream(instrument="MSFT.XNAS"))
    await stream.begun()
    await client.place(account_id="other", instrument="MSFT.XNAS")
    await client.place()
    wanted = await client.place(instrument="MSFT.XNAS")
    sequences = await _history_of(client, wanted.order_id)
    await eventually(lambda: stream.sequences() == sequences)
    await stream.stop()


async def test_a_stream_resumes_without_a_gap_or_an_overlap(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """Over a restart too: what happened while nobody read comes first, then what happens."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        stream = Following(client.stream())
        await stream.begun()
        first = await client.place()
        seen = await _history_of(client, first.order_id)
        await eventually(lambda: stream.sequences() == seen)
        token = stream.token()
        await stream.stop()
        second = await client.place()
        missed = await _history_of(client, second.order_id)
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        resumed = Following(client.stream(resume_token=token))
        await eventually(lambda: resumed.sequences() == missed)
        assert resumed.items()[0] == "subscribed"
        assert resumed.messages[0].subscribed.resumed
        assert "snapshot_begin" not in resumed.items()
        third = await client.place()
        later = await _history_of(client, third.order_id)
        await eventually(lambda: resumed.sequences() == missed + later)
        await resumed.stop()


async def test_resuming_in_the_middle_of_a_rush_loses_nothing(client: Client, peers: Peers) -> None:
    """Streams that are cut and resumed again and again tell, together, the whole log of the account."""
    peers.broker.venue.react = fill
    orders = 60
    stream = Following(client.stream())
    await stream.begun()
    placing = asyncio.create_task(_place_many(client, orders))
    sequences: list[int] = []
    token = stream.messages[-1].snapshot_end.resume_token
    while len(sequences) < orders * 3:
        await eventually(stream.has_updates)
        await stream.stop()
        sequences += stream.sequences()
        token = stream.token()
        if len(sequences) < orders * 3:
            stream = Following(client.stream(resume_token=token))
    await placing
    assert sequences == sorted(set(sequences))
    assert len(sequences) == orders * 3


async def _place_many(client: Client, count: int) -> None:
    for _ in range(count):
        await client.place()


async def test_a_token_of_another_log_is_a_gap(client: Client) -> None:
    """STREAM_GAP: the caller must begin anew."""
    filters = filters_of(StreamOrdersRequest(account_id="demo"))
    token = resume_tokens(str(uuid.uuid4()), filters).make(1)
    stream = Following(client.stream(resume_token=token))
    await stream.ended()
    assert stream.error is not None
    assert stream.error.reason == "STREAM_GAP"


async def test_a_token_of_other_filters_is_refused(client: Client) -> None:
    """INVALID_RESUME_TOKEN names the field."""
    stream = Following(client.stream())
    await stream.begun()
    token = stream.messages[-1].snapshot_end.resume_token
    await stream.stop()
    for fields in ({"account_id": "other", "resume_token": token}, {"resume_token": "damaged"}):
        refused = Following(client.stream(**fields))
        await refused.ended()
        assert refused.error is not None
        assert refused.error.reason == "INVALID_RESUME_TOKEN"
        assert [violation.field for violation in refused.error.violations] == ["resume_token"]


async def test_a_heartbeat_resumes_too(client: Client) -> None:
    """When nothing happens the stream says so, with a token that goes on from there."""
    stream = Following(client.stream(heartbeat_interval=Duration(seconds=1)))
    await eventually(lambda: "heartbeat" in stream.items())
    token = next(m.heartbeat.resume_token for m in stream.messages if m.HasField("heartbeat"))
    await stream.stop()
    placed = await client.place()
    sequences = await _history_of(client, placed.order_id)
    resumed = Following(client.stream(resume_token=token))
    await eventually(lambda: resumed.sequences() == sequences)
    await resumed.stop()


async def test_a_reader_that_is_too_slow_is_ended_and_can_resume(
    postgres_url: str, redis_url: str, peers: Peers
) -> None:
    """going_away with SLOW_READER and a token; what it missed comes after resuming with it."""
    async with serving(postgres_url, redis_url, peers, most_waiting_per_stream=4) as client:
        await ready(client, peers)
        call = client.stream()
        read = [await call.read() for _ in range(3)]
        assert read[2].HasField("snapshot_end")
        # More comes in one commit than the stream may keep waiting: a batch is checked, and committed, as one.
        placed = await client.place_many(40)
        sequences = await _history_of(client, *(order.order_id for order in placed))
        stream = Following(call)
        await stream.ended()
        told = stream.sequences()
        away = stream.messages[-1].going_away
        assert away.reason == stream_pb2.GOING_AWAY_REASON_SLOW_READER
        resumed = Following(client.stream(resume_token=away.resume_token))
        await eventually(lambda: told + resumed.sequences() == sequences)
        await resumed.stop()


async def test_a_stream_is_told_that_the_server_drains(postgres_url: str, redis_url: str, peers: Peers) -> None:
    """going_away with DRAINING and a token, and the stream ends without an error."""
    async with serving(postgres_url, redis_url, peers) as client:
        await ready(client, peers)
        stream = Following(client.stream())
        await stream.begun()
        client.stop()
        await stream.ended()
    assert stream.error is None
    away = stream.messages[-1].going_away
    assert away.reason == stream_pb2.GOING_AWAY_REASON_DRAINING
    assert away.resume_token
