"""The call that the current task serves: how much time it has left, and which trace it belongs to."""

from __future__ import annotations

import asyncio
import contextvars
import random
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from services.mesh.access.caller import Caller

T = TypeVar("T")

TRACEPARENT = "traceparent"
AUTHORIZATION: Final = "authorization"
"""Metadata in which a user shows an access token."""
SERVICE_TOKEN: Final = "x-ordermesh-service-token"  # noqa: S105 - a name
"""Metadata in which a service of the mesh shows who it is."""
_FIELDS_OF_TRACEPARENT = 4
_random = random.Random()  # noqa: S311 - trace ids are no secrets


class Call:
    """A call in progress.

    Attributes:
        method: Full name, such as `/ordermesh.order.v1.OrderService/PlaceOrder`.
        deadline: When its time is up, on the monotonic clock; None when it may take for ever.
        authorization: What the caller shows as a user; None when nothing.
        service_token: What the caller shows as a service; None when nothing.
        address: Where it comes from; empty when that is not known.
        caller: Who calls, once that is proved; None where nobody asks, and for what is public.
        roles: Those of the caller's roles by which they may make this very call.
    """

    __slots__ = (
        "_find_address",
        "_parent",
        "_span_id",
        "_trace_id",
        "authorization",
        "caller",
        "deadline",
        "method",
        "roles",
        "service_token",
    )

    def __init__(
        self,
        method: str,
        deadline: float | None,
        traceparent: str | None = None,
        authorization: str | None = None,
        service_token: str | None = None,
        find_address: Callable[[], str] | None = None,
    ) -> None:
        self.method = method
        self.deadline = deadline
        self.authorization = authorization
        self.service_token = service_token
        self.caller: Caller | None = None
        self.roles: frozenset[int] = frozenset()
        self._parent = traceparent
        self._find_address = find_address
        self._trace_id: str | None = None
        self._span_id: str | None = None

    @property
    def address(self) -> str:
        """Where the call comes from, looked for when it is asked for: most calls change nothing that is recorded."""
        return "" if self._find_address is None else self._find_address()

    @property
    def trace_id(self) -> str:
        """The trace, 32 hexadecimal digits; one is begun when the caller sent none."""
        if self._trace_id is None:
            self._trace_id = _trace_id_of(self._parent) or f"{_random.getrandbits(128):032x}"
        return self._trace_id

    @property
    def span_id(self) -> str:
        """This call within the trace, 16 hexadecimal digits."""
        if self._span_id is None:
            self._span_id = f"{_random.getrandbits(64):016x}"
        return self._span_id

    @property
    def traceparent(self) -> str:
        """The W3C header that hands the trace on; its flag says that no span is recorded here."""
        return f"00-{self.trace_id}-{self.span_id}-00"

    def remaining_seconds(self) -> float | None:
        """Returns the time left, never below 0; None when there is no deadline."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())


_current: ContextVar[Call | None] = ContextVar("ordermesh_call", default=None)

current_call = _current.get
"""Returns the call that this task serves, or None."""

enter_call = _current.set
"""Says which call this task serves from now on. gRPC gives every call a task of its own: nothing to undo."""


def detached(coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Starts a task that outlives the call which starts it: it has neither the call's deadline nor its trace."""
    return asyncio.get_running_loop().create_task(coroutine, name=name, context=contextvars.Context())


def _trace_id_of(traceparent: str | None) -> str | None:
    parts = traceparent.split("-") if traceparent else []
    return parts[1] if len(parts) == _FIELDS_OF_TRACEPARENT and len(parts[1]) == 32 else None  # noqa: PLR2004 - W3C
