"""What an instrument allows, as far as an order is concerned."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Instrument:
    """The steps and bounds of an instrument.

    Attributes:
        name: `SYMBOL.VENUE`.
        tick_size: Every price is a multiple of it.
        lot_size: Every quantity is a multiple of it.
        min_quantity: Smallest quantity of an order.
        max_quantity: Largest quantity of an order.
        trading: Whether it takes orders now.
        expires_at_ns: When it ceases to trade, nanoseconds since 1970; None for never.
        collecting: Whether it collects orders for an auction, without trading.
        currency: Currency of its prices; empty when it is not known.
        multiplier: value = price x quantity x multiplier.
    """

    name: str
    tick_size: Decimal
    lot_size: Decimal
    min_quantity: Decimal
    max_quantity: Decimal
    trading: bool = True
    expires_at_ns: int | None = None
    collecting: bool = False
    currency: str = ""
    multiplier: Decimal = Decimal(1)

    @property
    def symbol(self) -> str:
        """What it is a listing of."""
        return self.name.rpartition(".")[0]

    @property
    def venue(self) -> str:
        """Where it is listed."""
        return self.name.rpartition(".")[2]

    def lists_the_same(self, other: Instrument) -> bool:
        """Tells whether one unit of it is one unit of another."""
        mine = (self.symbol, self.currency, self.multiplier)
        return mine == (other.symbol, other.currency, other.multiplier)

    def trades_at(self, at_ns: int) -> bool:
        """Tells whether it takes orders at a time."""
        return self.trading and (self.expires_at_ns is None or at_ns < self.expires_at_ns)
