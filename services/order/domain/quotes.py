"""The newest quote of an instrument, as far as orders are concerned."""

from __future__ import annotations

from decimal import Decimal

from services.kernel.decimals import EXACT
from services.order.domain.values import Side

_TWO = Decimal(2)


class Quote:
    """The top of a book and the last trade at one moment; never changed once made.

    Attributes:
        instrument: `SYMBOL.VENUE`.
        bid: Best bid; None while there is none.
        ask: Best ask; None while there is none.
        bid_quantity: Quantity at the best bid; None while there is none, or not known.
        ask_quantity: Quantity at the best ask; None while there is none, or not known.
        last: Price of the last trade; None before the first.
        last_quantity: Quantity of the last trade; None before the first, or not known.
        traded_at_ns: When the venue made the last trade, nanoseconds since 1970; 0 when it is not known.
        quoted_at_ns: When the venue made the quote; 0 when it is not known.
        stale: Whether it may be old: the venue's feed or MarketDataService is away.
        encoded: The quote as the first entry of an order holds it, kept by whoever encodes reports.
    """

    __slots__ = (
        "ask",
        "ask_quantity",
        "bid",
        "bid_quantity",
        "encoded",
        "instrument",
        "last",
        "last_quantity",
        "quoted_at_ns",
        "stale",
        "traded_at_ns",
    )

    def __init__(
        self,
        instrument: str,
        bid: Decimal | None = None,
        ask: Decimal | None = None,
        last: Decimal | None = None,
        *,
        bid_quantity: Decimal | None = None,
        ask_quantity: Decimal | None = None,
        last_quantity: Decimal | None = None,
        traded_at_ns: int = 0,
        quoted_at_ns: int = 0,
        stale: bool = False,
    ) -> None:
        self.instrument = instrument
        self.bid = bid
        self.ask = ask
        self.last = last
        self.bid_quantity = bid_quantity
        self.ask_quantity = ask_quantity
        self.last_quantity = last_quantity
        self.traded_at_ns = traded_at_ns
        self.quoted_at_ns = quoted_at_ns
        self.stale = stale
        self.encoded: bytes | None = None

    @property
    def mid(self) -> Decimal | None:
        """(bid + ask) / 2, exact; None when a side is empty."""
        if self.bid is None or self.ask is None:
            return None
        return EXACT.divide(EXACT.add(self.bid, self.ask), _TWO)

    @property
    def spread(self) -> Decimal | None:
        """Ask - bid; None when a side is empty."""
        if self.bid is None or self.ask is None:
            return None
        return EXACT.subtract(self.ask, self.bid)

    def touch(self, side: Side) -> Decimal | None:
        """Returns the best price that an order of a side would meet; None when there is none."""
        return self.ask if side is Side.BUY else self.bid
