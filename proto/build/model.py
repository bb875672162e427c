"""The contracts as typed values: what the generators and the checks read instead of raw descriptors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any


class Kind(Enum):
    """What a field holds. Integers are told apart because JSON writes the wide ones as strings."""

    STRING = auto()
    BYTES = auto()
    BOOL = auto()
    INT32 = auto()
    UINT32 = auto()
    INT64 = auto()
    UINT64 = auto()
    FLOAT = auto()
    DOUBLE = auto()
    ENUM = auto()
    MESSAGE = auto()


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message. `type_name` is set for enums and messages; `map_key` for maps, whose value is the rest."""

    name: str
    json_name: str
    kind: Kind
    type_name: str
    repeated: bool
    map_key: Kind | None
    oneof: str
    comment: str
    # buf.validate.FieldRules, a message of a class made at run time; None without constraints.
    rules: Any

    @property
    def required(self) -> bool:
        """Whether the contract refuses a message without it."""
        return self.rules is not None and bool(self.rules.required)


@dataclass(frozen=True, slots=True)
class Message:
    """A message; `required_oneofs` names the oneofs of which one member must be set."""

    name: str
    comment: str
    fields: tuple[Field, ...]
    required_oneofs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EnumValue:
    """One value of an enum."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True, slots=True)
class EnumType:
    """An enum."""

    name: str
    comment: str
    values: tuple[EnumValue, ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """One way to call an RPC by HTTP; `body` and `response_body` as in `google.api.http`: `*`, a field, or empty."""

    verb: str
    path: str
    body: str
    response_body: str


@dataclass(frozen=True, slots=True)
class Grant:
    """Who has an access: everybody (`public`), or those with any of `roles`, by a token for `scope` (empty: any)."""

    access: str
    comment: str
    public: bool
    roles: tuple[str, ...]
    scope: str


@dataclass(frozen=True, slots=True)
class Method:
    """An RPC. Types are full names without a leading dot; `access` is a value of `Access`, empty for nobody outside."""

    service: str
    name: str
    comment: str
    input: str
    output: str
    client_streaming: bool
    server_streaming: bool
    bindings: tuple[Binding, ...]
    access: str
    peers: tuple[str, ...]

    @property
    def grpc_path(self) -> str:
        """The HTTP/2 path of the RPC."""
        return f"/{self.service}/{self.name}"


@dataclass(frozen=True, slots=True)
class Service:
    """A service. It is public when any of its RPCs can be called by HTTP; the gateway hides the others."""

    name: str
    comment: str
    methods: tuple[Method, ...]

    @property
    def public(self) -> bool:
        """Whether the gateway lets callers reach it."""
        return any(method.bindings for method in self.methods)


@dataclass(frozen=True, slots=True)
class Contract:
    """All contracts: everything by full name, and `files` of what is ours."""

    services: tuple[Service, ...]
    messages: Mapping[str, Message]
    enums: Mapping[str, EnumType]
    own: frozenset[str]
    grants: tuple[Grant, ...]

    def is_free(self, method: Method) -> bool:
        """Whether an RPC is called without a token."""
        return any(grant.public and grant.access == method.access for grant in self.grants)

    def public_services(self) -> Iterator[Service]:
        """The services that callers outside reach."""
        return (service for service in self.services if service.public)

    def public_methods(self) -> Iterator[Method]:
        """The RPCs that callers outside reach by HTTP."""
        return (method for service in self.services for method in service.methods if method.bindings)
