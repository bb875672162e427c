"""The price that positions are valued at, and the rates between currencies that prices make."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal

from services.kernel.decimals import EXACT
from services.portfolio.domain.values import PriceSource

RATE_PLACES = Decimal(1).scaleb(-18)
_ONE = Decimal(1)
_HALF = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Price:
    """The newest price of an instrument.

    Attributes:
        value: In the instrument's currency.
        source: Where it is from.
        stale: Whether the venue's feed is lost.
        at_ns: When the venue made it, in nanoseconds since 1970; 0 when it did not say.
    """

    value: Decimal
    source: PriceSource
    stale: bool = False
    at_ns: int = 0


def price_of(
    bid: Decimal | None, ask: Decimal | None, last: Decimal | None, *, stale: bool = False, at_ns: int = 0
) -> Price | None:
    """Returns the middle of bid and ask; the last trade when one of them is missing; None when that is missing too.

    The middle moves with the market where the last trade of a quiet instrument may be hours old. One side alone is no
    price: it may be as far away as whoever stands there likes.
    """
    if bid is not None and ask is not None:
        return Price(EXACT.multiply(EXACT.add(bid, ask), _HALF), PriceSource.MID, stale, at_ns)
    if last is not None:
        return Price(last, PriceSource.LAST, stale, at_ns)
    return None


@dataclass(frozen=True, slots=True)
class Pair:
    """What an instrument that is a pair of currencies says: one unit of `base` costs `price` of `quote`."""

    base: str
    quote: str
    price: Price


@dataclass(frozen=True, slots=True)
class Rate:
    """What one unit of a currency is worth in another, and whether a lost feed had part in it."""

    value: Decimal
    stale: bool = False


class Rates:
    """Rates between currencies, out of quoted pairs alone: directly, by the inverse, or through further currencies.

    The way with the fewest pairs counts. The inverse of a price is rounded to 18 places.
    """

    def __init__(self, pairs: Iterable[Pair]) -> None:
        self._next: dict[str, dict[str, Rate]] = {}
        # By name, so that of two instruments that quote the same pair the same one is always taken.
        for pair in pairs:
            if pair.price.value > 0:
                self._add(pair.base, pair.quote, Rate(pair.price.value, pair.price.stale))
                self._add(pair.quote, pair.base, Rate(_inverse(pair.price.value), pair.price.stale))

    def rate(self, currency: str, base: str) -> Rate | None:
        """Returns what one unit of a currency is worth in another; None when no pairs lead there."""
        found, waiting = {currency: Rate(_ONE)}, deque([currency])
        while waiting and base not in found:
            here = waiting.popleft()
            for there, step in sorted(self._next.get(here, {}).items()):
                if there not in found:
                    value = EXACT.multiply(found[here].value, step.value)
                    found[there] = Rate(value, found[here].stale or step.stale)
                    waiting.append(there)
        return found.get(base)

    def _add(self, here: str, there: str, rate: Rate) -> None:
        self._next.setdefault(here, {}).setdefault(there, rate)


def _inverse(price: Decimal) -> Decimal:
    return EXACT.divide(_ONE, price).quantize(RATE_PLACES, ROUND_HALF_EVEN, context=EXACT)
