"""Server streams through a real Envoy, as Server-Sent Events and as gRPC."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest

from ordermesh.order.v1 import order_service_pb2_grpc, order_stream_pb2
from tests.fakes.gateway_upstream import (
    BROKEN_STREAM_ACCOUNT,
    ENDLESS_ACCOUNT,
    REFUSED_STREAM_ACCOUNT,
    RESUMABLE_ACCOUNT,
    TRICKY_TEXT,
    Upstream,
)
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import reason
from tests.integration.gateway.conftest import Gateway, settings_for

STREAM = "/api/v1/stream/orders"


def events(answer: httpx.Response) -> Iterator[dict[str, object]]:
    """The data of each event; anything but `data:` lines and empty ones is no event of ours."""
    for line in answer.iter_lines():
        if line:
            assert line.startswith("data: ")
            yield json.loads(line.removeprefix("data: "))


def test_a_stream_is_server_sent_events(http: httpx.Client) -> None:
    """Each message is one event with one line of JSON, and nothing on the way may keep it back."""
    with http.stream("GET", STREAM, params={"account_id": "demo", "heartbeat_interval": "1.5s"}) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream"
        assert answer.headers["cache-control"] == "no-cache"
        assert [next(iter(event)) for event in events(answer)] == ["subscribed", "snapshot_begin", "snapshot_end"]


def test_an_event_that_can_be_resumed_after_has_an_id(http: httpx.Client) -> None:
    """Its token, by which a reader goes on; text that looks like a token stays what it is, and others have no id."""
    with http.stream("GET", STREAM, params={"account_id": RESUMABLE_ACCOUNT}) as answer:
        lines = list(answer.iter_lines())
    ids = [line for line in lines if line.startswith("id:")]
    assert ids == ["id: token-3", "id: token-4"]
    told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data:")]
    assert [lines[lines.index(each) + 1].startswith("data: ") for each in ids] == [True, True]
    assert [next(iter(item)) for item in told] == ["subscribed", "snapshot_begin", "snapshot_end", "update", "update"]
    assert told[-1]["update"]["reports"][0]["text"] == TRICKY_TEXT


def test_the_last_id_is_the_token_to_resume_after(http: httpx.Client, upstream: Upstream) -> None:
    """In place of one that the reader began with; the rest of the query stays."""
    query = {"account_id": "demo", "resume_token": "older", "heartbeat_interval": "2s"}
    http.get(STREAM, params=query, headers={"last-event-id": "a/b+c=&account_id=x"})
    request = upstream.seen.requests[-1]
    assert isinstance(request, order_stream_pb2.StreamOrdersRequest)
    assert request.resume_token == "a/b+c=&account_id=x"
    assert (request.account_id, request.heartbeat_interval.seconds) == ("demo", 2)


def test_a_last_id_where_nothing_is_resumed_changes_nothing(http: httpx.Client) -> None:
    """Other requests take no token."""
    answer = http.get("/api/v1/orders", params={"account_id": "demo"}, headers={"last-event-id": "x"})
    assert answer.status_code == 200


def test_a_stream_that_is_refused_answers_a_status(http: httpx.Client) -> None:
    """A failure before the first event is an ordinary error, not a stream."""
    answer = http.get(STREAM, params={"account_id": REFUSED_STREAM_ACCOUNT})

    assert answer.status_code == 400
    assert answer.json()["code"] == 11
    assert reason(answer) == "STREAM_GAP"


def test_a_stream_that_breaks_keeps_what_it_sent(http: httpx.Client) -> None:
    """A failure after the first event ends the stream; the events before it were told."""
    with http.stream("GET", STREAM, params={"account_id": BROKEN_STREAM_ACCOUNT}) as answer:
        assert len(list(events(answer))) == 3


def test_events_come_while_the_stream_is_open_and_its_end_reaches_the_service(tmp_path: Path) -> None:
    """A reader sees events at once, with no timeout, and the service learns that the reader has gone."""
    upstream = Upstream()
    upstream.start()
    # A short limit for other calls, which the stream outlives.
    gateway = Gateway(tmp_path, settings_for(upstream.port, unary_timeout_seconds=0.2))
    try:
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        with httpx.stream(
            "GET", gateway.url + STREAM, params={"account_id": ENDLESS_ACCOUNT}, verify=http_clients.authorities()
        ) as answer:
            received = events(answer)
            assert [next(iter(next(received))) for _ in range(3)] == ["subscribed", "snapshot_begin", "snapshot_end"]
            assert not upstream.seen.stream_ended.wait(0.6)
        assert upstream.seen.stream_ended.wait(10)
    finally:
        gateway.stop()
        upstream.stop()


def test_grpc_streams_keep_their_status(channel: grpc.Channel) -> None:
    """Over gRPC the messages come as they are, and a late failure has its code."""
    stub = order_service_pb2_grpc.OrderServiceStub(channel)
    call = stub.StreamOrders(order_stream_pb2.StreamOrdersRequest(account_id=BROKEN_STREAM_ACCOUNT))

    assert [next(call).WhichOneof("item") for _ in range(3)] == ["subscribed", "snapshot_begin", "snapshot_end"]
    with pytest.raises(grpc.RpcError) as failure:
        next(call)
    assert failure.value.code() is grpc.StatusCode.OUT_OF_RANGE
