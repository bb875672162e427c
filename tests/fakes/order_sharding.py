"""What surrounds the interceptor of shards: the call, the other shards, whose orders are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import Any

from services.kernel.errors import CodedError
from services.mesh.descriptors import service_descriptor
from services.mesh.interceptors.base import Method
from services.order.peers.shards import SERVICE
from services.order.pipeline.sharding import Metadata


def method(name: str) -> Method:
    """Returns a method of OrderService as the server describes it."""
    found = service_descriptor(SERVICE).methods_by_name[name]
    return Method(SERVICE, name, found.client_streaming, found.server_streaming, found.input_type)


class FakeCall:
    """The context of a call with some metadata."""

    def __init__(self, *metadata: tuple[str, str | bytes]) -> None:
        self._metadata = metadata

    def invocation_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        return self._metadata


class FakePassed:
    """A stream of another shard.

    Attributes:
        at_end: Called when all messages were read.
        cancelled: Whether it was ended from here.
    """

    def __init__(self, messages: Iterable[Any], error: CodedError | None = None) -> None:
        self._messages, self._error = messages, error
        self.at_end: Callable[[], None] | None = None
        self.cancelled = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for message in self._messages:
            if self.cancelled:
                return
            yield message.SerializeToString()
        if self.at_end is not None:
            self.at_end()
        if self._error is not None:
            raise self._error

    def cancel(self) -> None:
        self.cancelled = True


class FakeShards:
    """The other shards.

    Attributes:
        answer: Makes an answer, or raises.
        silent: Shards that never answer.
        asked: Shard, method, request and metadata of every question.
        passed: The stream that the next call begins.
        requests: What is sent on it.
    """

    def __init__(self, answer: Callable[[int, Any], Any] | None = None) -> None:
        self.answer = answer
        self.silent: set[int] = set()
        self.asked: list[tuple[int, str, Any, Metadata]] = []
        self.passed = FakePassed(())
        self.requests: Any = None

    async def ask(self, shard: int, method: str, request: Any, metadata: Metadata) -> Any:
        self.asked.append((shard, method, request, metadata))
        if shard in self.silent:
            await asyncio.Event().wait()
        assert self.answer is not None
        return self.answer(shard, request)

    def stream(self, shard: int, method: str, request: Any, metadata: Metadata) -> FakePassed:
        self.asked.append((shard, method, request, metadata))
        self.requests = request
        return self.passed


class FakeOwners:
    """Knows some orders, and lists by the same ids."""

    def __init__(self, orders: dict[str, int]) -> None:
        self._orders = orders

    async def shard_of_order(self, order_id: str) -> int | None:
        return self._orders.get(order_id)

    async def shard_of_list(self, order_list_id: str) -> int | None:
        return self._orders.get(order_list_id)


async def read(messages: AsyncIterator[Any], response: Any) -> list[Any]:
    """Returns all messages of a stream, read if they are serialised."""
    return [response.FromString(each) if isinstance(each, bytes) else each async for each in messages]


async def each(items: Sequence[Any], error: CodedError | None = None) -> AsyncIterator[Any]:
    """Yields items, and fails then if it is to."""
    for item in items:
        yield item
    if error is not None:
        raise error
