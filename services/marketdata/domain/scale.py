"""Integer ticks and lots, and the decimal strings they stand for."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from services.marketdata.domain.instrument import Terms

_CACHED_TEXTS = 8192


class Scale:
    """A step, such as a tick of 0.05, and the exact way between counts of it and decimal strings.

    Writing a count is integer arithmetic and a lookup for counts seen lately: quotes are written a thousand times a
    second, and `Decimal` would take most of that time.
    """

    __slots__ = ("_decimals", "_factor", "_mantissa", "step", "text")

    def __init__(self, step: Decimal) -> None:
        """Args: step: A positive decimal."""
        exponent = step.normalize().as_tuple().exponent
        assert isinstance(exponent, int), "a step is a finite number"  # noqa: S101 - narrows the type
        self.step = step
        self._decimals = max(0, -exponent)
        self._factor = 10**self._decimals
        self._mantissa = int(step.scaleb(self._decimals))
        self.text = lru_cache(maxsize=_CACHED_TEXTS)(self._write)
        """Returns the canonical decimal string of a number of steps."""

    def value(self, count: int) -> Decimal:
        """Returns the decimal of a number of steps."""
        return Decimal(count * self._mantissa).scaleb(-self._decimals)

    def count(self, value: Decimal) -> int:
        """Returns the number of steps of a value.

        Raises:
            ValueError: The value is not a whole number of steps.
        """
        scaled = value.scaleb(self._decimals)
        whole = int(scaled)
        if whole != scaled or whole % self._mantissa:
            raise ValueError(f"{value} is not a multiple of {self.step}")
        return whole // self._mantissa

    def _write(self, count: int) -> str:
        value = count * self._mantissa
        if self._decimals == 0:
            return str(value)
        whole, part = divmod(abs(value), self._factor)
        text = f"{whole}.{part:0{self._decimals}d}".rstrip("0").rstrip(".") if part else str(whole)
        return f"-{text}" if value < 0 else text


@dataclass(frozen=True, slots=True)
class Scales:
    """The steps of one instrument.

    Attributes:
        prices: Ticks.
        quantities: Lots.
        values: Ticks x lots x contract multiplier, in the instrument's currency.
    """

    prices: Scale
    quantities: Scale
    values: Scale


@lru_cache(maxsize=16_384)
def scales_of(terms: Terms) -> Scales:
    """Returns the steps of an instrument; the same object for the same terms."""
    tick, lot = terms.tick_size, terms.lot_size
    return Scales(Scale(tick), Scale(lot), Scale(tick * lot * terms.contract_multiplier))
