"""The enumerations of this room. Their numbers are the contract's, which a test proves."""

from __future__ import annotations

from enum import IntEnum


class Side(IntEnum):
    """Side of a fill (FIX tag 54)."""

    BUY = 1
    SELL = 2

    @property
    def sign(self) -> int:
        """1 for what adds to a position, -1 for what takes from it."""
        return 1 if self is Side.BUY else -1


class Environment(IntEnum):
    """Which world an account belongs to."""

    SIMULATION = 1
    LIVE = 2


class PriceSource(IntEnum):
    """Which price a value was computed with."""

    MID = 1
    LAST = 2
