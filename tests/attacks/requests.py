"""Requests made from the contracts: what they allow, what they nearly allow, and what is no message at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, Final

from buf.validate import validate_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Likely = Mapping[str, Sequence[str]]
"""Values of fields, by the field's name, that lead to something that is there."""

NOBODY: Final = "01890000-0000-7000-8000-000000000000"
TEXTS: Final = (
    *("", "x", "AAPL.XNAS", "NOPE.XNAS", "demo", "nobody", "simulation", "XNAS", "USD", "0", "-1", "0.01", "1e5"),
    *(
        "NaN",
        "\u0661\u0660",
        "1,5",
        " 10",
        "10\n",
        "99999999999999999999",
        NOBODY,
        "\0",
        "a\0b",
        "é" * 50,
        "\u202etxt",
        "\U0001f4a3",
    ),
    *("' or 1=1 --", "../../etc/passwd", "%00%2f..%2f", "${jndi:ldap://x}", "{{7*7}}", "<script>", "x" * 5_000),
)
_DECIMALS: Final = ("10", "1", "100", "99.99", "0.01", "0.000000000001", "999999999999999999.999999999999", "250000")
_NUMBERS: Final[Mapping[int, tuple[Any, ...]]] = {
    FieldDescriptor.TYPE_INT32: (0, 1, -1, 2**31 - 1, -(2**31)),
    FieldDescriptor.TYPE_INT64: (0, 1, -1, 2**63 - 1, -(2**63)),
    FieldDescriptor.TYPE_UINT32: (0, 1, 2, 100, 1000, 1001, 2**32 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 1, 2, 2**63, 2**64 - 1),
    FieldDescriptor.TYPE_DOUBLE: (0.0, -0.0, 0.5, 1e308, float("inf"), float("nan")),
    FieldDescriptor.TYPE_ENUM: (0, 1, 2, 3, 99, -1),
    FieldDescriptor.TYPE_BOOL: (False, True),
    FieldDescriptor.TYPE_BYTES: (b"", b"\0", b"\xff" * 40),
}
_FIRST, _LAST = -62_135_596_800, 253_402_300_799
_GOOD_TIMES: Final = ((1, 0), (5, 0), (60, 0), (1_800_000_000, 0))
_TIMES: Final = (
    *((0, 0), *_GOOD_TIMES, (-1, 0), (4_000_000_000, 1), (_FIRST, 0)),
    *((_LAST, 999_999_999), (_LAST + 1, 0), (2**62, 0), (1, -1), (1, 2**31 - 1)),
)
"""Seconds and nanoseconds of times and durations, the first and last that a calendar has, and what lies beyond."""
_DEEPEST: Final = 5
_HOW_MANY: Final = st.sampled_from((0, 0, 0, 1, 2))
_ONE_OR_TWO: Final = st.integers(1, 2)
_OF_FIVE: Final = st.integers(1, 5)


def requests(make: Any, likely: Likely, *wild: int) -> SearchStrategy[Message]:
    """Returns requests of a type: some as the contract wants them, some with more or less that it does not.

    Args:
        make: The type.
        likely: Values that lead to something.
        wild: How many of five values are any that the wire can carry; one of several.
    """
    return _messages(make, likely, wild or (0, 0, 1, 3))


def spoilt(data: bytes) -> SearchStrategy[bytes]:
    """Returns the bytes of a message with some of them cut off or changed, or others altogether."""
    if not data:
        return st.binary(max_size=40)
    cut = st.integers(0, len(data)).map(lambda end: data[:end])
    changed = st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)).map(
        lambda at: data[: at[0]] + bytes([at[1]]) + data[at[0] + 1 :]
    )
    return st.one_of(cut, changed, st.binary(max_size=40))


@st.composite
def _messages(draw: DrawFn, make: Any, likely: Likely, wild: tuple[int, ...]) -> Message:
    message: Message = make()
    _fill(draw, message, likely, draw(_any_of(wild)), 0)
    return message


def _fill(draw: DrawFn, message: Message, likely: Likely, wild: int, depth: int) -> None:
    """Fills what the contract wants, and some of the rest; `wild` of five values are any that the wire can carry."""
    fields: tuple[Any, ...] = tuple(message.DESCRIPTOR.fields)
    if not fields or depth > _DEEPEST:
        return
    more = {draw(_any_of(fields)).name for _ in range(draw(_HOW_MANY))}
    wanted = {draw(_any_of(tuple(oneof.fields))).name for oneof in message.DESCRIPTOR.oneofs}
    for field in fields:
        alone = field.containing_oneof is None
        if field.name in more or field.name in wanted or (alone and (_required(field) or field.name in likely)):
            _set(draw, message, field, likely, wild, depth)


def _set(draw: DrawFn, message: Message, field: Any, likely: Likely, wild: int, depth: int) -> None:
    inner = getattr(message, field.name)
    if field.message_type is None:
        values = [_value(draw, field, likely, wild) for _ in range(draw(_ONE_OR_TWO) if field.is_repeated else 1)]
        if field.is_repeated:
            inner.extend(values)
        else:
            setattr(message, field.name, values[0])
    elif field.message_type.GetOptions().map_entry:
        texts = _any_of(TEXTS)
        inner.update({draw(texts): draw(texts) for _ in range(draw(st.integers(0, 2)))})
    elif field.is_repeated:
        for _ in range(draw(_ONE_OR_TWO)):
            _fill(draw, inner.add(), likely, wild, depth + 1)
    elif "seconds" in field.message_type.fields_by_name:
        inner.seconds, inner.nanos = draw(_any_of(_TIMES if wild else _GOOD_TIMES))
    else:
        inner.SetInParent()
        _fill(draw, inner, likely, wild, depth + 1)


def _value(draw: DrawFn, field: Any, likely: Likely, wild: int) -> Any:
    if wild and draw(_OF_FIVE) <= wild:
        return draw(_any_of(TEXTS) if field.type == FieldDescriptor.TYPE_STRING else _numbers(field.type))
    if field.enum_type is not None:
        return draw(_any_of(tuple(value.number for value in field.enum_type.values if value.number)))
    if field.type != FieldDescriptor.TYPE_STRING:
        return draw(_numbers(field.type, 2))
    if found := likely.get(field.name.removesuffix("s"), likely.get(field.name, ())):
        return draw(_any_of(tuple(found)))
    rules = _rules(field).string
    return draw(_texts(rules.pattern, rules.min_len, uuid=rules.uuid))


@cache
def _texts(pattern: str, least: int, *, uuid: bool) -> SearchStrategy[str]:
    """Returns texts that a contract allows."""
    if uuid:
        return st.sampled_from((NOBODY, "01890000-0000-7000-8000-00000000000a"))
    if pattern.startswith(("^(?:[1-9]", "^(?:(?:0|[1-9]")):
        return st.sampled_from(_DECIMALS)
    return st.from_regex(pattern, fullmatch=True) if pattern else st.text(min_size=least, max_size=least + 20)


@cache
def _numbers(type_: int, most: int | None = None) -> SearchStrategy[Any]:
    # Not by the values: 0 and False are the same key.
    return st.sampled_from(_NUMBERS[type_][:most])


@cache
def _any_of(values: tuple[Any, ...]) -> SearchStrategy[Any]:
    return st.sampled_from(values)


def _rules(field: Any) -> Any:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return rules.repeated.items if field.is_repeated else rules


def _required(field: Any) -> bool:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    return bool(rules.required or rules.repeated.min_items)
