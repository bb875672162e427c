"""Who asks for what is done, as bytes that stand beside an event in the log: made once for each call or stream."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from services.mesh.audit import actor_bytes
from services.mesh.context import current_call

T = TypeVar("T")

_acting: Final[ContextVar[bytes | None]] = ContextVar("ordermesh_acting", default=None)


def who() -> bytes | None:
    """Returns who makes the call, or sends on the stream, that this task serves; None when nobody does."""
    told = _acting.get()
    if told is not None:
        return told
    call = current_call()
    return None if call is None else actor_bytes(call)


class Acting:
    """Whoever makes the call that this task serves, for tasks that outlive it and act for the same."""

    __slots__ = ("_context",)

    def __init__(self) -> None:
        self._context = contextvars.Context()
        self._context.run(_acting.set, who())

    def begin(self, coroutine: Coroutine[Any, Any, T], *, name: str | None = None) -> asyncio.Task[T]:
        """Starts a task that acts for them. It has neither the call's deadline nor its trace."""
        return asyncio.get_running_loop().create_task(coroutine, name=name, context=self._context.copy())
