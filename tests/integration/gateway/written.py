"""Requests as no client would write them, and what comes for them."""

from __future__ import annotations

import re
import socket
import struct
from contextlib import suppress

from tests.integration.gateway.conftest import Gateway


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    """Returns a frame of HTTP/2."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)
"""How a connection of HTTP/2 begins."""


def block(*headers: tuple[str, str]) -> bytes:
    """Returns headers of HTTP/2 (RFC 7541, section 6.2.2), none of them compressed."""
    texts = ((name.encode(), value.encode()) for name, value in headers)
    return b"".join(b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value for name, value in texts)


PATIENCE_SECONDS, SILENCE_SECONDS = 1.0, 0.05
"""How long an answer may take to begin, if what was sent is a request at all; and to go on once it has begun."""


def answers(gateway: Gateway, sent: bytes) -> bytes:
    """Returns all that comes for bytes on a connection of their own.

    Nobody hangs up before they are answered: Envoy lets go of a request whose caller does, and says nothing.
    """
    host, _, port = gateway.address.rpartition(":")
    read = b""
    with socket.create_connection((host, int(port)), timeout=PATIENCE_SECONDS) as connection:
        with suppress(OSError):
            connection.sendall(sent)
        with suppress(ConnectionResetError, TimeoutError):
            while not _is_last(read) and (part := connection.recv(65536)):
                read += part
                connection.settimeout(SILENCE_SECONDS)
    return read


def _is_last(read: bytes) -> bool:
    """Tells whether an answer is whole, and says that none follows: Envoy waits a second for who asked to hang up."""
    head, _, body = read.rpartition(b"HTTP/1.1 ")[2].partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head)
    return b"connection: close" in head and length is not None and len(body) >= int(length[1])


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
