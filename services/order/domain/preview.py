"""What an order would cost if it met a book as it is: the levels of the other side, taken from the best on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.conditions import reached
from services.order.domain.held import as_sent
from services.order.domain.order import Order
from services.order.domain.prices import average_price
from services.order.domain.replacing import released
from services.order.domain.terms import OrderTerms
from services.order.domain.values import Side, TimeInForce

_TWO = Decimal(2)
_AT_ONCE = frozenset({TimeInForce.IOC, TimeInForce.FOK})
_AUCTIONS = frozenset({TimeInForce.AT_THE_OPENING, TimeInForce.AT_THE_CLOSE})


class Level(NamedTuple):
    """What rests at one price."""

    price: Decimal
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Depth:
    """A book as it was told.

    Attributes:
        bids: Best first.
        asks: Best first.
        most_levels: How many levels of a side were asked for; a side that has as many may go on.
        currency: Currency of prices.
        multiplier: value = price x quantity x multiplier.
        sequence: Sequence in the instrument's feed.
        epoch: Incarnation of the feed.
        at_ns: When the venue made the last change, nanoseconds since 1970; 0 when it is not known.
        collecting: Whether orders collect for an auction: nothing trades at once.
    """

    bids: Sequence[Level]
    asks: Sequence[Level]
    most_levels: int
    currency: str
    multiplier: Decimal
    sequence: int = 0
    epoch: str = ""
    at_ns: int = 0
    collecting: bool = False


class BeyondDepthError(Exception):
    """The order reaches beyond the levels that were told, so that its cost cannot be known."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What an order would cost. Money is exact, in the currency of the depth.

    Attributes:
        depth: The book that it was held against.
        filled: Quantity that would fill at once.
        remaining: quantity - filled.
        rests: Whether what is left would wait in the book, or for its stop price.
        paid: Sum of price x quantity of the fill, without the multiplier.
        worst: Price of the last level taken; None when nothing would fill.
        touch: Best price of the other side; None while there is none.
        mid: (best bid + best ask) / 2; None when either is missing.
        limit_notional: quantity x limit price x multiplier; None for a market order.
        own_opposite: Quantity of the account's own orders among what would be taken.
    """

    depth: Depth
    filled: Decimal
    remaining: Decimal
    rests: bool
    paid: Decimal
    worst: Decimal | None
    touch: Decimal | None
    mid: Decimal | None
    limit_notional: Decimal | None
    own_opposite: Decimal = ZERO

    @property
    def average(self) -> Decimal | None:
        """Paid / filled, rounded half to even to 12 digits after the point; None when nothing would fill."""
        return average_price(self.paid, self.filled)

    @property
    def notional(self) -> Decimal:
        """Paid x multiplier."""
        return EXACT.multiply(self.paid, self.depth.multiplier)

    @property
    def spread_cost(self) -> Decimal | None:
        """|touch - mid| x filled x multiplier; None without a mid price."""
        if self.mid is None or self.touch is None:
            return None
        return self._money(EXACT.multiply(EXACT.abs(EXACT.subtract(self.touch, self.mid)), self.filled))

    @property
    def slippage(self) -> Decimal | None:
        """|paid - mid x filled| x multiplier; None without a mid price."""
        if self.mid is None:
            return None
        return self._money(EXACT.abs(EXACT.subtract(self.paid, EXACT.multiply(self.mid, self.filled))))

    def fee(self, rate: Decimal) -> Decimal:
        """Returns notional x rate: what fills at once takes liquidity."""
        return EXACT.multiply(self.notional, rate)

    def net(self, side: Side, rate: Decimal) -> Decimal:
        """Returns the money that would move: notional + fee for a buy, notional - fee for a sell."""
        fee = self.fee(rate)
        return EXACT.add(self.notional, fee) if side is Side.BUY else EXACT.subtract(self.notional, fee)

    def _money(self, value: Decimal) -> Decimal:
        return EXACT.multiply(value, self.depth.multiplier)


def as_met(terms: OrderTerms, last: Decimal | None) -> OrderTerms:
    """Returns the terms that a book meets: of an order whose price the last trade has reached, what it becomes at once.

    Args:
        terms: The order.
        last: Price of the last trade; None when it is not known.
    """
    instructions = terms.instructions
    if last is None or instructions is None or not instructions.waits or not reached(terms, last):
        return terms
    return as_sent(released(terms))


def estimate(terms: OrderTerms, depth: Depth, own: Iterable[Order] = ()) -> Cost:
    """Returns what an order would cost, as a book meets it (`as_met`).

    A stop order waits and costs nothing now. So does one for an auction, and any in a call phase. A post-only one is
    refused or rests.

    Args:
        terms: The order, which its instrument allows.
        depth: The book.
        own: Live orders of the account.

    Raises:
        BeyondDepthError: More levels than were told would be taken.
    """
    levels = depth.asks if terms.side is Side.BUY else depth.bids
    waits = depth.collecting or terms.time_in_force in _AUCTIONS
    waits = waits or (terms.instructions is not None and terms.instructions.waits)
    filled, paid, worst = (ZERO, ZERO, None) if waits else _walk(terms, levels, depth.most_levels)
    refused = terms.instructions is not None and terms.instructions.post_only and bool(filled)
    if refused or (terms.time_in_force is TimeInForce.FOK and filled < terms.quantity and not waits):
        filled, paid, worst = ZERO, ZERO, None
    remaining = EXACT.subtract(terms.quantity, filled)
    return Cost(
        depth,
        filled,
        remaining,
        rests=waits or (bool(remaining) and not refused and terms.time_in_force not in _AT_ONCE),
        paid=paid,
        worst=worst,
        touch=levels[0].price if levels else None,
        mid=_mid(depth),
        limit_notional=_limit_notional(terms, depth),
        own_opposite=_own_opposite(terms, worst, own),
    )


def _walk(terms: OrderTerms, levels: Sequence[Level], most: int) -> tuple[Decimal, Decimal, Decimal | None]:
    """Returns quantity, sum of price x quantity, and worst price of what would fill."""
    filled, paid, worst = ZERO, ZERO, None
    for level in levels:
        if filled == terms.quantity or not _reaches(terms, level.price):
            return filled, paid, worst
        taken = min(level.quantity, EXACT.subtract(terms.quantity, filled))
        filled = EXACT.add(filled, taken)
        paid = EXACT.add(paid, EXACT.multiply(level.price, taken))
        worst = level.price
    if filled < terms.quantity and len(levels) >= most:
        raise BeyondDepthError
    return filled, paid, worst


def _reaches(terms: OrderTerms, price: Decimal) -> bool:
    limit = terms.limit_price
    if limit is None:
        return True
    return price <= limit if terms.side is Side.BUY else price >= limit


def _mid(depth: Depth) -> Decimal | None:
    if not depth.bids or not depth.asks:
        return None
    return EXACT.divide(EXACT.add(depth.bids[0].price, depth.asks[0].price), _TWO)


def _limit_notional(terms: OrderTerms, depth: Depth) -> Decimal | None:
    if terms.limit_price is None:
        return None
    return EXACT.multiply(EXACT.multiply(terms.quantity, terms.limit_price), depth.multiplier)


def _own_opposite(terms: OrderTerms, worst: Decimal | None, own: Iterable[Order]) -> Decimal:
    """Returns the quantity of own orders at prices that would be taken: self-trade prevention would stop there."""
    total = ZERO
    if worst is None:
        return total
    for order in own:
        theirs = order.terms
        price = theirs.limit_price
        if theirs.instructions is not None and theirs.instructions.waits:
            continue
        if theirs.instrument != terms.instrument or theirs.side is terms.side or price is None:
            continue
        if price <= worst if terms.side is Side.BUY else price >= worst:
            total = EXACT.add(total, order.leaves)
    return total
