"""One instrument's way to the store: what is queued for it, and how that stands to the live feed."""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from services.marketdata.domain.instrument import Instrument
from services.marketdata.domain.trade import Trade


class State(enum.Enum):
    """How an instrument's queue stands to its live feed."""

    FOLLOWING = enum.auto()
    """Live trades are queued."""
    HOLDING = enum.auto()
    """What lies before the live trades is to be recovered, up to a target; live trades are held back."""
    BEHIND = enum.auto()
    """Too many wait: live trades are let go, to be recovered as well."""


@dataclass(slots=True)
class Line:
    """One instrument's way to the store.

    Attributes:
        instrument: The instrument.
        cursor: Position that the store has.
        reached: Position up to which store and queue are complete.
        last_trade_id: The venue's number of the last trade in either; 0 when there is none.
        state: How the queue stands to the live feed.
        queued: Trades after the cursor, in order, those being written included.
        target: Position up to which is to be recovered, while holding.
        told_trade_id: The venue's number of the last trade up to the target; None when it has not told it.
        held: Live trades after the target.
        jumps: Counts what makes a recovery in progress worthless.
    """

    instrument: Instrument
    cursor: int
    reached: int
    last_trade_id: int
    state: State = State.FOLLOWING
    queued: deque[Trade] = field(default_factory=deque)
    target: int = 0
    told_trade_id: int | None = None
    held: list[Trade] = field(default_factory=list)
    jumps: int = 0

    def jump(self, state: State, target: int = 0, told_trade_id: int | None = None) -> None:
        """Begins another state; what was held before is let go."""
        self.state, self.target, self.told_trade_id, self.held = state, target, told_trade_id, []
        self.jumps += 1

    def queue(self, trades: Iterable[Trade]) -> None:
        """Adds trades to the queue."""
        for trade in trades:
            self.queued.append(trade)
            self.reached = trade.position
            if not trade.adjusts:
                self.last_trade_id = trade.trade_id
