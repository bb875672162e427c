"""Identifiers made here: UUIDv7 (RFC 9562), which sort by the time they were made."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Protocol
from uuid import UUID

from services.kernel.clock import Clock, SystemClock
from services.kernel.errors import invalid_field

_VERSION_AND_VARIANT = (7 << 76) | (2 << 62)
_COUNTER_BITS = 74
_COUNTER_LIMIT = 1 << _COUNTER_BITS
_LOW_MASK = (1 << 62) - 1
_TEXT_LENGTH = 36


class Identifiers(Protocol):
    """Makes identifiers."""

    def new_id(self) -> str:
        """Returns a new identifier in the usual form with dashes."""
        ...


class UuidV7:
    """Makes UUIDv7, each greater than the one before, whatever the clock does.

    The 74 bits after the time are random at the first of a millisecond and grow by a random step after it (RFC 9562,
    section 6.2, method 2), so that two makers do not meet.
    """

    __slots__ = ("_bits", "_clock", "_counter", "_millisecond")

    def __init__(
        self,
        clock: Clock | None = None,
        random_bits: Callable[[int], int] | None = None,
        *,
        after_ns: int | None = None,
    ) -> None:
        """Begins above what processes before this one made up to a time, whatever the clock says."""
        self._clock: Clock = clock or SystemClock()
        self._bits = random_bits or random.Random().getrandbits  # noqa: S311 - unique is enough, these are no secrets
        self._millisecond = -1 if after_ns is None else after_ns // 1_000_000 + 1
        # The top bit is left free, so that the counter has room to grow.
        self._counter = self._bits(_COUNTER_BITS - 1)

    def new_id(self) -> str:
        """Returns a new identifier in the usual form with dashes."""
        text = f"{self._next():032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"

    def new_uuid(self) -> UUID:
        """Returns a new identifier as an object."""
        return UUID(int=self._next())

    def _next(self) -> int:
        millisecond = self._clock.now_ns() // 1_000_000
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            self._counter = self._bits(_COUNTER_BITS - 1)
        else:
            self._counter += 1 + self._bits(32)
            if self._counter >= _COUNTER_LIMIT:
                self._millisecond += 1
                self._counter = self._bits(_COUNTER_BITS - 1)
        high = self._counter >> 62
        return (self._millisecond << 80) | _VERSION_AND_VARIANT | (high << 64) | (self._counter & _LOW_MASK)


def parse_uuid(text: str, field: str = "id") -> UUID:
    """Returns the identifier of its usual form, 36 characters with dashes.

    Raises:
        CodedError: INVALID_FIELD, when it is not one.
    """
    if len(text) == _TEXT_LENGTH:
        try:
            return UUID(text)
        except ValueError:
            pass
    raise invalid_field(field, "must be a UUID")
