"""Every reason that the services give is one of the contract's."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from ordermesh.type.v1 import error_pb2

SERVICES = Path(__file__).resolve().parents[2] / "services"
PREFIX = "ERROR_REASON_"
REASONS = {value.name.removeprefix(PREFIX) for value in error_pb2.ErrorReason.DESCRIPTOR.values} - {"UNSPECIFIED"}
BY_POSITION = {
    "invalid": 0,
    "not_found": 0,
    "already_exists": 0,
    "precondition": 0,
    "aborted": 0,
    "out_of_range": 0,
    "permission": 0,
    "unauthenticated": 0,
    "unavailable": 0,
    "exhausted": 0,
    "unimplemented": 0,
    "CodedError": 1,
}
"""Where the reason stands among the arguments of what makes errors."""


def reasons_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yields the line and the text of every reason that stands in a call."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        given = [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        if name in BY_POSITION:
            given += node.args[BY_POSITION[name] : BY_POSITION[name] + 1]
        for argument in given:
            if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                yield node.lineno, argument.value


def test_every_reason_given_is_in_the_contract() -> None:
    """A reason that callers cannot look up would be no reason."""
    unknown = [
        f"{path.relative_to(SERVICES.parent)}:{line}: {reason}"
        for path in sorted(SERVICES.rglob("*.py"))
        for line, reason in reasons_of(ast.parse(path.read_text(encoding="utf-8")))
        if re.fullmatch(r"[A-Z][A-Z0-9_]+", reason) and reason not in REASONS
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ('raise not_found("UNKNOWN_ORDER", "text")', ["UNKNOWN_ORDER"]),
        ('raise errors.invalid_field("f", "text", reason="PRICE_OFF_TICK")', ["PRICE_OFF_TICK"]),
        ('CodedError(ErrorKind.INTERNAL, "INTERNAL", "text")', ["INTERNAL"]),
        ("not_found(REASON, text)", []),
    ],
)
def test_reasons_are_found_where_they_stand(code: str, found: list[str]) -> None:
    """The search itself sees the forms in use."""
    assert [reason for _, reason in reasons_of(ast.parse(code))] == found
