"""JSON Schemas of messages and enums, as protobuf's JSON form writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from proto.build.model import Contract, EnumType, Field, Kind, Message
from proto.build.openapi.constraints import bounds_in_words, element_rules, list_keywords, refuses_zero, value_keywords

_SCALARS: dict[Kind, dict[str, Any]] = {
    Kind.STRING: {"type": "string"},
    Kind.BYTES: {"type": "string", "format": "byte"},
    Kind.BOOL: {"type": "boolean"},
    Kind.INT32: {"type": "integer", "format": "int32"},
    Kind.UINT32: {"type": "integer", "format": "uint32", "minimum": 0},
    Kind.INT64: {"type": "string", "format": "int64"},
    Kind.UINT64: {"type": "string", "format": "uint64"},
    Kind.FLOAT: {"type": "number", "format": "float"},
    Kind.DOUBLE: {"type": "number", "format": "double"},
}
# Messages with a JSON form of their own.
_WELL_KNOWN: dict[str, dict[str, Any]] = {
    "google.protobuf.Timestamp": {"type": "string", "format": "date-time"},
    "google.protobuf.Duration": {"type": "string", "pattern": r"^-?[0-9]+(\.[0-9]{1,9})?s$"},
    "google.protobuf.FieldMask": {"type": "string"},
    "google.protobuf.Empty": {"type": "object", "additionalProperties": False},
    "google.protobuf.Struct": {"type": "object"},
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": {"type": "array"},
    "google.protobuf.Any": {
        "type": "object",
        "properties": {"@type": {"type": "string"}},
        "required": ["@type"],
    },
    "google.protobuf.DoubleValue": {"type": "number", "format": "double"},
    "google.protobuf.FloatValue": {"type": "number", "format": "float"},
    "google.protobuf.Int64Value": {"type": "string", "format": "int64"},
    "google.protobuf.UInt64Value": {"type": "string", "format": "uint64"},
    "google.protobuf.Int32Value": {"type": "integer", "format": "int32"},
    "google.protobuf.UInt32Value": {"type": "integer", "format": "uint32"},
    "google.protobuf.BoolValue": {"type": "boolean"},
    "google.protobuf.StringValue": {"type": "string"},
    "google.protobuf.BytesValue": {"type": "string", "format": "byte"},
}


class Schemas:
    """The schemas that a document refers to; asking for a type adds it and all that it holds."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._made: dict[str, dict[str, Any]] = {}

    def all(self) -> dict[str, dict[str, Any]]:
        """Every schema asked for, by name, in a stable order."""
        return dict(sorted(self._made.items()))

    def message(self, name: str) -> dict[str, Any]:
        """A message where it is used: a reference, or its own form."""
        if name in _WELL_KNOWN:
            return dict(_WELL_KNOWN[name])
        return self._reference(name)

    def without(self, name: str, left_out: frozenset[str]) -> dict[str, Any]:
        """A request's body, of which the path has taken some fields."""
        return self._message_schema(self._contract.messages[name], left_out) if left_out else self.message(name)

    def field(self, field: Field) -> dict[str, Any]:
        """A field with its comment and constraints."""
        rules = element_rules(field)
        value = {**self._value(field), **value_keywords(field.kind, rules)}
        if field.kind is Kind.ENUM and refuses_zero(rules):
            value["not"] = {"const": self._contract.enums[field.type_name].values[0].name}
        if field.map_key is not None:
            value = {"type": "object", "additionalProperties": value}
        elif field.repeated:
            value = {"type": "array", "items": value, **list_keywords(field)}
        told = [field.comment, f"Bounds: {bounds}." if (bounds := bounds_in_words(rules)) else ""]
        return {**value, "description": " ".join(part for part in told if part)}

    def _value(self, field: Field) -> dict[str, Any]:
        if field.kind is Kind.MESSAGE:
            return self.message(field.type_name)
        if field.kind is Kind.ENUM:
            return self._reference(field.type_name)
        return dict(_SCALARS[field.kind])

    def _reference(self, name: str) -> dict[str, Any]:
        short = short_name(name)
        if short not in self._made:
            # Noted before it is made, since messages may hold themselves.
            self._made[short] = {}
            enum = self._contract.enums.get(name)
            made = _enum_schema(enum) if enum else self._message_schema(self._contract.messages[name], frozenset())
            self._made[short].update(made)
        return {"$ref": f"#/components/schemas/{short}"}

    def _message_schema(self, message: Message, left_out: frozenset[str]) -> dict[str, Any]:
        fields = [field for field in message.fields if field.name not in left_out]
        schema: dict[str, Any] = {
            "type": "object",
            "description": message.comment,
            "properties": {field.name: self.field(field) for field in fields},
        }
        required = [field.name for field in fields if field.required]
        if required:
            schema["required"] = required
        choices = [_one_of(message, name) for name in message.required_oneofs]
        if choices:
            schema["allOf"] = choices
        return schema


def short_name(name: str) -> str:
    """`ordermesh.order.v1.Order` as `order.Order`; other packages keep their names."""
    parts = name.split(".")
    if parts[0] == "ordermesh" and parts[2] == "v1":
        return ".".join([parts[1], *parts[3:]])
    return name


def _one_of(message: Message, oneof: str) -> dict[str, Any]:
    return {"oneOf": [{"required": [field.name]} for field in message.fields if field.oneof == oneof]}


def _enum_schema(enum: EnumType) -> dict[str, Any]:
    return {
        "type": "string",
        "description": "\n".join(_enum_lines(enum)),
        "enum": [value.name for value in enum.values],
    }


def _enum_lines(enum: EnumType) -> Iterator[str]:
    yield enum.comment
    yield ""
    for value in enum.values:
        yield f"- `{value.name}`: {value.comment}"
