"""How the record of a change is told in a line."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.event.v1 import audit_record_pb2
from ordermesh.identity.v1 import audit_pb2
from services.cli.commands.audit import _verify, changed
from services.cli.failure import ExitCode
from services.mesh.snapshots import fill


def record(old: dict[str, Any] | None, new: dict[str, Any] | None) -> audit_record_pb2.AuditRecord:
    """Returns the record of what there was and what there is."""
    made = audit_record_pb2.AuditRecord()
    for value, field in ((old, made.old_value), (new, made.new_value)):
        if value is not None:
            fill(field, value)
    return made


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (None, {"name": "tech", "text": "", "parts": []}, "name: tech"),
        ({"name": "tech"}, None, "was name: tech"),
        ({"name": "tech", "version": 1}, {"name": "more", "version": 1}, "name: tech -> more"),
        ({"enabled": True}, {"enabled": False}, "enabled: True -> False"),
        (None, {"last_sequence": 123_456_789}, "last_sequence: 123456789"),
        ({"share": 0.25}, {"share": 1234567.5}, "share: 0.25 -> 1234567.5"),
    ],
)
def test_a_change_is_told_as_it_was(old: dict[str, Any] | None, new: dict[str, Any] | None, told: str) -> None:
    """What differs, or all that there is; numbers in full, whole ones without a point."""
    assert changed(record(old, new)) == told


class Parts:
    """A chain that is verified in two parts, and holds a record in the first that is none."""

    @property
    def audit(self) -> Parts:
        return self

    async def VerifyAudit(self, request: audit_pb2.VerifyAuditRequest) -> audit_pb2.VerifyAuditResponse:  # noqa: N802 - the contract's name
        first = request.after_sequence == 0
        return audit_pb2.VerifyAuditResponse(
            verified_sequence=5 if first else 9, last_sequence=9, unreadable_sequences=[3] if first else []
        )


async def test_what_is_no_record_is_told_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    """Of all parts; the chain is good, and the command ends as one that has found something."""
    mesh: Any = Parts()
    assert await _verify(mesh, "", orders=False, as_json=False) == ExitCode.REFUSED
    told = capsys.readouterr()
    assert "9 records are as they were written" in told.out
    assert "1 of them hold what is no record: 3" in told.err
