"""What an instrument is worth: a price that wanders, returns, and gives way to those who trade.

An Ornstein-Uhlenbeck process of the logarithm (Uhlenbeck and Ornstein, 1930; Vasicek, 1977), stepped exactly, so that a
step's length does not change its law.
"""

from __future__ import annotations

import math
from random import Random

TRADING_YEAR_SECONDS = 252 * 6.5 * 3600
REVERSION_SECONDS = 1800.0
"""Time in which a deviation from the long-run price falls to 1/e."""


class FairValue:
    """The price in ticks.

    Args:
        ticks: Long-run price in ticks, where the process begins.
        volatility: Standard deviation of the logarithm over a year of trading.
        draw: Source of chance.
    """

    def __init__(self, ticks: float, volatility: float, draw: Random) -> None:
        self._mean = math.log(ticks)
        self._deviation = 0.0
        self._variance_rate = volatility**2 / TRADING_YEAR_SECONDS
        self._draw = draw

    @property
    def ticks(self) -> float:
        """The price now, in ticks."""
        return math.exp(self._mean + self._deviation)

    def step(self, seconds: float) -> None:
        """Lets time pass."""
        decay = math.exp(-seconds / REVERSION_SECONDS)
        spread = math.sqrt(self._variance_rate * REVERSION_SECONDS / 2 * (1 - decay**2))
        self._deviation = self._deviation * decay + self._draw.gauss(0.0, spread)

    def push(self, share: float) -> None:
        """Moves the price by a share of itself, as those who trade push it."""
        self._deviation += share
