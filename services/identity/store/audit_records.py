"""Records of changes as the chain reads them, whatever their bytes are: nothing that stands there may hold it up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from google.protobuf.message import DecodeError

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.type.v1 import trading_pb2
from services.identity.domain.audit_chain import Link, LogDigest
from services.kernel.errors import CodedError
from services.mesh.times import moment

_MOST_BYTES: Final = 1024
"""Of a text that a record is found by: indexes take little more, and nobody can ask for so much."""
_MOST: Final = {
    "shard": 32_767,
    "after_sequence": 1 << 53,
    "last_sequence": 1 << 53,
    "count": 1 << 53,
    "version": (1 << 31) - 1,
}
"""The numbers of a digest, told as floats, and how great they can be."""


class Facts(NamedTuple):
    """What a record is found by, in the order of the columns."""

    source: str
    source_sequence: int
    at: datetime
    user_id: str
    request_id: str
    entity_type: str
    entity_id: str
    account_id: str
    environment: int


def facts(record: audit_record_pb2.AuditRecord) -> Facts:
    """Returns what a record is found by.

    Raises:
        CodedError: INVALID_FIELD, when its time is none.
    """
    return Facts(
        record.source,
        record.source_sequence,
        moment(record.at, "at"),
        record.actor.user_id,
        record.actor.request_id,
        record.entity_type,
        record.entity_id,
        record.account_id,
        record.environment,
    )


def record_of(stored: bytes, source: str) -> audit_record_pb2.AuditRecord | None:
    """Returns what a service has stored; None when that is no record which can be chained, found and verified."""
    record = _parsed(stored)
    if record is None or not record.audit_id or record.HasField("unreadable"):
        return None
    if not _can_be_found(record) or (_tells_a_digest(record, source) and _log_digest(record) is None):
        return None
    return record


def link(sequence: int, content: bytes, hash_: bytes, *told: Any) -> Link:
    """Returns a link of the chain, of a row of the store, which somebody may have changed."""
    # Of bytes that are none, a record that says nothing: what is found by it is not what it says.
    record = _parsed(content) or audit_record_pb2.AuditRecord()
    digest = _log_digest(record) if _tells_a_digest(record, record.source) else None
    truly = _truly(sequence, record, told)
    return Link(sequence, content, hash_, truly, digest, readable=not record.HasField("unreadable"))


def _parsed(content: bytes) -> audit_record_pb2.AuditRecord | None:
    try:
        return audit_record_pb2.AuditRecord.FromString(content)
    except DecodeError:
        return None


def _can_be_found(record: audit_record_pb2.AuditRecord) -> bool:
    """Tells whether the store takes what a record is found by."""
    try:
        found_by = facts(record)
    except CodedError:
        return False
    texts = [fact for fact in found_by if isinstance(fact, str)]
    return found_by.environment in trading_pb2.Environment.values() and not any(
        "\0" in text or len(text.encode()) > _MOST_BYTES for text in texts
    )


def _tells_a_digest(record: audit_record_pb2.AuditRecord, source: str) -> bool:
    return source == "order" and record.entity_type == "order_log"


def _log_digest(record: audit_record_pb2.AuditRecord) -> LogDigest | None:
    """Returns what a record says of the order log; None when that is no part of any."""
    told = dict(record.new_value.fields)
    numbers = [told[name].number_value if name in told else 0.0 for name in _MOST]
    if "sha256" not in told or not all(map(_is_whole, numbers, _MOST.values())):
        return None
    shard, after, last, count, version = map(int, numbers)
    return LogDigest(shard, after, last, told["sha256"].string_value, count, version or 1)


def _is_whole(number: float, most: int) -> bool:
    return 0 <= number <= most and number.is_integer()


def _truly(sequence: int, record: audit_record_pb2.AuditRecord, told: Sequence[Any]) -> bool:
    try:
        return record.sequence == sequence and tuple(facts(record)) == tuple(told)
    except CodedError:
        return False  # somebody has changed it: nothing is chained whose time is none
