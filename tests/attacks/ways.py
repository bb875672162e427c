"""The ways in: gRPC, grpc-web and REST, each with a request as it is, whatever token, and the whole answer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any, Final

import grpc
import httpx
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2

from deploy.embedded.certificates import OPERATOR
from deploy.embedded.mesh import Mesh
from tests.attacks.rpcs import Rpc
from tests.fixtures import http_clients
from tests.fixtures.events import web_answer
from tests.fixtures.rest_form import rest_form
from tests.fixtures.ways import bearer, refusal, refused_by_grpc, web_form

ANSWER_SECONDS: Final = 20.0
_STREAM_SECONDS: Final = 0.1
_MOST_MESSAGES: Final = 6
"""What is read of a stream: how it begins, and the snapshot."""
_HTTP_FAULT: Final = 500

FAULTS: Final = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    )
)
"""Codes that are 5xx over REST: never the answer to a caller's own mistake."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back.

    Attributes:
        code: Code of gRPC; 0 when it was answered.
        reason: Reason of the error that the contract lists; empty for an answer, and for an error that gives none.
        raw: All bytes of it.
        fields: The fields that the error names.
    """

    code: int
    reason: str = ""
    raw: bytes = b""
    fields: tuple[str, ...] = ()

    @property
    def fault(self) -> bool:
        """Whether it is one that no request may cause."""
        return self.code in FAULTS or (self.code != 0 and self.reason in {"", "INTERNAL"})


@dataclass(frozen=True, slots=True)
class Way:
    """A way in, with connections that are open."""

    channel: Any
    blocking: Any
    """A second channel, for streams in both directions."""
    http: httpx.AsyncClient

    async def by_grpc(self, rpc: Rpc, data: bytes, token: str = "", **more: str) -> Answer:
        """Calls over gRPC. Of a stream, the first messages are read."""
        metadata = tuple({**bearer(token), **more}.items())
        try:
            return Answer(0, raw=await self._grpc(rpc, data, metadata))
        except grpc.RpcError as error:
            call: Any = error
            return _refused(*refused_by_grpc(error), (call.details() or "").encode())

    async def by_grpc_web(self, rpc: Rpc, data: bytes, token: str = "", **more: str) -> Answer:
        """Calls as a browser does."""
        content, form = web_form(data)
        status, told, body = await self._http(rpc, "POST", rpc.path, {**form, **bearer(token), **more}, content=content)
        if status != httpx.codes.OK:
            return Answer(grpc.StatusCode.UNKNOWN.value[0], f"HTTP {status}", body)
        _, code, details = web_answer(told, body)
        if code is None and not rpc.method.server_streaming:
            return Answer(grpc.StatusCode.UNKNOWN.value[0], "no status", body)
        return _refused(code, details, body) if code else Answer(0, raw=body)

    async def by_rest(self, rpc: Rpc, message: Message, token: str = "", turn: int = 0, **more: str) -> Answer | None:
        """Calls with JSON, by one of the paths of an RPC; None when the request has no such form."""
        if not rpc.bindings or (asked := rest_form(rpc.bindings[turn % len(rpc.bindings)], message)) is None:
            return None
        verb, path, query, sent = asked
        status, _, body = await self._http(rpc, verb, path, {**bearer(token), **more}, params=query, json=sent)
        return told_by_rest(status, body)

    async def _grpc(self, rpc: Rpc, data: bytes, metadata: Any) -> bytes:
        method = rpc.method
        if not method.server_streaming:
            raw: bytes = await self.channel.unary_unary(rpc.path)(data, metadata=metadata, timeout=ANSWER_SECONDS)
            return raw
        if method.client_streaming:
            return await asyncio.to_thread(_both_ways, self.blocking, rpc.path, data, metadata)
        call = self.channel.unary_stream(rpc.path)(data, metadata=metadata, timeout=ANSWER_SECONDS)
        read = await _beginning(call)
        call.cancel()
        return read

    async def _http(
        self, rpc: Rpc, verb: str, path: str, headers: Any, **more: Any
    ) -> tuple[int, Mapping[str, str], bytes]:
        body = b""
        async with self.http.stream(verb, path, headers=headers, **more) as answer:
            # Only a stream may have no end; the rest of an answer is waited for, however slowly it comes.
            endless = answer.is_success and rpc.method.server_streaming
            with suppress(TimeoutError) if endless else nullcontext():
                parts = answer.aiter_raw()
                body = await anext(parts, b"")
                async with asyncio.timeout(_STREAM_SECONDS if endless else ANSWER_SECONDS):
                    async for part in parts:
                        body += part
            return answer.status_code, answer.headers, body


@asynccontextmanager
async def way_to(mesh: Mesh, part: str = "gateway", as_: str = OPERATOR) -> AsyncIterator[Way]:
    """Opens the ways to a part of the mesh: the gateway, or a service itself (which speaks gRPC alone)."""
    if part == "gateway":
        blocking = grpc.insecure_channel(mesh.address(part))
    else:
        blocking = grpc.secure_channel(mesh.address(part), mesh.local.certificates.credentials(as_))
    async with (
        mesh.channel(part, as_) as channel,
        http_clients.async_client(base_url=mesh.gateway_url, timeout=ANSWER_SECONDS) as http,
    ):
        with blocking:
            yield Way(channel, blocking, http)


def told_by_rest(status: int, body: bytes) -> Answer:
    """Returns what an answer over HTTP tells. One that is refused must be a `google.rpc.Status` of the contract."""
    if status < httpx.codes.BAD_REQUEST:
        return Answer(0, raw=body)
    told = json_format.Parse(body, status_pb2.Status())
    answer = _refused(told.code, told.SerializeToString(), body)
    if status >= _HTTP_FAULT:
        return Answer(answer.code or grpc.StatusCode.UNKNOWN.value[0], f"HTTP {status}: {answer.reason}", body)
    return answer


async def _beginning(call: Any) -> bytes:
    """Reads how a stream begins: until nothing comes for a while, since it may not end."""
    read: list[bytes] = []
    with suppress(TimeoutError):
        first = await call.read()
        while first is not grpc.aio.EOF and len(read) < _MOST_MESSAGES:
            read.append(first)
            async with asyncio.timeout(_STREAM_SECONDS):
                first = await call.read()
    return b"".join(read)


def _both_ways(channel: grpc.Channel, path: str, data: bytes, metadata: Any) -> bytes:
    """Sends one message on a stream in both directions, and returns what comes within a moment.

    By gRPC's blocking client: the other one tells of a fault of its own when a call is refused while it sends.
    """
    stub: Any = channel.stream_stream(path)
    call: Any = stub(iter([data]), metadata=metadata, timeout=ANSWER_SECONDS)
    timer = threading.Timer(_STREAM_SECONDS, call.cancel)
    read = []
    try:
        for message in call:
            read.append(message)
            if len(read) == 1:
                timer.start()
    except grpc.RpcError as error:
        if not read or call.code() is not grpc.StatusCode.CANCELLED:
            raise error from None
    finally:
        timer.cancel()
    return b"".join(read)


def _refused(code: int, details: bytes, raw: bytes) -> Answer:
    told = refusal(status_pb2.Status.FromString(details))
    return Answer(code, told.reason, raw + details, told.fields)
