"""What a venue's books come to for a connection: positions and money, computed from its fills.

Counted in ticks and lots, so that sums are exact. The cost of what is held follows the average cost method: a fill that
adds to the position adds its value, one that reduces it takes off its share.
"""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final, NamedTuple

from services.kernel.decimals import EXACT, ZERO

_PLACES: Final = Decimal("1e-12")
_SHARE: Final = decimal.Context(prec=96, rounding=decimal.ROUND_HALF_EVEN)


class Fill(NamedTuple):
    """A fill as the venue tells it.

    Attributes:
        venue_number: The venue's number of the instrument.
        lots: Quantity; negative for a sale.
        reverses: Whether it takes a fill of the other side back: nothing was bought or sold by it.
    """

    venue_number: int
    lots: int
    price_ticks: int
    fee: Decimal
    reverses: bool = False


@dataclass(slots=True)
class BookPosition:
    """Position in one instrument.

    Attributes:
        lots: Held; negative when short.
        cost: What is held at its average price, in tick-lots; negative when short.
        bought_lots: Bought so far.
        sold_lots: Sold so far.
        paid: Value of all purchases less that of all sales, in tick-lots.
        fees: Fees so far, in the instrument's currency.
    """

    venue_number: int
    lots: int = 0
    cost: Decimal = ZERO
    bought_lots: int = 0
    sold_lots: int = 0
    paid: int = 0
    fees: Decimal = ZERO

    def apply(self, fill: Fill) -> None:
        """Books a fill."""
        value = fill.lots * fill.price_ticks
        self.paid += value
        if fill.fee:
            self.fees = EXACT.add(self.fees, fill.fee)
        if (fill.lots > 0) != fill.reverses:
            self.bought_lots += fill.lots
        else:
            self.sold_lots -= fill.lots
        self._move(fill.lots, fill.price_ticks)

    def copy(self) -> BookPosition:
        """Returns the position as it is now."""
        return replace(self)

    def _move(self, lots: int, price_ticks: int) -> None:
        after = self.lots + lots
        if self.lots == 0 or (self.lots > 0) == (lots > 0):
            self.cost = EXACT.add(self.cost, Decimal(lots * price_ticks))
        elif after == 0 or (after > 0) != (self.lots > 0):
            self.cost = Decimal(after * price_ticks)
        else:
            share = _SHARE.divide(_SHARE.multiply(self.cost, Decimal(after)), Decimal(self.lots))
            self.cost = share.quantize(_PLACES, context=_SHARE)
        self.lots = after


class Book:
    """The books of one connection and shard, as of a sequence of the venue's reports.

    Attributes:
        epoch: Incarnation of the venue's sequence.
        sequence: Last report that they reflect.
        positions: By the venue's number of the instrument.
        changed: Numbers of the positions changed since they were saved.
        behind: Reports were seen that do not follow on those booked; the ones between must be asked for.
    """

    __slots__ = ("behind", "changed", "epoch", "positions", "saved_sequence", "sequence")

    def __init__(self, epoch: str = "", sequence: int = 0, positions: Iterable[BookPosition] = ()) -> None:
        self.epoch = epoch
        self.sequence = sequence
        self.saved_sequence = sequence
        self.positions = {position.venue_number: position for position in positions}
        self.changed: set[int] = set()
        self.behind = False

    def apply(self, fills: Iterable[Fill], up_to: int) -> None:
        """Books fills, and moves to the sequence up to which there were no others."""
        for fill in fills:
            number = fill.venue_number
            if (position := self.positions.get(number)) is None:
                position = self.positions[number] = BookPosition(number)
            position.apply(fill)
            self.changed.add(number)
        self.sequence = up_to

    def begin_anew(self, epoch: str) -> None:
        """Forgets everything: the venue's sequence is another one now."""
        self.changed |= self.positions.keys()
        self.positions = {}
        self.epoch, self.sequence = epoch, 0

    @property
    def unsaved(self) -> bool:
        """Whether it has moved since it was saved."""
        return self.sequence != self.saved_sequence or bool(self.changed)
