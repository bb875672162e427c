"""Requests within requests, and what is no HTTP at all, at a real Envoy that wants tokens."""

from __future__ import annotations

import uuid
from typing import Final

import httpx
import pytest
from google.protobuf.message import Message

from tests.fakes.gateway_upstream import Upstream
from tests.fakes.signer import Signer
from tests.fixtures import http_clients
from tests.integration.gateway.conftest import Gateway
from tests.integration.gateway.written import answers, request, statuses

LAST_CHUNK: Final = b"0\r\n\r\n"
TWO_READINGS: Final = (
    *("content-length: 4\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 4"),
    *("content-length: 4\r\ncontent-length: 40", "content-length: 0\r\ncontent-length: 40", "content-length: 0, 40"),
    *("content-length: +4", "content-length: 4, 4", "content-length: -1", "content-length: 99999999999999999999"),
    *("transfer-encoding: chunked, identity", "transfer-encoding: identity, chunked", "transfer-encoding: xchunked"),
    *("transfer-encoding : chunked", "transfer-encoding:\x0bchunked"),
    *(
        "transfer-encoding: chunked\r\ntransfer-encoding: x",
        "transfer-encoding: chunked\r\ntransfer-encoding: identity",
    ),
    *("te: trailers, deflate\r\ntransfer-encoding: gzip, chunked", "x: y\r\n transfer-encoding: chunked"),
    *("content-length: 4\r\n\tx", "x: a\rtransfer-encoding: chunked", "x: a\ntransfer-encoding: chunked"),
    *("x: a\rb", "x: a\0b", "x y: 1", ": 1", "no colon", " folded: x"),
)
NO_HTTP: Final = (
    *(b"GET / HTTP/9.9", b"GET / HTTP/0.9", b"GET /", b"G\0T / HTTP/1.1", b"GET  / HTTP/1.1", b"get /docs HTTP/1.1"),
    *(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 64, b"\x16\x03\x01\x02\x00\x01", b"\xff" * 200, b"\r\n" * 50),
    *(b"GET /docs HTTP/1.1\r\nhost: a\r\nhost: b", b"GET /docs HTTP/1.1", b"GET /docs HTTP/1.1\r\nhost:"),
)


@pytest.mark.parametrize("head", TWO_READINGS)
def test_a_request_holds_no_other(guarded: Gateway, signer: Signer, upstream: Upstream, head: str) -> None:
    """Where a request ends is said once and clearly, or the connection ends with it: nothing is hidden in a body."""
    account = uuid.uuid4().hex
    hidden = request(f"GET /api/v1/orders?account_id={account}", token=signer.token())
    bodies = (hidden, LAST_CHUNK + hidden, b"{}\r\n" + hidden, b"1;x=y\r\n{\r\n1\r\n}\r\n" + LAST_CHUNK + hidden)
    for body in (*bodies, b"0_1\r\n\r\n" + hidden):
        # Where the body is one, this ends the connection, which waited for more.
        answer = answers(guarded, going_on(signer, *head.split("\r\n"), body=body) + request("GET /nothing"))
        told = statuses(answer)
        assert told, (body, answer)
        assert all(status < 500 or status == httpx.codes.NOT_IMPLEMENTED for status in told), answer
        assert httpx.codes.OK not in told, answer
    # Not how many there are: one that another test has let go may come in late.
    assert not asked_for(upstream, account)


@pytest.mark.parametrize(
    ("head", "body"), [("content-length: 4", b"{}\r\n"), ("transfer-encoding:\tchunked", LAST_CHUNK)]
)
def test_what_hides_would_be_seen(guarded: Gateway, signer: Signer, upstream: Upstream, head: str, body: bytes) -> None:
    """A request that follows another on its connection, as it may, reaches its service, and is answered."""
    account = uuid.uuid4().hex
    follows = request(f"GET /api/v1/orders?account_id={account}", token=signer.token())
    answer = answers(guarded, going_on(signer, head, body=body) + follows)
    assert statuses(answer) == [httpx.codes.OK] * 2, answer
    assert asked_for(upstream, account)


def going_on(signer: Signer, *headers: str, body: bytes) -> bytes:
    """Returns a request after which the connection goes on.

    It is for a service: when the gateway answers by itself it ends the connection, whatever follows.
    """
    kind = "content-type: application/json"
    sent = request("POST /api/v1/orders", kind, *headers, body=body, token=signer.token())
    return sent.replace(b"connection: close\r\n", b"", 1)


def asked_for(upstream: Upstream, account: str) -> list[Message]:
    """Returns what the service was asked about an account."""
    return [each for each in upstream.seen.requests if getattr(each, "account_id", "") == account]


@pytest.mark.parametrize("sent", NO_HTTP)
def test_what_is_no_http_ends_a_connection(guarded: Gateway, sent: bytes) -> None:
    """Refused or hung up, and the next one is served."""
    for status in statuses(answers(guarded, sent + b"\r\n\r\n", hang_up=True)):
        assert status < 500 or status == httpx.codes.HTTP_VERSION_NOT_SUPPORTED
    assert http_clients.get(f"{guarded.url}/docs").status_code == httpx.codes.OK
