"""Records as the chain reads them: nothing that a service has stored, or somebody has changed, stops the reading."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.event.v1 import audit_record_pb2
from services.identity.domain.audit_chain import LogDigest
from services.identity.store.audit_records import link, record_of

PART: dict[str, Any] = {"shard": 1, "after_sequence": 2, "last_sequence": 5, "count": 3, "sha256": "ab", "version": 2}


def digest_record(**changed: Any) -> audit_record_pb2.AuditRecord:
    """Returns what OrderService records of its log; a part that is None is left out."""
    record = audit_record_pb2.AuditRecord(audit_id="1", source="order", entity_type="order_log")
    record.new_value.update({name: value for name, value in {**PART, **changed}.items() if value is not None})
    return record


def test_a_digest_is_read_as_it_was_told() -> None:
    """Also one from before there were versions, and without a change to the record that is chained."""
    for changed, version in (({}, 2), ({"version": None}, 1)):
        stored = digest_record(**changed).SerializeToString(deterministic=True)
        record = record_of(stored, "order")
        assert record is not None
        assert record.SerializeToString(deterministic=True) == stored
        assert link(1, stored, b"").digest == LogDigest(1, 2, 5, "ab", 3, version)


@pytest.mark.parametrize(
    "changed",
    [
        {"shard": math.nan},
        {"last_sequence": math.inf},
        {"after_sequence": -1},
        {"count": 1.5},
        {"shard": 1 << 40},
        {"sha256": None},
    ],
    ids=str,
)
def test_a_digest_of_no_part_of_a_log_is_no_record(changed: dict[str, Any]) -> None:
    """It is kept as what it is; every verification behind it ended in an error that nobody foresaw."""
    stored = digest_record(**changed).SerializeToString()
    assert record_of(stored, "order") is None
    assert record_of(stored, "risk") is not None
    assert link(1, stored, b"").digest is None


def test_a_record_whose_time_was_changed_is_not_what_it_is_found_by() -> None:
    """So that the verification names it, and is not refused for it."""
    at = datetime(2026, 1, 2, tzinfo=UTC)
    record = audit_record_pb2.AuditRecord(sequence=1, audit_id="1", entity_id="a")
    record.at.FromDatetime(at)
    told = ("", 0, at, "", "", "", "a", "", 0)
    assert link(1, record.SerializeToString(), b"", *told).told_truly
    record.at.CopyFrom(Timestamp(seconds=1 << 40))
    assert not link(1, record.SerializeToString(), b"", *told).told_truly
