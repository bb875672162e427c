"""Opaque tokens: where a page or a stream goes on, bound to the filters that it was made for.

A token is base64url of a checksum and its fields. The checksum also covers the filters, so that a damaged token, or one
of another request, is refused. It is no secret and grants nothing: whoever may ask with a token may ask without it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from google.protobuf.message import Message

from services.kernel.errors import CodedError, FieldViolation, invalid

_CHECKSUM_BYTES: Final = 8
_SEQUENCE_BYTES: Final = 8
_EPOCH_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """Where a stream goes on: after this sequence of this incarnation of the log."""

    epoch: UUID
    sequence: int


class ResumeTokens:
    """Makes and reads the resume tokens of one stream: one epoch, one set of filters."""

    __slots__ = ("_digest", "_epoch", "epoch")

    def __init__(self, epoch: UUID, filters: bytes) -> None:
        self.epoch = epoch
        self._epoch = epoch.bytes
        self._digest = hashlib.blake2b(b"resume\0" + filters, digest_size=_CHECKSUM_BYTES)

    def make(self, sequence: int) -> str:
        """Returns the token to go on after a sequence."""
        return _encode(self._checked(self._epoch + sequence.to_bytes(_SEQUENCE_BYTES, "big")))

    def read(self, token: str, field: str = "resume_token") -> ResumePoint:
        """Returns where to go on; its epoch may be another than this log's.

        Raises:
            CodedError: INVALID_RESUME_TOKEN, when it is damaged or was made for other filters.
        """
        raw = _decode(token)
        body = raw[_CHECKSUM_BYTES:]
        if len(body) != _EPOCH_BYTES + _SEQUENCE_BYTES or self._checked(body) != raw:
            raise _refused("INVALID_RESUME_TOKEN", field, "stream")
        return ResumePoint(UUID(bytes=body[:_EPOCH_BYTES]), int.from_bytes(body[_EPOCH_BYTES:], "big"))

    def _checked(self, body: bytes) -> bytes:
        digest = self._digest.copy()
        digest.update(body)
        return digest.digest() + body


class PageTokens:
    """Makes and reads the page tokens of one list call with its filters."""

    __slots__ = ("_digest",)

    def __init__(self, filters: bytes) -> None:
        self._digest = hashlib.blake2b(b"page\0" + filters, digest_size=_CHECKSUM_BYTES)

    def make(self, *position: str) -> str:
        """Returns the token of the page that begins after a position, such as a time and an id."""
        body = b"\0".join(part.encode() for part in position)
        return _encode(self._checked(body))

    def read(self, token: str, parts: int = 1, field: str = "page_token") -> tuple[str, ...] | None:
        """Returns the position after which the page begins; None for the first page (an empty token).

        Raises:
            CodedError: INVALID_PAGE_TOKEN, when it is damaged or was made for other filters.
        """
        if not token:
            return None
        raw = _decode(token)
        body = raw[_CHECKSUM_BYTES:]
        position = tuple(part.decode(errors="replace") for part in body.split(b"\0"))
        if self._checked(body) != raw or len(position) != parts:
            raise _refused("INVALID_PAGE_TOKEN", field, "list")
        return position

    def _checked(self, body: bytes) -> bytes:
        digest = self._digest.copy()
        digest.update(body)
        return digest.digest() + body


def filters_of(
    request: Message, without: Iterable[str] = ("page_token", "page_size", "resume_token", "heartbeat_interval")
) -> bytes:
    """Returns the bytes that stand for the filters of a request: all of it but where and how to go on."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name in without:
        if name in request.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    return request.DESCRIPTOR.full_name.encode() + b"\0" + copy.SerializeToString(deterministic=True)


def _encode(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _decode(token: str) -> bytes:
    try:
        return base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""


def _refused(reason: str, field: str, what: str) -> CodedError:
    text = f"is damaged, or belongs to a {what} with other filters"
    return invalid(reason, f"{field} {text}", FieldViolation(field, text))
