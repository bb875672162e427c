"""Settings of gRPC that servers and clients must agree on."""

from __future__ import annotations

from typing import Final

MAX_MESSAGE_BYTES: Final = 16 * 1024 * 1024
KEEPALIVE_MILLISECONDS: Final = 20_000
KEEPALIVE_TIMEOUT_MILLISECONDS: Final = 10_000
SERVER_KEEPALIVE_MILLISECONDS: Final = 10_000
SERVER_KEEPALIVE_TIMEOUT_MILLISECONDS: Final = 20_000
"""Who is silent is given up after the two together, by servers as by clients. A server asks sooner and waits longer:
the answer stands behind all that was sent before, which may be ten thousand calls that come over one connection."""
LEAST_PING_INTERVAL_MILLISECONDS: Final = 10_000
"""A server takes pings this often without complaint: half the interval at which clients send them."""
CONNECT_MILLISECONDS: Final = 5_000
"""How long a connection may take to be answered before it counts as failed, and its calls with it: on a busy machine
the first answer of a process that serves can take long. One that is refused fails at once, whatever stands here, and is
tried again after the reconnect backoff. gRPC calls this the least time between two attempts."""

Options = tuple[tuple[str, int | str], ...]


def _keepalive(milliseconds: int, timeout_milliseconds: int) -> Options:
    return (
        ("grpc.keepalive_time_ms", milliseconds),
        ("grpc.keepalive_timeout_ms", timeout_milliseconds),
        # Of the other pings too: while one of those is on its way, gRPC sends no other, and waits a minute for it.
        ("grpc.http2.ping_timeout_ms", timeout_milliseconds),
    )


_BOTH: Final[Options] = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)

MOST_STREAMS: Final = 100_000
"""Calls of one connection at once, and calls of one method that the process has not got to yet."""
MOST_METADATA_BYTES: Final = 64 << 10
"""Metadata of a call. The gateway takes heads of 32 KiB, and tells a path and what stood for it beside; by itself gRPC
refuses, from 8 KiB on, ever more of them, with a text for programmers and no reason."""
MOST_UNREAD_SECONDS: Final = 300
"""How long such a call may wait. One with a deadline ends by it long before."""

SERVER_OPTIONS: Final[Options] = (
    *_BOTH,
    *_keepalive(SERVER_KEEPALIVE_MILLISECONDS, SERVER_KEEPALIVE_TIMEOUT_MILLISECONDS),
    ("grpc.http2.min_ping_interval_without_data_ms", LEAST_PING_INTERVAL_MILLISECONDS),
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", MOST_STREAMS),
    ("grpc.max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", MOST_METADATA_BYTES),
    ("grpc.server.max_pending_requests", MOST_STREAMS),
    ("grpc.server.max_pending_requests_hard_limit", MOST_STREAMS),
    ("grpc.server_max_unrequested_time_in_server", MOST_UNREAD_SECONDS),
)
"""Two processes never share a port by accident, and one connection may hold ten thousand streams.

What comes faster than a process gets to it waits. By itself gRPC lets 1,000 calls wait, ends some beyond, all beyond
3,000 and each after 30 s, and tells CANCELLED: to a caller that has canceled nothing, for a call that it may well make
again. Which calls are too many the server says itself, by RESOURCE_EXHAUSTED."""

CLIENT_OPTIONS: Final[Options] = (
    *_BOTH,
    *_keepalive(KEEPALIVE_MILLISECONDS, KEEPALIVE_TIMEOUT_MILLISECONDS),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", CONNECT_MILLISECONDS),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_retries", 1),
)
