"""The terms of an instrument, and the way between decimal strings and the venue's ticks and lots."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from services.kernel.decimals import format_decimal, from_ticks, parse_positive, to_ticks

_MOST_REMEMBERED: Final = 20_000


class Scale:
    """Turns decimal strings into whole steps and back, remembering what it has turned.

    Prices and quantities repeat all day; remembered, one costs a look into a dictionary instead of decimal arithmetic.
    """

    __slots__ = ("_counts", "_texts", "reason", "step")

    def __init__(self, step: Decimal, reason: str) -> None:
        self.step = step
        self.reason = reason
        self._counts: dict[str, int] = {}
        self._texts: dict[int, str] = {}

    def count(self, text: str, field: str) -> int:
        """Returns how many steps a positive decimal string is.

        Raises:
            CodedError: It is no positive decimal, or not a whole number of steps.
        """
        if (count := self._counts.get(text)) is None:
            count = to_ticks(parse_positive(text, field), self.step, field, reason=self.reason)
            if len(self._counts) >= _MOST_REMEMBERED:
                self._counts.clear()
            self._counts[text] = count
        return count

    def text(self, count: int) -> str:
        """Returns the decimal string of a number of steps."""
        if (text := self._texts.get(count)) is None:
            text = format_decimal(from_ticks(count, self.step))
            if len(self._texts) >= _MOST_REMEMBERED:
                self._texts.clear()
            self._texts[count] = text
        return text


class Terms:
    """What BrokerService must know of an instrument.

    Attributes:
        instrument: Name, `SYMBOL.VENUE`.
        venue_number: Number under which the engine knows it.
        currency: Currency of prices.
        multiplier: value = price x quantity x multiplier.
        prices: Scale of prices (ticks).
        quantities: Scale of quantities (lots).
        value_of_one: Value of one lot at one tick.
        held_outright: Whether what is bought is paid for and owned, unlike a future.
    """

    __slots__ = (
        "currency",
        "held_outright",
        "instrument",
        "multiplier",
        "prices",
        "quantities",
        "value_of_one",
        "venue_number",
    )

    def __init__(
        self,
        instrument: str,
        venue_number: int,
        currency: str,
        tick: Decimal,
        lot: Decimal,
        multiplier: Decimal,
        *,
        held_outright: bool = True,
    ) -> None:
        self.instrument = instrument
        self.venue_number = venue_number
        self.currency = currency
        self.multiplier = multiplier
        self.prices = Scale(tick, "PRICE_OFF_TICK")
        self.quantities = Scale(lot, "QUANTITY_OFF_LOT")
        self.value_of_one = tick * lot * multiplier
        self.held_outright = held_outright
