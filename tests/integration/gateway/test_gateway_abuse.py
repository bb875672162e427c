"""Callers that misbehave, at a real Envoy: each is let go, and the others do not feel it."""

from __future__ import annotations

import json
import select
import socket
import struct
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from gateway.settings import Address
from tests.fakes.gateway_upstream import ENDLESS_ACCOUNT, SILENT_ACCOUNT, Upstream
from tests.fixtures import http_clients
from tests.fixtures.waiting import blocking_eventually
from tests.integration.gateway.answers import ORDER, detail, reason
from tests.integration.gateway.conftest import Gateway, running_gateway, settings_for
from tests.integration.gateway.written import HTTP2, frame

PATIENCE = 20
CONNECTIONS = 30
MOST = 20
"""Calls to a service at a time."""
ENDLESS = ENDLESS_ACCOUNT.encode()
HEAD = b"POST /api/v1/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 1000\r\n"


@pytest.fixture(scope="module")
def strict(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with little patience for what callers send, and more for what services answer."""
    settings = settings_for(
        upstream.port, unary_timeout_seconds=4.0, receive_timeout_seconds=1.0, max_connections=CONNECTIONS
    )
    with running_gateway(tmp_path_factory.mktemp("strict"), settings) as running:
        yield running


def connected(gateway: Gateway) -> socket.socket:
    """A connection."""
    host, _, port = gateway.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def to_the_end(connection: socket.socket) -> bytes:
    """All that comes until the gateway ends the connection."""
    read = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            read += part
    return read


def serves(gateway: Gateway) -> bool:
    """Whether somebody else is served."""
    return http_clients.get(f"{gateway.url}/api/v1/orders", timeout=PATIENCE).status_code == 200


def counted(gateway: Gateway, name: str) -> int:
    """What the gateway has counted of its callers."""
    return int(gateway.admin(f"/stats?filter=^http.gateway.{name}$").split(":")[-1])


def dripped(connection: socket.socket, text: bytes, ended: threading.Event) -> None:
    """Sends byte by byte, for ever."""
    with suppress(OSError):
        while not ended.wait(0.1):
            connection.sendall(text)


@pytest.mark.parametrize(
    ("begun", "drip", "status"),
    [(b"GET /api/v1/orders HTTP/1.1\r\nx-slow: ", b"a", b"408"), (HEAD + b"\r\n", b" ", b"408")],
    ids=["head", "body"],
)
def test_a_slow_request_is_given_up(strict: Gateway, begun: bytes, drip: bytes, status: bytes) -> None:
    """A head that does not end, and a body that does not end, however busy their sender is."""
    ended = threading.Event()
    with connected(strict) as connection:
        connection.sendall(begun)
        sender = threading.Thread(target=dripped, args=(connection, drip, ended))
        sender.start()
        try:
            answer = to_the_end(connection)
            assert answer.split(b" ")[1] == status
            assert json.loads(answer.partition(b"\r\n\r\n")[2])["details"][0]["reason"] == "DEADLINE_EXCEEDED"
            assert serves(strict)
        finally:
            ended.set()
            sender.join()


def test_callers_that_say_nothing_keep_nobody_out(strict: Gateway) -> None:
    """Others are served meanwhile; and who has never said a whole first line is let go as soon as a slow head is."""
    with ExitStack() as quiet:
        silent = [quiet.enter_context(connected(strict)) for _ in range(CONNECTIONS // 2)]
        for connection in silent[::2]:
            connection.sendall(b"P")
        assert serves(strict)
        assert [to_the_end(connection) for connection in silent] == [b""] * len(silent)


def test_a_connection_that_has_asked_is_kept(strict: Gateway) -> None:
    """For what it asks next, longer than one that has not: a client's pool need not open another one each time."""
    for_ever = httpx.Limits(keepalive_expiry=None)
    with (
        http_clients.client(base_url=strict.url, timeout=PATIENCE, limits=for_ever) as client,
        connected(strict) as silent,
    ):
        assert client.get("/api/v1/orders").status_code == 200
        assert to_the_end(silent) == b""
        kept = counted(strict, "downstream_cx_total")
        assert client.get("/api/v1/orders").status_code == 200
        assert counted(strict, "downstream_cx_total") == kept


def test_a_stream_outlives_those_limits(tmp_path: Path, upstream: Upstream) -> None:
    """What is silent on purpose is no slow request: an event stream goes on."""
    limits = {"unary_timeout_seconds": 1.0, "receive_timeout_seconds": 1.0}
    settings = settings_for(upstream.port, **limits)
    with running_gateway(tmp_path, settings) as gateway, connected(gateway) as connection:
        connection.sendall(b"GET /api/v1/stream/orders?account_id=%s HTTP/1.1\r\nhost: x\r\n\r\n" % ENDLESS)
        read = b""
        while b"snapshot_end" not in read:
            part = connection.recv(65536)
            assert part, read
            read += part
        # What is left of the last event may come, and then nothing, not even an end.
        connection.settimeout(sum(limits.values()) + 1)
        with pytest.raises(TimeoutError):
            to_the_end(connection)


@pytest.mark.parametrize(
    "head",
    [
        b"x-large: " + b"a" * 40_000 + b"\r\n",
        b"".join(b"x-%d: a\r\n" % number for number in range(150)),
        b"cookie: " + b"a=b; " * 10_000 + b"\r\n",
    ],
    ids=["one", "many", "cookies"],
)
def test_large_heads_are_refused(strict: Gateway, head: bytes) -> None:
    """By their bytes and by their number."""
    with connected(strict) as connection:
        connection.sendall(b"GET /api/v1/orders HTTP/1.1\r\nhost: x\r\n" + head + b"\r\n")
        answer = to_the_end(connection)
    assert answer.split(b" ")[1] == b"431"
    assert serves(strict)


@pytest.mark.parametrize("head", [b"content-length: 5000000", b"transfer-encoding: chunked"])
def test_a_large_body_is_refused_before_it_has_come(gateway: Gateway, head: bytes) -> None:
    """Whatever length it says it has, or none."""
    with connected(gateway) as connection:
        connection.sendall(
            b"POST /api/v1/orders HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + head + b"\r\n\r\n"
        )
        chunk = b"a" * 65536
        with suppress(OSError):
            # Until it is answered: what is sent to who hears no more is answered by a reset.
            while not select.select([connection], [], [], 0.05)[0]:
                connection.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk) if b"chunked" in head else chunk)
        answer = to_the_end(connection)
    assert answer.split(b" ")[1] == b"413", answer
    assert serves(gateway)


def test_a_caller_that_never_reads_is_let_go(tmp_path: Path, upstream: Upstream) -> None:
    """What waits for it is not kept for ever."""
    # Small, with a large answer: more than the kernel keeps for a connection.
    body = json.dumps({"orders": [{"client_order_id": "c"}] * 10_000}).encode()
    head = (
        b"POST /api/v1/orders:batch HTTP/1.1\r\nhost: x\r\n"
        b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(body)
    )
    with running_gateway(tmp_path, settings_for(upstream.port, receive_timeout_seconds=1.0)) as gateway:
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            host, _, port = gateway.address.rpartition(":")
            deaf.connect((host, int(port)))
            deaf.sendall(head + body)
            blocking_eventually(lambda: counted(gateway, "downstream_rq_active") == 1, "the request being there")
            blocking_eventually(lambda: counted(gateway, "downstream_cx_active") == 0, "the caller being let go")
        assert serves(gateway)


def test_more_connections_than_there_may_be_are_refused(strict: Gateway) -> None:
    """At once; when others have gone there is room again."""
    with ExitStack() as many:
        for _ in range(CONNECTIONS + 10):
            many.enter_context(connected(strict))
        last = many.enter_context(connected(strict))
        assert to_the_end(last) == b""
    # That the others have gone the gateway finds out one by one: who comes next, a test or not, needs room for many.
    blocking_eventually(lambda: counted(strict, "downstream_cx_active") == 0, "all being gone")
    assert serves(strict)


def test_requests_taken_back_at_once_end_the_connection(strict: Gateway) -> None:
    """Thousands of streams, each opened and reset (CVE-2023-44487): the gateway says go away."""
    # :method GET, :scheme http, :path /, :authority x
    request = bytes([0x82, 0x86, 0x84, 0x41, 0x01]) + b"x"
    with connected(strict) as connection:
        connection.sendall(HTTP2)
        with suppress(OSError):
            for number in range(1, 6001, 2):
                connection.sendall(frame(1, 5, number, request) + frame(3, 0, number, struct.pack(">I", 8)))
        to_the_end(connection)
    stats = strict.admin("/stats?filter=premature_reset|rapid|downstream_rq_too_many_premature_resets")
    assert any(int(line.split(":")[-1]) > 0 for line in stats.splitlines()), stats
    assert serves(strict)


def sent_for_ever(connection: socket.socket, text: bytes) -> None:
    """Sends until that fails, or far more than would be taken."""
    for _ in range(2000):
        connection.sendall(text)


def test_floods_of_frames_end_the_connection(strict: Gateway) -> None:
    """Pings and settings that want an answer each, from a caller that reads none."""
    for kind, payload in ((6, b"12345678"), (4, b"")):
        with connected(strict) as connection:
            connection.sendall(HTTP2)
            with pytest.raises(ConnectionError):
                sent_for_ever(connection, frame(kind, 0, 0, payload) * 1000)
    assert serves(strict)


def test_a_service_that_hangs_takes_nobody_with_it(tmp_path: Path, upstream: Upstream) -> None:
    """Calls to it beyond what it may have are refused at once, and the other services answer as ever."""
    hanging = Upstream()
    hanging.start()
    settings = settings_for(upstream.port)
    areas = {**settings.upstreams, "order": Address("127.0.0.1", hanging.port)}
    # Nothing that is refused here is so for want of time.
    limits = {"max_calls": MOST, "unary_timeout_seconds": 3.0 * PATIENCE}
    gateway = Gateway(tmp_path, settings_for(upstream.port, upstreams=areas, **limits))
    order = {**ORDER, "account_id": SILENT_ACCOUNT}
    try:
        blocking_eventually(lambda: gateway.is_healthy("order"), "the order service being healthy")
        with (
            ThreadPoolExecutor(2 * MOST) as pool,
            http_clients.client(base_url=gateway.url, timeout=3 * PATIENCE) as client,
        ):
            asked = [pool.submit(client.post, "/api/v1/orders", json=order) for _ in range(2 * MOST)]
            try:
                blocking_eventually(lambda: sum(each.done() for each in asked) >= MOST, "the rest being refused")
                refused = [each.result() for each in asked if each.done()]
                assert {(each.status_code, reason(each)) for each in refused} == {(503, "SERVICE_UNAVAILABLE")}
                assert detail(refused[0], "google.rpc.RetryInfo") is not None
                assert client.get("/.well-known/jwks.json").status_code == 200
                assert sum(not each.done() for each in asked) == MOST
            finally:
                # Those that wait still are told.
                hanging.stop()
                wait(asked)
            ends = {(each.result().status_code, reason(each.result())) for each in asked}
            assert ends == {(503, "SERVICE_UNAVAILABLE"), (502, "SERVICE_UNAVAILABLE")}
    finally:
        gateway.stop()
        hanging.stop()
