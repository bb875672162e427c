"""The call that the current task serves: how much time it has left, and which trace it belongs to."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
import time
from collections.abc import Callable, Coroutine, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeVar

from services.mesh.access.caller import Caller

if TYPE_CHECKING:
    from services.mesh.access.life import TokenLife

T = TypeVar("T")

TRACEPARENT = "traceparent"
AUTHORIZATION: Final = "authorization"
"""Metadata in which a user shows an access token."""
_FIELDS_OF_TRACEPARENT = 4
_random = random.Random()  # noqa: S311 - trace ids are no secrets


class Call:
    """A call in progress.

    Attributes:
        method: Full name, such as `/ordermesh.order.v1.OrderService/PlaceOrder`.
        deadline: When its time is up, on the monotonic clock; None when it may take for ever.
        authorization: What the caller shows as a user; None when nothing.
        address: Where it comes from; empty when that is not known.
        caller: Who calls, once that is proved; None where nobody asks, and for what is public.
        roles: Those of the caller's roles by which they may make this very call.
        life: How long it may last; None for a call with one answer, and where nobody looks at who calls.
        unreached: Account that it was refused for, because the caller does not reach it; empty for none.
    """

    __slots__ = (
        "_find_address",
        "_parent",
        "_span_id",
        "_trace_id",
        "authorization",
        "caller",
        "deadline",
        "life",
        "method",
        "roles",
        "unreached",
    )

    def __init__(
        self,
        method: str,
        deadline: float | None,
        traceparent: str | None = None,
        authorization: str | None = None,
        find_address: Callable[[], str] | None = None,
    ) -> None:
        self.method = method
        self.deadline = deadline
        self.authorization = authorization
        self.caller: Caller | None = None
        self.roles: frozenset[int] = frozenset()
        self.life: TokenLife | None = None
        self.unreached = ""
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


def served_call() -> Call:
    """Returns the call that this task serves: for what is done in a call alone.

    Raises:
        RuntimeError: It serves none.
    """
    if (call := _current.get()) is None:
        raise RuntimeError("this is done in a call, and none is being served")
    return call


@contextlib.contextmanager
def within(call: Call | None) -> Iterator[None]:
    """Says that a task which has none serves a call, for the time of a block: a reader of what a stream is sent."""
    before = _current.set(call)
    try:
        yield
    finally:
        _current.reset(before)


def detached(coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
    """Starts a task that outlives the call which starts it: it has neither the call's deadline nor its trace."""
    return asyncio.get_running_loop().create_task(coroutine, name=name, context=contextvars.Context())


def _trace_id_of(traceparent: str | None) -> str | None:
    parts = traceparent.split("-") if traceparent else []
    return parts[1] if len(parts) == _FIELDS_OF_TRACEPARENT and len(parts[1]) == 32 else None  # noqa: PLR2004 - W3C
