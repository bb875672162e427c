"""What a participant of the simulated market says to the engine and hears from it, in ticks and lots."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Side(enum.Enum):
    """Buy or sell."""

    BUY = 1
    SELL = 2

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell: the direction in which a price is paid up."""
        return 1 if self is Side.BUY else -1


@dataclass(frozen=True, slots=True)
class NewOrder:
    """A limit order that rests, or, when immediate, trades at once what it can.

    Attributes:
        order_id: 16 bytes, unique among the participant's open orders.
        group: Orders of one group never trade with one another; 0: they do.
    """

    order_id: bytes
    instrument_id: int
    side: Side
    price_ticks: int
    quantity_lots: int
    immediate: bool = False
    group: int = 0


@dataclass(frozen=True, slots=True)
class CancelOrder:
    """Cancels an order."""

    order_id: bytes


@dataclass(frozen=True, slots=True)
class ReduceOrder:
    """Takes lots off an order, which keeps its place."""

    order_id: bytes
    by_lots: int


@dataclass(frozen=True, slots=True)
class CancelAll:
    """Cancels every order of the participant in one instrument; 0: in all."""

    instrument_id: int = 0


Action = NewOrder | CancelOrder | ReduceOrder | CancelAll


class ExecutionKind(enum.Enum):
    """What happened to an order of the participant."""

    ACCEPTED = enum.auto()
    TRADE = enum.auto()
    ENDED = enum.auto()
    CHANGED = enum.auto()
    REJECTED = enum.auto()
    CANCEL_REJECTED = enum.auto()
    CANCELED_ALL = enum.auto()


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of the participant's orders."""

    kind: ExecutionKind
    order_id: bytes
    instrument_id: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    trade_id: int
    maker: bool
    command_sequence: int
    reason: str
