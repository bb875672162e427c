"""What there is of something, in the types of JSON, for the record of its change."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from google.protobuf.struct_pb2 import ListValue, Struct

from services.kernel.decimals import format_decimal

_EXACT: Final = 1 << 53
"""Numbers of JSON are exact below."""


def snapshot(value: Any) -> Any:
    """Returns a value in the types of JSON. What a dataclass keeps out of its `repr` is secret, and left out here."""
    if isinstance(value, Mapping):
        return {str(key): snapshot(each) for key, each in value.items()}
    if isinstance(value, AbstractSet):
        return [snapshot(each) for each in sorted(value)]
    if hasattr(value, "_asdict"):
        return snapshot(value._asdict())
    if isinstance(value, (list, tuple)):
        return [snapshot(each) for each in value]
    if is_dataclass(value) and not isinstance(value, type):
        return _of_dataclass(value)
    return _of_one(value)


def _of_one(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, Decimal):
        return format_decimal(value)
    if isinstance(value, datetime):
        return value.isoformat()
    exact = isinstance(value, (bool, float, NoneType)) or (isinstance(value, int) and -_EXACT < value < _EXACT)
    return value if exact else str(value)


def _of_dataclass(value: Any) -> Any:
    # A class with a form of its own, as the name of an instrument, is told by it.
    if "__str__" in vars(type(value)):
        return str(value)
    return {each.name: snapshot(getattr(value, each.name)) for each in fields(value) if each.repr}


def fill(struct: Struct, value: Any) -> None:
    """Fills a message with what there is of something, which may be nothing."""
    struct.SetInParent()
    _fill(struct, snapshot(value))


def _fill(struct: Struct, values: Mapping[str, Any]) -> None:
    for key, value in values.items():
        _set(struct.fields[key], value)


def _set(field: Any, value: Any) -> None:
    if value is None:
        field.null_value = 0
    elif isinstance(value, bool):
        field.bool_value = value
    elif isinstance(value, str):
        field.string_value = value
    elif isinstance(value, (int, float)):
        field.number_value = value
    elif isinstance(value, Mapping):
        field.struct_value.SetInParent()
        _fill(field.struct_value, value)
    else:
        field.list_value.CopyFrom(ListValue())
        for each in value:
            _set(field.list_value.values.add(), each)
