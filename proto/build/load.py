"""Reads an image into the model.

The image is parsed with classes of a private pool that knows its own options (`google.api.http`, `buf.validate`, ours),
so that generation needs nothing that is itself generated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from proto.build.comments import SourcePath, leading_comments
from proto.build.image import Image
from proto.build.model import Binding, Contract, EnumType, EnumValue, Field, Grant, Kind, Message, Method, Service

# FieldDescriptorProto.Type by number.
_KINDS: Final = {
    1: Kind.DOUBLE,
    2: Kind.FLOAT,
    3: Kind.INT64,
    4: Kind.UINT64,
    5: Kind.INT32,
    6: Kind.UINT64,
    7: Kind.UINT32,
    8: Kind.BOOL,
    9: Kind.STRING,
    11: Kind.MESSAGE,
    12: Kind.BYTES,
    13: Kind.UINT32,
    14: Kind.ENUM,
    15: Kind.INT32,
    16: Kind.INT64,
    17: Kind.INT32,
    18: Kind.INT64,
}
_REPEATED: Final = 3
# Field numbers within descriptors, of which source paths are made.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE = 2
_SERVICE_METHOD = 2

_ACCESS: Final = "ordermesh.type.v1.Access"


def load_contract(image: Image) -> Contract:
    """Reads all services, messages and enums of an image, imports included."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(image.data).file:
        pool.AddSerializedFile(file.SerializeToString())
    parser = GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet"))
    reader = _Reader(pool)
    # The generated class is made at run time; its fields are those of descriptor.proto.
    descriptors: Any = parser.FromString(image.data)
    own = set(image.files)
    for file in descriptors.file:
        reader.read_file(file, own=file.name in own)
    return Contract(tuple(reader.services), reader.messages, reader.enums, frozenset(reader.own), tuple(reader.grants))


class _Reader:
    """Collects the elements of one file after another."""

    def __init__(self, pool: DescriptorPool) -> None:
        self.services: list[Service] = []
        self.messages: dict[str, Message] = {}
        self.enums: dict[str, EnumType] = {}
        self.own: set[str] = set()
        self.grants: list[Grant] = []
        self._http = pool.FindExtensionByName("google.api.http")
        self._field_rules = pool.FindExtensionByName("buf.validate.field")
        self._oneof_rules = pool.FindExtensionByName("buf.validate.oneof")
        self._grant, self._access, self._peers = (
            pool.FindExtensionByName(f"ordermesh.type.v1.{name}") for name in ("grant", "access", "peers")
        )
        self._access_names = {v.number: v.name for v in pool.FindEnumTypeByName(_ACCESS).values}
        self._comments: dict[SourcePath, str] = {}

    def read_file(self, file: Any, *, own: bool) -> None:
        self._comments = dict(leading_comments(file))
        before = set(self.messages) | set(self.enums)
        for index, message in enumerate(file.message_type):
            self._read_message(message, file.package, (_FILE_MESSAGE, index))
        for index, enum in enumerate(file.enum_type):
            self._read_enum(enum, file.package, (_FILE_ENUM, index))
        if own:
            self.own |= (set(self.messages) | set(self.enums)) - before
            for index, service in enumerate(file.service):
                self.services.append(self._read_service(service, file.package, (_FILE_SERVICE, index)))

    def _comment(self, path: SourcePath) -> str:
        return self._comments.get(path, "")

    def _read_message(self, message: Any, scope: str, path: SourcePath) -> None:
        name = f"{scope}.{message.name}"
        maps = {f".{name}.{nested.name}": nested for nested in message.nested_type if nested.options.map_entry}
        fields = tuple(
            self._read_field(field, message, maps, (*path, _MESSAGE_FIELD, index))
            for index, field in enumerate(message.field)
        )
        self.messages[name] = Message(name, self._comment(path), fields, tuple(self._required_oneofs(message)))
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                self._read_message(nested, name, (*path, _MESSAGE_NESTED, index))
        for index, enum in enumerate(message.enum_type):
            self._read_enum(enum, name, (*path, _MESSAGE_ENUM, index))

    def _read_field(self, field: Any, message: Any, maps: dict[str, Any], path: SourcePath) -> Field:
        entry = maps.get(field.type_name)
        value = entry.field[1] if entry is not None else field
        options = field.options
        # A proto3 optional field sits in a oneof of its own, which is no choice.
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        return Field(
            name=field.name,
            json_name=field.json_name,
            kind=_KINDS[value.type],
            type_name=value.type_name.removeprefix("."),
            repeated=field.label == _REPEATED and entry is None,
            map_key=_KINDS[entry.field[0].type] if entry is not None else None,
            oneof=message.oneof_decl[field.oneof_index].name if in_oneof else "",
            comment=self._comment(path),
            rules=options.Extensions[self._field_rules] if options.HasExtension(self._field_rules) else None,
        )

    def _required_oneofs(self, message: Any) -> Iterator[str]:
        for oneof in message.oneof_decl:
            if oneof.options.Extensions[self._oneof_rules].required:
                yield oneof.name

    def _read_enum(self, enum: Any, scope: str, path: SourcePath) -> None:
        name = f"{scope}.{enum.name}"
        values = tuple(
            EnumValue(value.name, value.number, self._comment((*path, _ENUM_VALUE, index)))
            for index, value in enumerate(enum.value)
        )
        self.enums[name] = EnumType(name, self._comment(path), values)
        if name == _ACCESS:
            self.grants += (self._read_grant(value, values[index].comment) for index, value in enumerate(enum.value))

    def _read_grant(self, value: Any, comment: str) -> Grant:
        grant = value.options.Extensions[self._grant]
        role, scope = (grant.DESCRIPTOR.fields_by_name[name].enum_type for name in ("roles", "scope"))
        return Grant(
            access=value.name,
            comment=comment,
            public=grant.public,
            roles=tuple(role.values_by_number[number].name for number in grant.roles),
            scope=scope.values_by_number[grant.scope].name if grant.scope else "",
        )

    def _read_service(self, service: Any, package: str, path: SourcePath) -> Service:
        name = f"{package}.{service.name}"
        methods = tuple(
            Method(
                service=name,
                name=method.name,
                comment=self._comment((*path, _SERVICE_METHOD, index)),
                input=method.input_type.removeprefix("."),
                output=method.output_type.removeprefix("."),
                client_streaming=method.client_streaming,
                server_streaming=method.server_streaming,
                bindings=tuple(self._bindings(method)),
                access=self._access_of(method),
                peers=tuple(method.options.Extensions[self._peers]),
            )
            for index, method in enumerate(service.method)
        )
        return Service(name, self._comment(path), methods)

    def _access_of(self, method: Any) -> str:
        number = method.options.Extensions[self._access]
        return self._access_names[number] if number else ""

    def _bindings(self, method: Any) -> Iterator[Binding]:
        if not method.options.HasExtension(self._http):
            return
        rule = method.options.Extensions[self._http]
        for each in (rule, *rule.additional_bindings):
            pattern = each.WhichOneof("pattern")
            if pattern == "custom":
                yield Binding(each.custom.kind, each.custom.path, each.body, each.response_body)
            elif pattern is not None:
                yield Binding(pattern.upper(), getattr(each, pattern), each.body, each.response_body)
