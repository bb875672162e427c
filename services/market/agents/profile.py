"""What the agents know of an instrument before they trade it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Profile:
    """How an instrument trades.

    Attributes:
        price: Price to begin with when it has never traded.
        volatility: Standard deviation of the logarithm of the price over a year of trading.
        half_spread: Half of the makers' spread, in the currency of the price.
        quantity: Typical quantity of an order, in the instrument's units.
        activity: Takers' orders a second, on average.
    """

    price: Decimal
    volatility: float
    half_spread: Decimal
    quantity: Decimal
    activity: float


def _profile(price: str, volatility: float, half_spread: str, quantity: str, activity: float) -> Profile:
    return Profile(Decimal(price), volatility, Decimal(half_spread), Decimal(quantity), activity)


PROFILES = {
    "AAPL.XNAS": _profile("187.25", 0.28, "0.01", "100", 2.0),
    "MSFT.XNAS": _profile("412.40", 0.25, "0.02", "60", 1.5),
    "NVDA.XNAS": _profile("131.80", 0.50, "0.01", "150", 3.0),
    "JPM.XNYS": _profile("198.60", 0.22, "0.02", "80", 1.0),
    "RELIANCE.XNSE": _profile("2951.4", 0.24, "0.3", "40", 1.0),
    "BTC-USDT.BINANCE": _profile("64250.00", 0.60, "2.50", "0.05", 3.0),
    "ETH-USDT.BINANCE": _profile("3170.00", 0.70, "0.20", "0.8", 2.0),
    "EUR-USD.LMAX": _profile("1.08450", 0.08, "0.00002", "100000", 2.0),
    "USD-JPY.LMAX": _profile("151.320", 0.09, "0.004", "100000", 1.5),
    "ESZ7.XCME": _profile("5480.00", 0.16, "0.25", "3", 2.0),
}
"""The instruments that agents trade, with the size of price, spread and order that their markets are known for."""
