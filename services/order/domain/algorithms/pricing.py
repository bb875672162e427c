"""At what price a child order is sent."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.algorithms.terms import Aggressiveness
from services.order.domain.quotes import Quote
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Market:
    """The market of an instrument at one moment.

    Attributes:
        quote: The newest quote; None while nothing is known.
        volume: Quantity traded since the algorithm began; None while it is not known.
        trading: Whether the instrument trades.
    """

    quote: Quote | None
    volume: Decimal | None = None
    trading: bool = True


class Price(NamedTuple):
    """How a child order is sent."""

    type: OrderType
    time_in_force: TimeInForce
    limit_price: Decimal | None


def price_of(terms: OrderTerms, aggressiveness: Aggressiveness, market: Market, tick: Decimal) -> Price | str:
    """Returns how a child of an order is sent now, or why none can be.

    Args:
        terms: The parent's; no child is priced beyond its limit.
        aggressiveness: How eagerly.
        market: The market.
        tick: Prices are multiples of it.
    """
    quote = market.quote
    if not market.trading:
        return "the instrument does not trade"
    if quote is None or quote.stale:
        return "there is no quote, or it may be old"
    if aggressiveness is Aggressiveness.AGGRESSIVE:
        return _at_once(terms, quote)
    near, limit = quote.bid if terms.side is Side.BUY else quote.ask, terms.limit_price
    middle = quote.mid if aggressiveness is Aggressiveness.NEUTRAL else None
    price = near if middle is None else _own_side(middle, terms.side, tick)
    if price is None:
        return "its own side of the book is empty"
    if limit is not None:
        price = min(price, limit) if terms.side is Side.BUY else max(price, limit)
    return Price(OrderType.LIMIT, TimeInForce.DAY, price)


def _at_once(terms: OrderTerms, quote: Quote) -> Price | str:
    touch, limit = quote.touch(terms.side), terms.limit_price
    if touch is None:
        return "the other side of the book is empty"
    if limit is None:
        return Price(OrderType.MARKET, TimeInForce.IOC, None)
    if touch > limit if terms.side is Side.BUY else touch < limit:
        return "the market is beyond its limit"
    return Price(OrderType.LIMIT, TimeInForce.IOC, limit)


def _own_side(price: Decimal, side: Side, tick: Decimal) -> Decimal:
    """Returns a price on a tick, away from the other side."""
    rest = EXACT.remainder(price, tick)
    below = EXACT.subtract(price, rest)
    return below if side is Side.BUY or rest == ZERO else EXACT.add(below, tick)
