"""What a broken constraint is called, for people: patterns in words rather than as regular expressions."""

from __future__ import annotations

from typing import Final

from protovalidate import Violation

_UP_TO_12_AND_18: Final = "at most 12 digits before the point and 18 after it"
_UP_TO_18_AND_12: Final = "at most 18 digits before the point and 12 after it"

WORDS_OF_PATTERN: Final[dict[str, str]] = {
    r"^(?:[1-9][0-9]{0,17}(?:\.[0-9]{1,12})?|0\.[0-9]{0,11}[1-9][0-9]{0,11})$": (
        f"must be a positive decimal such as 187.25, {_UP_TO_18_AND_12}"
    ),
    r"^(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,12})?)?$": (
        f"must be a decimal such as 187.25 and not negative, {_UP_TO_18_AND_12}"
    ),
    r"^(?:(?:0|[1-9][0-9]{0,5})(?:\.[0-9]{1,6})?)?$": (
        "must be per cent as a decimal such as 2.5 and not negative, at most 6 digits before the point and 6 after it"
    ),
    r"^(?:[1-9][0-9]{0,11}(?:\.[0-9]{1,18})?|0\.[0-9]{0,17}[1-9][0-9]{0,17})$": (
        f"must be a positive decimal such as 0.0000025, {_UP_TO_12_AND_18}"
    ),
    r"^(?:0|[1-9][0-9]{0,11}(?:\.[0-9]{1,18})?|0\.[0-9]{0,17}[1-9][0-9]{0,17})$": (
        f"must be 0 or a positive decimal such as 0.0000025, {_UP_TO_12_AND_18}"
    ),
    r"^(?:1|0\.[0-9]{0,5}[1-9])$": "must be a part such as 0.1: above 0, up to 1, at most 6 digits after the point",
    r"^0\.(?:5|[0-4][0-9]{0,4}[1-9]|[1-4])$": (
        "must be a part such as 0.1: above 0, up to 0.5, at most 6 digits after the point"
    ),
    r"^[A-Z0-9][A-Z0-9_-]{0,31}\.[A-Z0-9]{2,12}$": (
        "must be an instrument's name, SYMBOL.VENUE in capital letters, such as AAPL.XNAS"
    ),
    r"^[A-Z0-9][A-Z0-9_-]{0,31}$": (
        "must be the symbol of an instrument: up to 32 capital letters, digits, - and _, such as AAPL"
    ),
    r"^[A-Z0-9]{2,12}$": "must be a venue: 2 to 12 capital letters and digits, such as XNAS",
    r"^[A-Z][A-Z0-9]{2,9}$": "must be a currency's code: 3 to 10 capital letters and digits, such as USD",
    r"^[!-~]{1,64}$": "must be 1 to 64 visible ASCII characters without spaces",
    r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$": ("must be 1 to 64 letters, digits, - and _, and begin with a letter or digit"),
    r"^[a-z0-9][a-z0-9_-]{0,62}$": (
        "must be 1 to 63 lower-case letters, digits, - and _, and begin with a letter or digit"
    ),
    r"^[a-z][a-z0-9_-]{0,31}$": "must be 1 to 32 lower-case letters, digits, - and _, and begin with a letter",
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$": "must be a day such as 2026-06-30",
    r"^[a-z][a-z0-9_]{0,31}$": "must be 1 to 32 lower-case letters, digits and _, and begin with a letter",
    r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$": "must not hold control characters, but for tabs and line ends",
    r"^[A-Za-z0-9][A-Za-z0-9_.@+-]{1,63}$": (
        "must be 2 to 64 letters, digits, _, ., @, + and -, and begin with a letter or digit"
    ),
    r"^[!-~]{1,256}$": "must be 1 to 256 visible ASCII characters without spaces",
    r"^[0-9]{6}$": "must be six digits",
    r"^[A-Za-z0-9-]{6,32}$": "must be six digits, or a recovery code",
    r"^[0-9A-Fa-f.:]{2,45}(?:/[0-9]{1,3})?$": "must be an address or a network such as 192.0.2.0/24",
    r"^([0-9a-f]{64})?$": "must be 64 hexadecimal digits in lower case",
    r"^[^\x00-\x1f\x7f]{1,100}$": "must be 1 to 100 characters, none of them a control character",
}
"""Every pattern of the contracts in words; a test makes sure that none is missing."""

_WORDS_OF_RULE: Final = {
    "enum.defined_only": "must be one of the values that the contract names",
    "enum.not_in": "must be one of the values that the contract names",
    "repeated.unique": "must not hold the same entry twice",
    "string.uuid": "must be a UUID",
}


def in_words(violation: Violation) -> str:
    """Returns the rule that a value breaks, in words."""
    rule = violation.proto.rule_id
    if rule == "string.pattern" and (words := WORDS_OF_PATTERN.get(str(violation.rule_value))) is not None:
        return words
    return _WORDS_OF_RULE.get(rule) or violation.proto.message or rule or "breaks a constraint"
