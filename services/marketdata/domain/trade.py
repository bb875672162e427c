"""A public trade, and its place in the order of all that an instrument's feed ever told."""

from __future__ import annotations

import enum
from typing import NamedTuple

_SEQUENCE_BITS = 44


class Aggressor(enum.IntEnum):
    """Side of the order that came to the book."""

    UNKNOWN = 0
    BUY = 1
    SELL = 2


class Trade(NamedTuple):
    """A trade.

    Attributes:
        position: Where it stands in the instrument's feed, across epochs; see `position_of`.
        time_ns: When the venue made it, nanoseconds since 1970 UTC.
        price: In ticks.
        quantity: In lots.
        aggressor: Side of the incoming order.
        trade_id: The venue's number, unique within the epoch.
        canceled: Whether the venue has taken it back: it counts in no candle.
        adjusts: Whether it is no trade but what becomes of one: the trade of this number has this price and quantity
            from here on, or (`canceled`) counts no more.
    """

    position: int
    time_ns: int
    price: int
    quantity: int
    aggressor: Aggressor
    trade_id: int
    canceled: bool = False
    adjusts: bool = False

    @property
    def sequence(self) -> int:
        """Its sequence in the instrument's feed."""
        return sequence_of(self.position)

    @property
    def key(self) -> tuple[int, int]:
        """What tells the trade from all others of its instrument: the venue counts anew in each epoch."""
        return self.epoch_number, self.trade_id

    @property
    def epoch_number(self) -> int:
        """Our number of the feed's epoch."""
        return epoch_number_of(self.position)


def adjusted(trade: Trade, entry: Trade) -> Trade:
    """Returns a trade as an entry that adjusts it leaves it; one that is canceled keeps what it was."""
    if entry.canceled:
        return trade._replace(canceled=True)
    return trade._replace(price=entry.price, quantity=entry.quantity)


def position_of(epoch_number: int, sequence: int) -> int:
    """Returns where an event of a feed stands among all events of that instrument.

    Epochs are numbered in the order in which they were met, so that positions of a later epoch are greater; 2^44
    events an epoch are more than a venue makes in a decade, and 2^19 epochs fit.
    """
    return (epoch_number << _SEQUENCE_BITS) | sequence


def sequence_of(position: int) -> int:
    """Returns the sequence within its epoch."""
    return position & ((1 << _SEQUENCE_BITS) - 1)


def epoch_number_of(position: int) -> int:
    """Returns the number of the epoch."""
    return position >> _SEQUENCE_BITS
