"""Says which call a task serves, and refuses one that has no time left."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from functools import partial
from typing import Any

from services.kernel.errors import deadline
from services.mesh.addresses import CallerAddresses, Network
from services.mesh.context import AUTHORIZATION, TRACEPARENT, Call, enter_call
from services.mesh.interceptors.base import Context, Method, StreamHandler, UnaryHandler


class CallInterceptor:
    """Enters the call, so that clients hand on its deadline and log lines its trace."""

    def __init__(self, proxies: Sequence[Network] = ()) -> None:
        """Makes the interceptor; `proxies` are gateways, which say whose calls they hand on."""
        self._addresses = CallerAddresses(proxies)

    def wrap_unary(self, method: Method, handler: UnaryHandler) -> UnaryHandler:
        """Enters the call, then handles it."""
        path, addresses = method.path, self._addresses

        async def handle(request: Any, context: Context) -> Any:
            enter_call(_call(path, context, addresses))
            return await handler(request, context)

        return handle

    def wrap_stream(self, method: Method, handler: StreamHandler) -> StreamHandler:
        """Enters the call, then handles it."""
        path, addresses = method.path, self._addresses

        async def handle(request: Any, context: Context) -> AsyncIterator[Any]:
            enter_call(_call(path, context, addresses))
            async for response in handler(request, context):
                yield response

        return handle


def _call(path: str, context: Context, addresses: CallerAddresses) -> Call:
    # The published types deny that both may be None.
    remaining: float | None = context.time_remaining()
    metadata: Iterable[tuple[str, str | bytes]] | None = context.invocation_metadata()
    if remaining is not None and remaining <= 0:
        raise deadline("no time was left when the call arrived")
    parent = authorization = None
    for key, value in metadata or ():
        if key == TRACEPARENT:
            parent = str(value)
        elif key == AUTHORIZATION:
            authorization = _only(authorization, value)
    at = None if remaining is None else time.monotonic() + remaining
    return Call(path, at, parent, authorization, partial(addresses.of, context))


def _only(before: str | None, value: str | bytes) -> str:
    """Returns what a caller shows. Who shows two things shows none: who looked before may have taken the other."""
    return str(value) if before is None else ""
