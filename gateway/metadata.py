"""What callers send of gRPC's own metadata: taken out where nobody outside has a part in it, refused where it is none.

gRPC answers a value that it cannot read with INTERNAL, and loses count of the compressed headers of the connection
while it does: on the connections that all callers share, later calls are read with headers of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

_READ = {
    "grpc-timeout": ("[0-9]{1,8}[HMSmun]", "grpc-timeout is no time such as 5S"),
    "grpc-encoding": ("identity|deflate|gzip", "grpc-encoding is none of identity, deflate, gzip"),
}
"""What a caller may say: its form, and what to tell who says something else."""
_NEVER_SENT = (
    "grpc-internal-encoding-request",
    "grpc-previous-rpc-attempts",
    "grpc-retry-pushback-ms",
    "grpc-status",
)
"""What servers say, or clients of gRPC of a call that they repeat, which is of no use here."""
_NO_NAME = ":?[a-z0-9._-]*[^a-z0-9._:-].*"
"""What HTTP takes for a header's name and gRPC does not: it answers INTERNAL."""


def taken_out() -> list[dict[str, Any]]:
    """Mutations that take headers out: no RPC takes bytes as metadata."""
    matched: tuple[dict[str, Any], ...] = ({"suffix": "-bin"}, {"safe_regex": {"regex": _NO_NAME}})
    return [
        *({"remove_on_match": {"key_matcher": matcher}} for matcher in matched),
        *({"remove": name} for name in _NEVER_SENT),
    ]


def all_trailers() -> dict[str, Any]:
    """A mutation that takes out what follows a request: callers of gRPC send nothing there, and nobody reads it."""
    return {"remove_on_match": {"key_matcher": {"safe_regex": {"regex": ".*"}}}}


def unreadable() -> Iterator[tuple[dict[str, Any], int, str]]:
    """Returns matches of requests to refuse, with the status, and what to tell."""
    grpc = {"name": "content-type", "string_match": {"prefix": "application/grpc"}}
    for name, (form, text) in _READ.items():
        wrong = {"name": name, "string_match": {"safe_regex": {"regex": form}}, "invert_match": True}
        there: list[dict[str, Any]] = [{"name": name, "present_match": True}, wrong]
        # Callers of gRPC are told UNIMPLEMENTED by this status, and INTERNAL by the other.
        yield {"prefix": "/", "headers": [*there, grpc]}, 404, text
        yield {"prefix": "/", "headers": there}, 400, text
