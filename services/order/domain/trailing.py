"""A stop price that follows the market at a distance, and never goes back."""

from __future__ import annotations

from dataclasses import dataclass
from dataclasses import replace as changed
from decimal import Decimal
from typing import Final

from services.kernel.decimals import EXACT, ZERO, format_decimal
from services.order.domain.values import Side

_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class TrailingStop:
    """How an order follows the market: one of the first three says at which distance.

    Attributes:
        amount: As a price.
        percent: As a part of the trade that is followed.
        ticks: In ticks of the instrument.
        reference_price: The trade that is followed: the highest for a sell, the lowest for a buy order, since it began
            to follow; None before the first.
        as_of_ns: Time of the last trade that it reflects, nanoseconds since 1970; None before the first.
    """

    amount: Decimal | None = None
    percent: Decimal | None = None
    ticks: int | None = None
    reference_price: Decimal | None = None
    as_of_ns: int | None = None

    @property
    def distance(self) -> tuple[Decimal | None, Decimal | None, int | None]:
        """What was asked for: what tells it from another one."""
        return self.amount, self.percent, self.ticks

    def fixed_distance(self, tick_size: Decimal) -> Decimal | None:
        """Returns the distance as a price; None when it is a part of the price that is followed."""
        if self.ticks is not None:
            return EXACT.multiply(Decimal(self.ticks), tick_size)
        return self.amount

    def stop_price(self, side: Side, price: Decimal, tick_size: Decimal) -> Decimal | None:
        """Returns the stop price behind a trade, rounded to the tick away from it; None when none is above zero."""
        distance = self.fixed_distance(tick_size)
        if distance is None:
            distance = EXACT.divide(EXACT.multiply(price, self.percent or ZERO), _HUNDRED)
        if side is Side.SELL:
            ticks = EXACT.divide_int(max(EXACT.subtract(price, distance), ZERO), tick_size)
        else:
            # A quotient is cut towards zero: the negative of a negative one is rounded up.
            behind = EXACT.add(price, distance)
            ticks = EXACT.divide_int(behind, tick_size) + (1 if EXACT.remainder(behind, tick_size) else 0)
        return EXACT.multiply(ticks, tick_size) if ticks else None

    def following(self, reference_price: Decimal, as_of_ns: int) -> TrailingStop:
        """Returns it with the trade that is followed."""
        return changed(self, reference_price=reference_price, as_of_ns=as_of_ns)

    def at_distance_of(self, other: TrailingStop) -> TrailingStop:
        """Returns it with the distance of another one."""
        return changed(other, reference_price=self.reference_price, as_of_ns=self.as_of_ns)

    def digest_text(self) -> str:
        """Returns what tells it from others in the digest of a request."""
        if self.ticks is not None:
            return f"{self.ticks} ticks"
        return (
            f"{format_decimal(self.amount)}" if self.amount is not None else f"{format_decimal(self.percent or ZERO)}%"
        )


def better(side: Side, one: Decimal | None, other: Decimal | None) -> Decimal | None:
    """Returns the one of two prices that an order of a side would rather follow: a sell order the higher."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other) if side is Side.SELL else min(one, other)
