"""Candles: what the trades of an interval were. A candle is a function of a set of trades, whatever their order.

Two candles of disjoint trades in one interval merge into the candle of both, so that parts made before and after a
restart, in memory and in the store, always add up to the same.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import NamedTuple

from services.marketdata.domain.trade import Trade

SECOND_NS = 1_000_000_000


class Interval(enum.IntEnum):
    """How long a candle lasts, in seconds. Candles begin at whole multiples since 1970 UTC."""

    SECOND = 1
    MINUTE = 60
    FIVE_MINUTES = 300
    FIFTEEN_MINUTES = 900
    HOUR = 3600
    DAY = 86_400

    def open_second(self, time_ns: int) -> int:
        """Returns the second since 1970 with which the candle that holds this instant begins."""
        second = time_ns // SECOND_NS
        return second - second % self


class Candle(NamedTuple):
    """What the trades of one interval were: at least one.

    Attributes:
        open_second: First second of the interval, since 1970 UTC.
        first_position: Where the first trade stands in the feed.
        last_position: Where the last trade stands in the feed.
        open: Price of the first trade, in ticks.
        high: Highest price, in ticks.
        low: Lowest price, in ticks.
        close: Price of the last trade, in ticks.
        volume: Lots traded.
        turnover: Sum of price x quantity, in ticks x lots.
        trade_count: Number of trades.
    """

    open_second: int
    first_position: int
    last_position: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int
    trade_count: int


def candle_of(trade: Trade, interval: Interval) -> Candle:
    """Returns the candle of a single trade."""
    price, quantity = trade.price, trade.quantity
    return Candle(
        interval.open_second(trade.time_ns),
        trade.position,
        trade.position,
        price,
        price,
        price,
        price,
        quantity,
        price * quantity,
        1,
    )


def extended(candle: Candle, trade: Trade) -> Candle:
    """Returns the candle with one trade more, which must be of its interval and stand after all that it has."""
    _, first_position, _, open_, high, low, _, volume, turnover, trade_count = candle
    price, quantity = trade.price, trade.quantity
    return Candle(
        candle.open_second,
        first_position,
        trade.position,
        open_,
        max(high, price),
        min(low, price),
        price,
        volume + quantity,
        turnover + price * quantity,
        trade_count + 1,
    )


def merge(one: Candle, other: Candle) -> Candle:
    """Returns the candle of the trades of both, which must be of one interval and have no trade in common."""
    first = one if one.first_position <= other.first_position else other
    last = one if one.last_position >= other.last_position else other
    return Candle(
        one.open_second,
        first.first_position,
        last.last_position,
        first.open,
        max(one.high, other.high),
        min(one.low, other.low),
        last.close,
        one.volume + other.volume,
        one.turnover + other.turnover,
        one.trade_count + other.trade_count,
    )


def candles_of(trades: Iterable[Trade], interval: Interval) -> dict[int, Candle]:
    """Returns the candles of trades, by the second with which they begin."""
    candles: dict[int, Candle] = {}
    for trade in trades:
        add_candle(candles, candle_of(trade, interval))
    return candles


def add_candle(candles: dict[int, Candle], candle: Candle) -> None:
    """Merges a candle into those of the same interval length."""
    known = candles.get(candle.open_second)
    candles[candle.open_second] = candle if known is None else merge(known, candle)


def coarsen(candles: Iterable[Candle], interval: Interval) -> dict[int, Candle]:
    """Returns the candles of a longer interval out of those of a shorter one that divides it."""
    coarse: dict[int, Candle] = {}
    for candle in candles:
        add_candle(coarse, candle._replace(open_second=candle.open_second - candle.open_second % interval))
    return coarse
