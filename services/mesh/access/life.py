"""How long a user's stream lasts: as long as its token, and as those that follow it.

Streams learn of it as they learn that the process is about to stop: they listen, and say in their own words what is to
be said. One that does not is cut off a moment later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final, Protocol

from services.kernel.clock import Clock
from services.kernel.errors import CodedError, unauthenticated
from services.mesh.access.caller import Caller
from services.mesh.context import current_call

GRACE_SECONDS: Final = 1.0
"""How long a stream may take to say its last words."""
MOST_NOTICE_NS: Final = 60_000_000_000
NOTICE_PART: Final = 5
"""The end is announced a minute before, or this part of the token's life, whichever is less."""
_SECOND: Final = 1e9
_END: Final = object()


class Timer(Protocol):
    """What was planned."""

    def cancel(self) -> object:
        """Takes it back."""
        ...


Later = Callable[[float, Callable[[], None]], Timer]
"""Calls something after so many seconds."""


class TokenLife:
    """How long one stream lasts.

    Attributes:
        due: Whether there is something to tell: that the token ends soon, or that it has ended.
        over: Whether the token has ended.
        ends_ns: When it ends, in nanoseconds since 1970; 0 for a stream without an end.
    """

    __slots__ = ("_clock", "_cut", "_later", "_listeners", "_timer", "due", "ends_ns", "over")

    def __init__(self, clock: Clock | None = None, later: Later | None = None) -> None:
        """Makes the life of a stream that has no end, until it is told a caller.

        Args:
            clock: The clock by which tokens end.
            later: Plans what comes; the event loop's unless a test's.
        """
        self._clock, self._later = clock, later
        self._listeners: set[Callable[[], None]] = set()
        self._cut: Callable[[], None] | None = None
        self._timer: Timer | None = None
        self.due = self.over = False
        self.ends_ns = 0

    def stand_by(self, caller: Caller) -> None:
        """Lets the stream last as long as a caller's token from now on.

        Raises:
            CodedError: INVALID_TOKEN, when the token before has ended already.
        """
        if self.over:
            raise ended()
        self.close()
        self.due, self.ends_ns = False, caller.ends_ns
        notice_ns = min(MOST_NOTICE_NS, (caller.ends_ns - caller.issued_ns) // NOTICE_PART)
        left_ns = self._left_ns()
        self._plan(left_ns - notice_ns, lambda: self._near(min(left_ns, notice_ns)))

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Calls the listener whenever there is something to tell, now if there is; returns what ends the listening."""
        self._listeners.add(listener)
        if self.due:
            listener()
        return lambda: self._listeners.discard(listener)

    def told(self) -> None:
        """Is told that the caller was told that the token ends soon."""
        self.due = self.over

    def cut_off(self, by: Callable[[], None]) -> None:
        """Says what cuts the stream off when it does not end by itself."""
        self._cut = by

    def close(self) -> None:
        """Plans nothing any more."""
        if self._timer is not None:
            self._timer.cancel()

    def _near(self, left_ns: int) -> None:
        self._plan(left_ns, self._end)
        self._tell()

    def _end(self) -> None:
        self.over = True
        self._plan(int(GRACE_SECONDS * _SECOND), self._cut_now)
        self._tell()

    def _cut_now(self) -> None:
        if self._cut is not None:
            self._cut()

    def _tell(self) -> None:
        self.due = True
        for listener in list(self._listeners):
            listener()

    def _plan(self, after_ns: int, what: Callable[[], None]) -> None:
        later = self._later or asyncio.get_running_loop().call_later
        self._timer = later(max(after_ns, 0) / _SECOND, what)

    def _left_ns(self) -> int:
        return self.ends_ns - self._clock.now_ns() if self._clock is not None else 0


def current_life() -> TokenLife:
    """Returns the life of the stream that is being served; one without an end where nobody looks at who calls."""
    call = current_call()
    return (None if call is None else call.life) or TokenLife()


async def until_cut(messages: AsyncIterator[Any], life: TokenLife) -> AsyncIterator[Any]:
    """Yields the messages of a stream until it ends, or is cut off because its token has ended.

    Only the wait for a message is broken off: a cancellation would otherwise meet gRPC as it sends one, which then
    tells the caller nothing.

    Raises:
        CodedError: INVALID_TOKEN, when it was cut off.
    """
    reader = _Reader()
    life.cut_off(reader.end)
    try:
        while not reader.cut:
            reader.waiting = True
            response = await anext(messages, _END)
            reader.waiting = False
            if response is _END:
                return
            yield response
    except asyncio.CancelledError:
        if not reader.ends_wait():
            raise
    finally:
        life.close()
        if (close := getattr(messages, "aclose", None)) is not None:
            await close()
    raise ended()


class _Reader:
    """Who waits for the messages of a stream."""

    __slots__ = ("_task", "cut", "waiting")

    def __init__(self) -> None:
        self.cut = self.waiting = False
        self._task = asyncio.current_task()

    def end(self) -> None:
        self.cut = True
        if self.waiting and self._task is not None:
            self._task.cancel()

    def ends_wait(self) -> bool:
        """Tells whether a cancellation is this one and nobody else's, and takes it back then."""
        return self.cut and self.waiting and self._task is not None and self._task.uncancel() == 0


def ended() -> CodedError:
    """Returns the error for a stream whose token has ended."""
    return unauthenticated("INVALID_TOKEN", "the access token has ended: go on with a new one")
