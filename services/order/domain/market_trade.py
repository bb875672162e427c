"""A public trade, and what an order has seen of them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.order.domain.conditions import followed
from services.order.domain.terms import OrderTerms


class MarketTrade(NamedTuple):
    """A trade of the public.

    Attributes:
        epoch: Incarnation of the feed that `sequence` counts in.
        sequence: Place in the instrument's feed.
        price: Its price.
        at_ns: When the venue made it, nanoseconds since 1970.
    """

    epoch: str
    sequence: int
    price: Decimal
    at_ns: int

    def follows(self, other: MarketTrade | None) -> bool:
        """Tells whether it was made after another one."""
        if other is None:
            return True
        return self.sequence > other.sequence if self.epoch == other.epoch else self.at_ns >= other.at_ns


@dataclass(frozen=True, slots=True)
class Seen:
    """What an order has seen of the market.

    Attributes:
        price: The last trade.
        at_ns: When it was made.
        tick_size: Tick of the instrument.
        reference_price: Of a trailing stop order, the trade that it follows; of others the last one.
    """

    price: Decimal
    at_ns: int
    tick_size: Decimal
    reference_price: Decimal

    def applied(self, terms: OrderTerms) -> OrderTerms:
        """Returns terms as they have followed the market."""
        return followed(terms, self.reference_price, self.at_ns, self.tick_size)
