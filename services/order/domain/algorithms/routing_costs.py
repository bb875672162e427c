"""What one unit is expected to cost at a listing, over a connection, by the formulas of smart_routing.proto."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from services.kernel.decimals import EXACT, ZERO
from services.order.domain.instruments import Instrument
from services.order.domain.preview import Level
from services.order.domain.values import Side

USUAL_YEARLY_VOLATILITY: Final = 0.3
"""Volatility of a price, as a part of it, when its market does not tell."""
_YEAR_SECONDS: Final = 365 * 86_400
_ROUND_SECONDS: Final = 1.0
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class Candidate:
    """A listing over a connection.

    Attributes:
        instrument: Listing.
        connection_id: Connection.
        fee_rate: Fee for taking liquidity, a part of the value.
        latency_seconds: From command to first report.
        fill_probability: That what is sent fills.
    """

    instrument: Instrument
    connection_id: str
    fee_rate: Decimal
    latency_seconds: float
    fill_probability: float


@dataclass(frozen=True, slots=True)
class Market:
    """The market of all listings.

    Attributes:
        levels: What the other side offers by listing, best first.
        spread: Best ask - best bid of all books, at least a tick.
        volatility: Of the price, in its currency, of a second.
    """

    levels: Mapping[str, Sequence[Level]]
    spread: Decimal
    volatility: float

    def best(self, side: Side) -> Decimal | None:
        """Returns the best price that any book offers; None when none offers anything."""
        prices = [levels[0].price for levels in self.levels.values() if levels]
        return (min if side is Side.BUY else max)(prices, default=None)


def unit_cost(candidate: Candidate, price: Decimal, side: Side, market: Market) -> Decimal:
    """Returns the expected cost of one unit at a price, beyond the best price of all books."""
    best = market.best(side)
    slippage = ZERO if best is None else abs(EXACT.subtract(price, best))
    return slippage + EXACT.multiply(price, candidate.fee_rate) + _delay_cost(candidate, market)


def price_volatility(daily: Decimal | None, price: Decimal) -> float:
    """Returns the volatility of a price in its currency, of a second.

    Args:
        daily: Of a day; None: not known.
        price: The price.
    """
    if daily is None:
        return USUAL_YEARLY_VOLATILITY * float(price) / math.sqrt(_YEAR_SECONDS)
    return float(daily) / math.sqrt(86_400)


def _delay_cost(candidate: Candidate, market: Market) -> Decimal:
    """Returns what a unit is expected to cost for the time that its order takes, and for not filling."""
    latency = market.volatility * math.sqrt(candidate.latency_seconds / (2 * math.pi))
    later = float(market.spread) + market.volatility * math.sqrt(_ROUND_SECONDS / (2 * math.pi))
    return statistic(latency + (1 - candidate.fill_probability) * later)


def statistic(value: float) -> Decimal:
    """Returns a statistic as a number of so many digits that can be written down."""
    return Decimal(f"{value:.{_DIGITS}f}").normalize(EXACT)
