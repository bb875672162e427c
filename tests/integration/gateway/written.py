"""Requests as no client would write them, and what comes for them."""

from __future__ import annotations

import re
import socket
import struct
from contextlib import suppress
from typing import Final

from tests.integration.gateway.conftest import Gateway

_HEAD: Final = re.compile(rb"HTTP/1\.1 (\d{3}) .*?\r\n\r\n", re.DOTALL)
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)\r\n")
_LAST_CHUNK: Final = re.compile(rb"(?:^|\r\n)0\r\n\r\n")


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
"""How a connection of HTTP/2 begins."""


def block(*headers: tuple[str, str]) -> bytes:
    """Returns headers of HTTP/2 (RFC 7541, section 6.2.2), none of them compressed."""
    texts = ((name.encode(), value.encode()) for name, value in headers)
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in texts)


def answers(gateway: Gateway, sent: bytes, *, hang_up: bool = False) -> bytes:
    """Returns all that comes for bytes on a connection of their own.

    Writing ends once the gateway has said that it hears nothing more: Envoy gives up what is on its way to a service
    for a caller who has ended writing, and without that end it waits a second before it ends the connection.

    Args:
        gateway: The gateway.
        sent: The bytes.
        hang_up: Whether writing ends at once, for what is no whole request: the gateway would wait for the rest.
    """
    host, _, port = gateway.address.rpartition(":")
    read = b""
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        with suppress(OSError):
            connection.sendall(sent)
        ended = False
        with suppress(ConnectionResetError):
            while True:
                if not ended and (hang_up or _hears_no_more(read, with_body=not sent.startswith(b"HEAD "))):
                    ended = True
                    with suppress(OSError):
                        connection.shutdown(socket.SHUT_WR)
                if not (part := connection.recv(65536)):
                    break
                read += part
    return read


def only_answer(gateway: Gateway, sent: bytes) -> tuple[int, bytes]:
    """Returns the status and the bytes of what comes for a request on a connection of its own: one answer, no more."""
    answer = answers(gateway, sent)
    told = statuses(answer)
    assert len(told) == 1, (sent[:200], answer)
    return told[0], answer


def _hears_no_more(read: bytes, *, with_body: bool) -> bool:
    """Tells whether a whole answer is there, the last on its connection."""
    while head := _HEAD.match(read):
        told, rest = head[0].lower(), read[head.end() :]
        if head[1].startswith(b"1"):
            read = rest
            continue
        end = _end_of_body(told, rest) if with_body else 0
        if end is None:
            return False
        if b"\r\nconnection: close\r\n" in told:
            return True
        read = rest[end:]
    return False


def _end_of_body(head: bytes, rest: bytes) -> int | None:
    """Returns where a body ends; None when it is not there yet."""
    if b"\r\ntransfer-encoding: chunked\r\n" in head:
        return last.end() if (last := _LAST_CHUNK.search(rest)) else None
    length = int(told[1]) if (told := _LENGTH.search(head)) else 0
    return length if len(rest) >= length else None


def request(line: str, *headers: str, body: bytes = b"", token: str = "") -> bytes:
    """Returns a request that closes its connection; its length is told unless a header says it."""
    shown = [f"authorization: Bearer {token}"] if token else []
    told = any(header.lower().startswith(("content-length", "transfer")) for header in headers)
    length = [] if told or not body else [f"content-length: {len(body)}"]
    host = [] if any(header.startswith("host:") for header in headers) else ["host: x"]
    lines = [f"{line} HTTP/1.1", *host, "connection: close", *shown, *headers, *length]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def statuses(answer: bytes) -> list[int]:
    """Returns the statuses of all answers on a connection, but for those that another follows."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer) if not status.startswith(b"1")]
