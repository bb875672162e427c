"""Decimal strings as they stand on the wire, and their way to integer ticks and lots. Nothing is ever rounded."""

from __future__ import annotations

import decimal
import re
from decimal import Decimal

from services.kernel.errors import CodedError, invalid_field

MAX_INTEGER_DIGITS = 20
MAX_FRACTION_DIGITS = 18

ZERO = Decimal(0)

EXACT = decimal.Context(prec=96, Emin=-999, Emax=999, traps=[decimal.InvalidOperation, decimal.DivisionByZero])
"""Holds the product of any two decimals of the contract without rounding."""

_CANONICAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]*[1-9])?", re.ASCII)


def use_exact_context() -> None:
    """Makes arithmetic on decimals exact in this thread and in all that start later; a service calls it first."""
    decimal.DefaultContext.prec = EXACT.prec
    decimal.getcontext().prec = EXACT.prec


def parse_decimal(text: str, field: str = "value") -> Decimal:
    """Returns the number that a canonical decimal string stands for.

    Args:
        text: Such as `"187.25"`: no exponent, no `+`, no needless zero.
        field: Name of the field, for the error.

    Raises:
        CodedError: INVALID_FIELD, with the rule that the text breaks.
    """
    if _CANONICAL.fullmatch(text) is None or text == "-0":
        raise _refusal(text, field)
    if len(text) > MAX_FRACTION_DIGITS:
        _check_length(text, field)
    return Decimal(text)


def parse_input(text: str, field: str = "value") -> Decimal:
    """Returns the number of a caller's string, which may also have needless zeros at its end, as in `"187.50"`.

    Raises:
        CodedError: INVALID_FIELD, with the rule that the text breaks.
    """
    if "." in text and text.endswith("0"):
        text = text.rstrip("0").removesuffix(".")
    return parse_decimal(text, field)


def parse_positive(text: str, field: str = "value") -> Decimal:
    """Returns the number, which must be greater than zero; takes what `parse_input` takes.

    Raises:
        CodedError: INVALID_FIELD, with the rule that the text breaks.
    """
    value = parse_input(text, field)
    if value <= ZERO:
        raise invalid_field(field, "must be greater than 0")
    return value


def parse_non_negative(text: str, field: str = "value") -> Decimal:
    """Returns the number, which must not be less than zero; takes what `parse_input` takes.

    Raises:
        CodedError: INVALID_FIELD, with the rule that the text breaks.
    """
    value = parse_input(text, field)
    if value < ZERO:
        raise invalid_field(field, "must not be negative")
    return value


def format_decimal(value: Decimal) -> str:
    """Returns the canonical string of a number: no exponent, no needless zero, no `-0`."""
    text = str(value)  # a third of the time of `format`, which is for the few that str() writes with an exponent
    if "E" in text:
        text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tells whether the value is a whole number of steps (ticks, lots)."""
    return not EXACT.remainder(value, step)


def to_ticks(value: Decimal, tick: Decimal, field: str = "value", *, reason: str = "PRICE_OFF_TICK") -> int:
    """Returns how many ticks (or lots) a value is.

    Raises:
        CodedError: The reason, when the value is not a whole number of ticks.
    """
    count, rest = EXACT.divmod(value, tick)
    if rest:
        raise invalid_field(field, f"must be a multiple of {format_decimal(tick)}", reason=reason)
    return int(count)


def from_ticks(ticks: int, tick: Decimal) -> Decimal:
    """Returns the value of a number of ticks (or lots)."""
    return EXACT.multiply(Decimal(ticks), tick)


def _check_length(text: str, field: str) -> None:
    integer, _, fraction = text.lstrip("-").partition(".")
    if len(integer) > MAX_INTEGER_DIGITS:
        raise invalid_field(field, f"must have at most {MAX_INTEGER_DIGITS} digits before the point")
    if len(fraction) > MAX_FRACTION_DIGITS:
        raise invalid_field(field, f"must have at most {MAX_FRACTION_DIGITS} digits after the point")


def _refusal(text: str, field: str) -> CodedError:
    return invalid_field(field, _broken_rule(text))


_RULES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.ASCII), rule)
    for pattern, rule in (
        (r"", "must be given, as a decimal such as 187.25"),
        (r"[+-]?[0-9]+\.?[0-9]*[eE][+-]?[0-9]+", "must be written without an exponent"),
        (r"(?![+-]?[0-9]*\.?[0-9]*$).*|[+-]?\.?", "must be a decimal number such as 187.25"),
        (r"\+.*", "must be written without a plus sign"),
        (r"-?\..*", "must have a digit before the point"),
        (r".*\.", "must have a digit after the point"),
        (r"-[0.]*", "must be written 0, without a minus sign"),
        (r".*\..*0", "must be written without zeros at its end"),
        (r".*", "must be written without zeros at its start"),
    )
)
"""What may be wrong with a string, in the order in which it is looked for."""


def _broken_rule(text: str) -> str:
    return next((rule for pattern, rule in _RULES if pattern.fullmatch(text)), "must be a decimal number")
