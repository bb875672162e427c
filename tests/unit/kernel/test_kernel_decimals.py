"""Decimal strings and ticks."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from services.kernel.decimals import (
    format_decimal,
    from_ticks,
    is_multiple,
    parse_decimal,
    parse_input,
    parse_non_negative,
    parse_positive,
    to_ticks,
)
from services.kernel.errors import CodedError, ErrorKind

decimals = st.decimals(min_value=-(10**18), max_value=10**18, places=8, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    "text", ["0", "1", "-1", "187.25", "0.1", "-0.00000001", "99999999999999999999", "10", "100.01"]
)
def test_canonical_strings_are_read_and_written_unchanged(text: str) -> None:
    """A canonical string comes back as it was."""
    assert format_decimal(parse_decimal(text)) == text


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "must be given"),
        ("1e5", "exponent"),
        ("1.5E-3", "exponent"),
        ("+1", "plus sign"),
        (".5", "digit before"),
        ("-.5", "digit before"),
        ("5.", "digit after"),
        ("1.50", "zeros at its end"),
        ("1.0", "zeros at its end"),
        ("01", "zeros at its start"),
        ("-007.5", "zeros at its start"),
        ("-0", "without a minus sign"),
        ("-0.0", "without a minus sign"),
        ("abc", "decimal number"),
        ("1,000", "decimal number"),
        ("NaN", "decimal number"),
        ("Infinity", "decimal number"),
        ("1.2.3", "decimal number"),
        (" 1", "decimal number"),
        ("1\n", "decimal number"),
        ("-", "decimal number"),
        (".", "decimal number"),
        ("--1", "decimal number"),
        ("\u0663", "decimal number"),
        ("1" * 21, "before the point"),
        ("0." + "1" * 19, "after the point"),
    ],
)
def test_other_strings_are_refused_with_the_rule_they_break(text: str, rule: str) -> None:
    """The error names the field, and says which rule the string breaks."""
    with pytest.raises(CodedError) as caught:
        parse_decimal(text, "limit_price")
    assert caught.value.kind is ErrorKind.INVALID
    assert caught.value.reason == "INVALID_FIELD"
    [violation] = caught.value.violations
    assert violation.field == "limit_price"
    assert rule in violation.description


@given(st.text(alphabet="0123456789.+-eE _", max_size=12))
def test_any_string_is_read_exactly_or_refused(text: str) -> None:
    """A string is either the canonical form of a number or refused with a coded error."""
    try:
        value = parse_decimal(text)
    except CodedError:
        return
    assert format_decimal(value) == text


@given(decimals)
def test_writing_and_reading_keep_the_value(value: Decimal) -> None:
    """What is written is canonical and reads as the same number."""
    assert parse_decimal(format_decimal(value)) == value


@pytest.mark.parametrize(("text", "value"), [("187.50", "187.5"), ("5.00", "5"), ("100", "100"), ("0.10", "0.1")])
def test_input_may_have_zeros_at_its_end(text: str, value: str) -> None:
    """A caller's `187.50` is the number 187.5."""
    assert parse_input(text) == Decimal(value)


@pytest.mark.parametrize("text", [".0", "1.", "1e2", "-0.0", ""])
def test_input_is_otherwise_held_to_the_same_form(text: str) -> None:
    """Nothing but zeros at the end is forgiven."""
    with pytest.raises(CodedError):
        parse_input(text)


@pytest.mark.parametrize("text", ["0", "-1", "0.00"])
def test_positive_means_above_zero(text: str) -> None:
    """Zero is not positive."""
    with pytest.raises(CodedError, match="greater than 0"):
        parse_positive(text)


def test_zero_is_not_negative() -> None:
    """Zero passes where negative numbers do not."""
    assert parse_non_negative("0") == 0
    with pytest.raises(CodedError, match="must not be negative"):
        parse_non_negative("-0.1")


@given(st.integers(-(10**18), 10**18), decimals)
def test_ticks_there_and_back(ticks: int, tick: Decimal) -> None:
    """A number of ticks becomes a value and the same number again, however large, without rounding."""
    assume(tick > 0)
    value = from_ticks(ticks, tick)
    assert is_multiple(value, tick)
    assert to_ticks(value, tick) == ticks


def test_off_tick_is_told_with_the_tick() -> None:
    """A value between two ticks is refused; the error says what it must be a multiple of."""
    with pytest.raises(CodedError, match=r"limit_price: must be a multiple of 0\.05") as caught:
        to_ticks(Decimal("1.03"), Decimal("0.050"), "limit_price")
    assert caught.value.reason == "PRICE_OFF_TICK"
