"""Whatever a request to read holds, it is answered or refused with a reason: never a fault of the service."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf import message_factory
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from deploy.embedded.mesh import Mesh
from tests.fixtures.contracts import public_methods
from tests.fixtures.users import EVERY_ROLE, made

pytestmark = [pytest.mark.mesh, pytest.mark.asyncio(loop_scope="session")]

REQUESTS_PER_METHOD = 30
NOBODY = "01890000-0000-7000-8000-000000000000"
TEXTS = ["", "x", "AAPL.XNAS", "NOPE.XNAS", "demo", "nobody", "simulation", "XNAS", "0", "-1", NOBODY, "\0", "é" * 50]
NUMBERS: dict[int, list[int]] = {
    FieldDescriptor.TYPE_UINT32: [0, 1, 1000, 1001, 2**32 - 1],
    FieldDescriptor.TYPE_UINT64: [0, 1, 2**64 - 1],
    FieldDescriptor.TYPE_ENUM: [0, 1, 2, 99, -1],
    FieldDescriptor.TYPE_BOOL: [0, 1],
}
FIRST, LAST = -62_135_596_800, 253_402_300_799
TIMES = [(0, 0), (1, 0), (-1, 0), (FIRST, 0), (LAST, 999_999_999), (LAST + 1, 0), (2**62, 0), (1, -1), (1, 2**31 - 1)]
"""Seconds and nanoseconds of times and durations: the first and last that a calendar has, and what lies beyond."""
LIKELY = {"account_id": "demo", "instrument": "AAPL.XNAS", "connection_id": "simulation"}
"""What lets a part of the requests through to the store."""


def reading_methods() -> Iterator[MethodDescriptor]:
    """Returns every public method that changes nothing."""
    for method in public_methods():
        if method.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS:
            yield method


METHODS = {f"/{method.containing_service.full_name}/{method.name}": method for method in reading_methods()}


def fill(message: Message, choose: random.Random, share: float) -> None:
    """Sets a share of a message's fields to values at and over the edges."""
    for field in message.DESCRIPTOR.fields:
        if choose.random() > share:
            continue
        inner = getattr(message, field.name)
        if field.message_type is not None:
            fill_inner(field, inner, choose, share)
        elif field.has_presence or isinstance(inner, (str, int)):
            setattr(message, field.name, value(field, choose))
        else:
            inner.extend(value(field, choose) for _ in range(choose.randint(0, 3)))
    for name, likely in LIKELY.items():
        if name in message.DESCRIPTOR.fields_by_name and choose.random() < 0.6:
            setattr(message, name, likely)


def fill_inner(field: Any, inner: Any, choose: random.Random, share: float) -> None:
    """Sets what is a message, several, or a map of texts."""
    if field.message_type.GetOptions().map_entry:
        inner.update({choose.choice(TEXTS): choose.choice(TEXTS) for _ in range(choose.randint(0, 3))})
    elif hasattr(inner, "add"):
        for _ in range(choose.randint(0, 3)):
            fill(inner.add(), choose, share)
    elif "seconds" in field.message_type.fields_by_name:
        inner.seconds, inner.nanos = choose.choice(TIMES)
    else:
        inner.SetInParent()
        fill(inner, choose, share)


def value(field: Any, choose: random.Random) -> Any:
    """Returns a value that the wire can carry."""
    return choose.choice(TEXTS if field.type == FieldDescriptor.TYPE_STRING else NUMBERS[field.type])


@pytest_asyncio.fixture(loop_scope="session")
async def channel(mesh: Mesh) -> AsyncIterator[grpc.aio.Channel]:
    """A channel to the gateway, of somebody who may do everything."""
    async with (await made(mesh, *EVERY_ROLE, accounts=("demo",))).calling() as opened:
        yield opened


async def ask(channel: grpc.aio.Channel, path: str, request: Message) -> None:
    """Calls a method; of a stream, reads the first message."""
    method = METHODS[path]
    read = message_factory.GetMessageClass(method.output_type).FromString
    write = type(request).SerializeToString
    if not method.server_streaming:
        await channel.unary_unary(path, write, read)(request, timeout=20)
        return
    call = channel.unary_stream(path, write, read)(request, timeout=20)
    await call.read()
    call.cancel()


@pytest.mark.parametrize("path", METHODS)
async def test_no_request_to_read_is_a_fault(channel: grpc.aio.Channel, path: str) -> None:
    """An answer, or an error that is the caller's, with a reason of the contract."""
    choose = random.Random(path)
    for _ in range(REQUESTS_PER_METHOD):
        request = message_factory.GetMessageClass(METHODS[path].input_type)()
        fill(request, choose, 0.25)
        error = await refused(channel, path, request)
        assert error is None or reason_of(error) not in ("", "INTERNAL"), (request, error.details())


async def refused(channel: grpc.aio.Channel, path: str, request: Message) -> grpc.aio.AioRpcError | None:
    """Calls a method and returns what it was refused with, None when it was answered."""
    try:
        await ask(channel, path, request)
    except grpc.aio.AioRpcError as error:
        return error
    return None


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Returns the reason that a refusal gives, empty when it gives none."""
    status = rpc_status.from_call(error)
    info = error_details_pb2.ErrorInfo()
    return next((info.reason for detail in (status.details if status else ()) if detail.Unpack(info)), "")
