"""Times that callers send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.risk.v1 import risk_service_pb2
from services.kernel.errors import CodedError
from services.mesh.times import moment, span

FIRST = Timestamp(seconds=-62_135_596_800)
LAST = Timestamp(seconds=253_402_300_799, nanos=999_999_999)
NOON = Timestamp(seconds=1_795_608_000)


def request(**bounds: Timestamp) -> Any:
    return risk_service_pb2.ListAlertsRequest(**bounds)  # type: ignore[arg-type]  # `from` is a keyword of Python


def test_a_span_has_the_bounds_that_were_given() -> None:
    """Absent bounds are None; equal ones are an empty span, not an error."""
    noon = datetime(2026, 11, 25, 12, tzinfo=UTC)
    assert span(request()) == (None, None)
    assert span(request(**{"from": NOON})) == (noon, None)
    assert span(request(**{"from": NOON, "to": NOON})) == (noon, noon)
    assert span(request(**{"from": FIRST, "to": LAST})) == (moment(FIRST, "from"), moment(LAST, "to"))


@pytest.mark.parametrize(
    ("bounds", "field"),
    [
        ({"from": Timestamp(seconds=FIRST.seconds - 1)}, "from"),
        ({"to": Timestamp(seconds=LAST.seconds + 1)}, "to"),
        ({"to": Timestamp(seconds=2**62)}, "to"),
        ({"from": NOON, "to": FIRST}, "to"),
    ],
)
def test_a_bad_bound_is_named(bounds: dict[str, Timestamp], field: str) -> None:
    """A time that no calendar has, and an end before the beginning."""
    with pytest.raises(CodedError) as caught:
        span(request(**bounds))
    assert caught.value.reason == "INVALID_FIELD"
    assert [violation.field for violation in caught.value.violations] == [field]
