"""What risk must know of an instrument: its terms and its newest prices."""

from __future__ import annotations

from decimal import Decimal

from services.risk.domain.values import Side

_TWO = Decimal(2)


class Market:
    """An instrument and its newest quote.

    Prices come as decimal strings, a thousand a second; they become numbers when somebody asks.

    Attributes:
        currency: Currency of prices.
        multiplier: value = price x quantity x multiplier.
    """

    __slots__ = ("_ask", "_bid", "_last", "_texts", "currency", "instrument", "multiplier")

    def __init__(self, instrument: str, currency: str, multiplier: Decimal) -> None:
        self.instrument = instrument
        self.currency = currency
        self.multiplier = multiplier
        self._texts: tuple[str, str, str] | None = None
        self._bid: Decimal | None = None
        self._ask: Decimal | None = None
        self._last: Decimal | None = None

    def quote(self, bid: str, ask: str, last: str) -> None:
        """Takes the newest quote; an empty price is not known."""
        self._texts = (bid, ask, last)

    def reference(self) -> Decimal | None:
        """Returns the reference price: that of the last trade, brought into the present bid and ask.

        Before the first trade it is the middle of bid and ask, or the one of them that there is; None when there is
        nothing.
        """
        self._read()
        bid, ask, last = self._bid, self._ask, self._last
        if last is None:
            return (bid + ask) / _TWO if bid is not None and ask is not None else (bid if ask is None else ask)
        if bid is not None and last < bid:
            return bid
        if ask is not None and last > ask:
            return ask
        return last

    def taking(self, side: int) -> Decimal | None:
        """Returns the price at which a market order is valued: the best of the other side, else the last trade's."""
        self._read()
        other = self._ask if side == Side.BUY else self._bid
        return other if other is not None else self._last

    def _read(self) -> None:
        if (texts := self._texts) is not None:
            bid, ask, last = texts
            self._bid = Decimal(bid) if bid else None
            self._ask = Decimal(ask) if ask else None
            self._last = Decimal(last) if last else None
            self._texts = None
