"""Requests that break the contract, made from the contract itself, and the three ways to send them."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final
from urllib.parse import quote

import grpc
import httpx
from google.api import annotations_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.rpc import status_pb2
from protovalidate import Validator

from services.kernel.errors import CodedError
from services.mesh.interceptors.constraints import has_constraints, refusal
from services.mesh.status import DETAILS_KEY, from_status
from tests.e2e.test_e2e_any_input import fill
from tests.fixtures.contracts import public_methods

ANSWER_SECONDS: Final = 20.0
_LIKELY_IN_A_PATH: Final = ("nobody", "NOPE.XNAS", "01890000-0000-7000-8000-000000000000", "a b", "é")
_PATH_FIELD: Final = re.compile(r"{(\w+)}")
_TRAILERS: Final = 0x80
_collect = Validator().collect_violations


@dataclass(frozen=True, slots=True)
class Malformed:
    """A request that the contract does not allow.

    Attributes:
        fields: What breaks it, as a refusal has to name it; one empty name when the bytes are no message.
        message: The request; None when the bytes are no message.
    """

    method: MethodDescriptor
    data: bytes
    fields: Sequence[str]
    message: Message | None = None

    @property
    def path(self) -> str:
        """The method's path on the wire."""
        return f"/{self.method.containing_service.full_name}/{self.method.name}"


def breakable_methods() -> list[MethodDescriptor]:
    """Returns the methods that clients may call with one request, and whose request can break the contract."""
    return [each for each in public_methods() if not each.client_streaming and has_constraints(each.input_type)]


def malformed(methods: Sequence[MethodDescriptor], choose: Random, *, as_bytes: bool) -> Malformed:
    """Returns a request that breaks the contract: a field of it, or, if that can be sent, its bytes."""
    while True:
        method = choose.choice(methods)
        message = message_factory.GetMessageClass(method.input_type)()
        fill(message, choose, choose.choice((0.1, 0.3, 0.6, 0.9)))
        _fill_path(method, message, choose)
        data = message.SerializeToString()
        if as_bytes and choose.random() < 0.3:
            data = _spoilt(data, choose)
        try:
            message = type(message).FromString(data)
        except DecodeError:
            return Malformed(method, data, [""])
        if violations := _collect(message):
            error = refusal(violations)
            assert isinstance(error, CodedError)
            return Malformed(method, data, named(error), message)


def named(error: CodedError) -> Sequence[str]:
    """Returns the fields that a refusal names; in an order of theirs, since the entries of a map have none."""
    return sorted(violation.field for violation in error.violations)


def _spoilt(data: bytes, choose: Random) -> bytes:
    """Cuts bytes off, or changes some."""
    if not data:
        return bytes(choose.randrange(256) for _ in range(choose.randrange(1, 9)))
    changed = bytearray(data[: choose.randrange(1, len(data) + 1)])
    for _ in range(choose.randrange(3)):
        changed[choose.randrange(len(changed))] = choose.randrange(256)
    return bytes(changed)


def _fill_path(method: MethodDescriptor, message: Message, choose: Random) -> None:
    """Fills what stands in the path of REST, which would lead elsewhere when it is empty."""
    for name in _PATH_FIELD.findall(_rule(method)[1]):
        if not getattr(message, name):
            setattr(message, name, choose.choice(_LIKELY_IN_A_PATH))


def _rule(method: MethodDescriptor) -> tuple[str, str, str]:
    """Returns HTTP method, path and body of a method."""
    rule = method.GetOptions().Extensions[annotations_pb2.http]
    verb = rule.WhichOneof("pattern")
    return verb.upper(), getattr(rule, verb), rule.body


async def by_grpc(channel: Any, request: Malformed) -> CodedError:
    """Sends a request over gRPC, and returns what it was refused with."""
    try:
        if request.method.server_streaming:
            await channel.unary_stream(request.path)(request.data, timeout=ANSWER_SECONDS).read()
        else:
            await channel.unary_unary(request.path)(request.data, timeout=ANSWER_SECONDS)
    except grpc.aio.AioRpcError as error:
        return _told(error.code().value[0], dict(error.trailing_metadata() or ()).get(DETAILS_KEY, b""))
    raise AssertionError("it was taken")


async def by_grpc_web(http: httpx.AsyncClient, request: Malformed) -> CodedError:
    """Sends a request as a browser does, and returns what it was refused with."""
    frame = struct.pack(">BI", 0, len(request.data)) + request.data
    answer = await http.post(request.path, content=frame, headers={"content-type": "application/grpc-web+proto"})
    assert answer.status_code == 200, answer.text
    trailers = dict(answer.headers)
    body = answer.content
    while body:
        flag, length = struct.unpack(">BI", body[:5])
        assert flag == _TRAILERS, "it was taken"
        lines = body[5 : 5 + length].decode().splitlines()
        trailers |= {name: value for name, _, value in (line.partition(":") for line in lines)}
        body = body[5 + length :]
    packed = trailers.get(DETAILS_KEY, "")
    return _told(int(trailers["grpc-status"]), base64.b64decode(packed + "=" * (-len(packed) % 4)))


async def by_rest(http: httpx.AsyncClient, request: Malformed) -> CodedError | None:
    """Sends a request as JSON, and returns what it was refused with; None when it has no such form."""
    assert request.message is not None
    try:
        values = json_format.MessageToDict(request.message, preserving_proto_field_name=True)
    except (ValueError, json_format.SerializeToJsonError):
        return None  # a time beyond the calendar
    verb, path, body = _rule(request.method)
    if body not in ("", "*", *values):
        return None  # a body that is left out and one that is empty are the same
    if any("\0" in str(values[name]) for name in _PATH_FIELD.findall(path)):
        return None  # Envoy refuses such a path before it knows what the path means
    path = _PATH_FIELD.sub(lambda match: quote(str(values.pop(match[1])), safe=""), path)
    sent = values if body == "*" else values.pop(body, {}) if body else None
    query = () if body == "*" else tuple(_query(values))
    answer = await http.request(verb, path, params=query, json=sent)
    assert 400 <= answer.status_code < 500, (answer.status_code, answer.text)
    status = json_format.ParseDict(answer.json(), status_pb2.Status())
    return from_status(status)


def _query(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _query(value, f"{before}{name}.")
            continue
        for each in value if isinstance(value, list) else [value]:
            yield before + name, str(each).lower() if isinstance(each, bool) else str(each)


def _told(code: int, details: bytes) -> CodedError:
    status = status_pb2.Status.FromString(details)
    assert status.code == code, (code, status)
    return from_status(status)
