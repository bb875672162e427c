"""Errors in one line, and the exit codes that scripts use."""

from __future__ import annotations

import pytest

from ordermesh.type.v1 import error_pb2
from services.cli.failure import ADVICE, ExitCode, exit_code, one_line
from services.kernel.errors import (
    CodedError,
    FieldViolation,
    exhausted,
    invalid,
    invalid_field,
    not_found,
    precondition,
    unavailable,
)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (invalid_field("quantity", "must be a multiple of 1"), ExitCode.REFUSED),
        (precondition("RISK_LIMIT_EXCEEDED", "too much"), ExitCode.REFUSED),
        (unavailable("RISK_UNAVAILABLE", "risk did not answer"), ExitCode.REFUSED),
        (unavailable("STORE_UNAVAILABLE", "the store does not answer now"), ExitCode.REFUSED),
        (unavailable("SERVICE_UNAVAILABLE", "failed to connect"), ExitCode.UNREACHABLE),
        (unavailable("DRAINING", "stopping"), ExitCode.UNREACHABLE),
    ],
)
def test_the_exit_code_tells_refused_from_unreachable(error: CodedError, expected: ExitCode) -> None:
    """What the mesh answers is a refusal; that nobody answers is something else."""
    assert exit_code(error) is expected


def test_a_line_names_the_field_and_its_rule_once() -> None:
    """The field stands there, however often the error says it."""
    assert one_line(invalid_field("quantity", "must be positive")) == "INVALID_FIELD: quantity: must be positive"


def test_a_pattern_is_told_in_words() -> None:
    """Nobody has to read an expression to learn what a quantity looks like; other rules stay as they are."""
    error = invalid(
        "INVALID_FIELD",
        "quantity: does not match regex pattern `^x$` (and 1 more)",
        FieldViolation("quantity", "does not match regex pattern `^x$`"),
        FieldViolation("order_id", "must be a valid UUID"),
    )
    assert one_line(error) == (
        "INVALID_FIELD: quantity: must be a decimal above zero, such as 10 or 0.5; order_id: must be a valid UUID"
    )


def test_a_line_says_what_to_do() -> None:
    """Advice for the reason, or when to try again."""
    assert one_line(not_found("UNKNOWN_ORDER", "no order x")).endswith("; `ordermesh orders --all` lists them")
    assert one_line(exhausted("OVERLOADED", "too much", retry_after_seconds=0.25)).endswith("; try again in 0.25 s")


def test_a_mesh_that_is_not_there_is_told_without_the_words_of_the_transport() -> None:
    """What gRPC says of a refused connection becomes something to act on."""
    error = unavailable(
        "SERVICE_UNAVAILABLE",
        "failed to connect to all addresses; last error: UNKNOWN: ipv4:127.0.0.1:9: Failed to connect to remote host",
    )
    assert one_line(error) == (
        "SERVICE_UNAVAILABLE: nobody answers at 127.0.0.1:9; start the mesh with `make run`, or say where it is with "
        "--address"
    )


def test_an_error_never_takes_more_than_one_line() -> None:
    """Whatever a message holds."""
    assert one_line(not_found("UNKNOWN_ORDER", "no\norder\n  x")).count("\n") == 0


def test_advice_is_for_reasons_that_exist() -> None:
    """Every reason with advice is in the contract."""
    known = {name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()}  # noqa: SIM118 - no mapping
    assert known >= ADVICE.keys()
