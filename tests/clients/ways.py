"""The ways to call an RPC through the gateway: gRPC, grpc-web in bytes and in text, REST."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from typing import Any, Final

import grpc
import httpx
from google.api import annotations_pb2, httpbody_pb2
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import status_pb2

from tests.fixtures.events import web_answer
from tests.fixtures.rest_form import Query, bindings, rest_form
from tests.fixtures.ways import Refusal, bearer, path_of, refusal, refused_by_grpc, web_form

WAYS: Final = ("grpc", "grpc-web", "grpc-web-text", "rest")
SECONDS: Final = 20.0
HTTP_OF_CODE: Final = dict(
    enumerate((200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401))
)
"""What stands in `google/rpc/code.proto` beside each code."""


@dataclass(frozen=True)
class Answer:
    """What came back.

    Attributes:
        code: Code of gRPC; 0 when it was answered.
        told: The response, or the error with its details; as JSON, so that answers can be compared.
        refusal: What the error says.
    """

    code: int
    told: Any
    refusal: Refusal

    @property
    def error(self) -> tuple[Any, ...]:
        """What a program goes by."""
        return self.code, *astuple(self.refusal)


@dataclass(frozen=True)
class Caller:
    """Calls the gateway in every way."""

    channel: grpc.aio.Channel
    http: httpx.AsyncClient

    async def call(
        self, way: str, method: MethodDescriptor, request: Message, token: str, deadline: str = ""
    ) -> Answer | None:
        """Calls an RPC in one way; None when the request has no form there.

        Args:
            way: One of `WAYS`.
            method: The RPC.
            request: Its request.
            token: Shown as who calls; empty for nobody.
            deadline: Of the call, as `grpc-timeout` writes it; empty for none.
        """
        headers = {**bearer(token), **({"grpc-timeout": deadline} if deadline else {})}
        if way == "grpc":
            return await self._grpc(method, request, token, deadline)
        if way == "rest":
            return await self._rest(method, request, headers)
        return await self._grpc_web(method, request, headers, text=way == "grpc-web-text")

    async def _grpc(self, method: MethodDescriptor, request: Message, token: str, deadline: str) -> Answer:
        unary: Any = self.channel.unary_unary(path_of(method))
        # The library counts a deadline itself: one that has passed all but at once stands for any.
        seconds = 1e-6 if deadline else SECONDS
        try:
            data = await unary(request.SerializeToString(), metadata=tuple(bearer(token).items()), timeout=seconds)
        except grpc.aio.AioRpcError as error:
            return _error(*refused_by_grpc(error))
        return _good(_response(method).FromString(data))

    async def _grpc_web(
        self, method: MethodDescriptor, request: Message, headers: Mapping[str, str], *, text: bool
    ) -> Answer:
        body, form = web_form(request.SerializeToString(), text=text)
        answer = await self.http.post(path_of(method), content=body, headers={**headers, **form})
        assert answer.status_code == 200, (answer.status_code, answer.text)
        messages, code, details = web_answer(answer.headers, answer.content, text=text)
        assert code is not None, answer.content
        if code:
            return _error(code, details)
        return _good(_response(method).FromString(messages[0]))

    async def _rest(self, method: MethodDescriptor, request: Message, headers: Mapping[str, str]) -> Answer | None:
        sent = plain_form(method, request)
        if sent is None:
            return None
        verb, path, query, body = sent
        answer = await self.http.request(verb, path, params=query, json=body, headers=dict(headers))
        if answer.status_code == 200:
            return _good(_read(method, answer))
        status = json_format.ParseDict(answer.json(), status_pb2.Status())
        assert HTTP_OF_CODE[status.code] == answer.status_code, (status.code, answer.status_code)
        return _error(status.code, status.SerializeToString())


_NO_PATH: Final = re.compile(r"[\0/\\]|^\.{1,2}$")
"""In a field of a path: NUL, what divides paths even when it is escaped, and steps within them."""


def plain_form(method: MethodDescriptor, request: Message) -> tuple[str, str, Query, Any] | None:
    """Returns verb, path, query and body of a request; None when it has no form that means just the same."""
    binding = bindings(method)[0]
    if not _has_known_enums(request):
        return None  # JSON has names for values, and none for those that do not exist
    if binding.body not in ("", "*") and not request.HasField(binding.body):
        return None  # a body left out is an empty one
    if any(_NO_PATH.search(str(getattr(request, name))) for name in binding.fields):
        return None  # Envoy refuses such a path before it knows what the path means
    return rest_form(binding, request)


def _has_known_enums(message: Message) -> bool:
    for field, value in message.ListFields():
        each = list(value) if field.is_repeated else [value]
        if field.enum_type is not None and not all(one in field.enum_type.values_by_number for one in each):
            return False
        inner = field.message_type is not None and not field.message_type.GetOptions().map_entry
        if inner and not all(_has_known_enums(one) for one in each):
            return False
    return True


def _read(method: MethodDescriptor, answer: httpx.Response) -> Message:
    """Reads a REST answer as the response that it stands for; what the contract does not know is refused."""
    response: Message = _response(method)()
    part = method.GetOptions().Extensions[annotations_pb2.http].response_body
    target = getattr(response, part) if part else response
    if isinstance(target, httpbody_pb2.HttpBody):
        target.content_type, target.data = answer.headers["content-type"], answer.content
        return response
    told = answer.json()
    json_format.ParseDict({part: told} if part else told, response)
    return response


def _response(method: MethodDescriptor) -> Any:
    return message_factory.GetMessageClass(method.output_type)


def _good(response: Message) -> Answer:
    return Answer(0, json_format.MessageToDict(response, preserving_proto_field_name=True), Refusal())


def _error(code: int, packed: bytes) -> Answer:
    status = status_pb2.Status.FromString(packed)
    if not packed:  # a deadline that passes at the caller: nobody has said anything
        return Answer(code, {}, Refusal())
    assert status.code == code, (code, status)
    return Answer(code, json_format.MessageToDict(status, preserving_proto_field_name=True), refusal(status))


_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


def alike(answer: Answer, own: Mapping[str, str], hidden: Callable[[str], bool]) -> str:
    """Returns an answer as text in which nothing is left that differs from call to call by its nature.

    Args:
        answer: The answer.
        own: What was made for this call alone, by a name that stands for it.
        hidden: Tells of a field's name that its value differs each time: a secret, a count of events.
    """

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: "<hidden>" if hidden(name) else without(each) for name, each in value.items()}
        return [without(each) for each in value] if isinstance(value, list) else value

    text = json.dumps(answer.error if answer.code else without(answer.told), sort_keys=True)
    for name, value in own.items():
        text = text.replace(value, f"<{name}>")
    return _TIME.sub("<time>", _UUID.sub("<id>", text))
