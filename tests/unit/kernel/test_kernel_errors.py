"""The coded error."""

from __future__ import annotations

import pytest

from services.kernel import errors
from services.kernel.errors import CodedError, ErrorKind, FieldViolation


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.invalid("BATCH_TOO_LARGE", "m"), ErrorKind.INVALID),
        (errors.invalid_field("f", "must be"), ErrorKind.INVALID),
        (errors.not_found("UNKNOWN_ORDER", "m"), ErrorKind.NOT_FOUND),
        (errors.already_exists("ALREADY_EXISTS", "m"), ErrorKind.ALREADY_EXISTS),
        (errors.precondition("ORDER_NOT_LIVE", "m"), ErrorKind.PRECONDITION),
        (errors.aborted("VERSION_MISMATCH", "m"), ErrorKind.ABORTED),
        (errors.out_of_range("STREAM_GAP", "m"), ErrorKind.OUT_OF_RANGE),
        (errors.permission("NOT_SUPPORTED_BY_ADAPTER", "m"), ErrorKind.PERMISSION),
        (errors.unavailable("STORE_UNAVAILABLE", "m"), ErrorKind.UNAVAILABLE),
        (errors.exhausted("OVERLOADED", "m", retry_after_seconds=1), ErrorKind.EXHAUSTED),
        (errors.deadline("m"), ErrorKind.DEADLINE),
        (errors.unimplemented("NOT_SUPPORTED_BY_ADAPTER", "m"), ErrorKind.UNIMPLEMENTED),
    ],
)
def test_each_constructor_makes_its_kind(error: CodedError, kind: ErrorKind) -> None:
    """The kind follows from the constructor."""
    assert error.kind is kind


def test_the_text_names_reason_message_and_fields() -> None:
    """One line says all that a log needs."""
    error = errors.invalid("PRICE_OFF_TICK", "off tick", FieldViolation("limit_price", "must be a multiple of 0.01"))
    assert str(error) == "PRICE_OFF_TICK: off tick (limit_price: must be a multiple of 0.01)"
    assert repr(error) == "CodedError(INVALID, 'PRICE_OFF_TICK', 'off tick')"


def test_metadata_is_the_errors_own() -> None:
    """Changing the mapping that was handed in does not change the error."""
    facts = {"limit": "5"}
    error = CodedError(ErrorKind.PRECONDITION, "RISK_LIMIT_EXCEEDED", "m", metadata=facts)
    facts["limit"] = "6"
    assert error.metadata == {"limit": "5"}
