"""The constraints of `buf.validate`, as JSON Schema keywords."""

from __future__ import annotations

from typing import Any

from proto.build.model import Field, Kind

_NUMBERS = {
    Kind.INT32: "int32",
    Kind.UINT32: "uint32",
    Kind.INT64: "int64",
    Kind.UINT64: "uint64",
    Kind.FLOAT: "float",
    Kind.DOUBLE: "double",
}
# Rules of strings that are formats of their own.
_FORMATS = {"uuid": "uuid", "email": "email", "hostname": "hostname", "uri": "uri", "ipv4": "ipv4", "ipv6": "ipv6"}
_COMPARISONS = {"gte": "minimum", "gt": "exclusiveMinimum", "lte": "maximum", "lt": "exclusiveMaximum"}


def value_keywords(kind: Kind, rules: Any) -> dict[str, Any]:
    """Keywords for one value (an element, when the field is repeated)."""
    keywords = {} if rules is None else _of_value(kind, rules)
    if keywords and _ignored_when_zero(rules):
        # Left out and empty are the same, and answers say all of their fields.
        return {"anyOf": [{"const": "" if kind is Kind.STRING else 0}, keywords]}
    return keywords


def _of_value(kind: Kind, rules: Any) -> dict[str, Any]:
    if kind is Kind.STRING and rules.HasField("string"):
        return _string(rules.string)
    if kind in _NUMBERS and rules.HasField(_NUMBERS[kind]):
        return _number(kind, getattr(rules, _NUMBERS[kind]))
    return {}


def _ignored_when_zero(rules: Any) -> bool:
    names = rules.DESCRIPTOR.fields_by_name["ignore"].enum_type.values_by_number
    return bool(names[rules.ignore].name == "IGNORE_IF_ZERO_VALUE")


def list_keywords(field: Field) -> dict[str, Any]:
    """Keywords for a repeated field as a whole."""
    if field.rules is None or not field.rules.HasField("repeated"):
        return {}
    rules = field.rules.repeated
    keywords: dict[str, Any] = {}
    if rules.HasField("min_items"):
        keywords["minItems"] = rules.min_items
    if rules.HasField("max_items"):
        keywords["maxItems"] = rules.max_items
    if rules.unique:
        keywords["uniqueItems"] = True
    return keywords


def element_rules(field: Field) -> Any:
    """The rules that an element of a repeated field, or the field itself, must keep; None without any."""
    if not field.repeated or field.rules is None:
        return field.rules
    return field.rules.repeated.items if field.rules.repeated.HasField("items") else None


def refuses_zero(rules: Any) -> bool:
    """Whether an enum's zero value is no answer."""
    return rules is not None and (bool(rules.required) or 0 in rules.enum.not_in)


def bounds_in_words(rules: Any) -> str:
    """The bounds of a duration, which JSON Schema cannot compare; empty without any."""
    if rules is None or not rules.HasField("duration"):
        return ""
    words = {"gte": "at least", "gt": "more than", "lte": "at most", "lt": "less than"}
    told = [
        f"{word} {getattr(rules.duration, name).seconds}s"
        for name, word in words.items()
        if rules.duration.HasField(name)
    ]
    return ", ".join(told)


def _string(rules: Any) -> dict[str, Any]:
    keywords: dict[str, Any] = {}
    if rules.HasField("pattern"):
        keywords["pattern"] = rules.pattern
    if rules.HasField("min_len"):
        keywords["minLength"] = rules.min_len
    if rules.HasField("max_len"):
        keywords["maxLength"] = rules.max_len
    if rules.HasField("const"):
        keywords["const"] = rules.const
    if getattr(rules, "in"):
        keywords["enum"] = list(getattr(rules, "in"))
    well_known = rules.WhichOneof("well_known")
    if well_known in _FORMATS:
        keywords["format"] = _FORMATS[well_known]
    return keywords


def _number(kind: Kind, rules: Any) -> dict[str, Any]:
    keywords = {keyword: getattr(rules, name) for name, keyword in _COMPARISONS.items() if rules.HasField(name)}
    # Wide integers are strings in JSON, which have no bounds to compare.
    return {} if kind in (Kind.INT64, Kind.UINT64) else keywords
