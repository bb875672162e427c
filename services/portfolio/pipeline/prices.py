"""The newest price of every instrument."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from services.bus.fanout import Fanout, Reader
from services.portfolio.domain.fill import InstrumentTerms
from services.portfolio.domain.price import Pair, Price, Rates


class PriceBoard:
    """Prices by instrument, the rates that follow from them, and those who want to know of changes."""

    def __init__(self) -> None:
        self._prices: dict[str, Price] = {}
        self._pairs: dict[str, InstrumentTerms] = {}
        self._rates: Rates | None = None
        self._fanout: Fanout[str, Price | None] = Fanout()

    @property
    def prices(self) -> Mapping[str, Price]:
        """Prices by instrument."""
        return self._prices

    @property
    def pairs(self) -> Collection[str]:
        """The instruments that rates are made of."""
        return self._pairs.keys()

    def price(self, instrument: str) -> Price | None:
        """Returns the newest price; None when there is none."""
        return self._prices.get(instrument)

    def rates(self) -> Rates:
        """Returns the rates at the newest prices."""
        if self._rates is None:
            self._rates = Rates(
                Pair(terms.pair_base, terms.currency, self._prices[name])
                for name, terms in sorted(self._pairs.items())
                if name in self._prices
            )
        return self._rates

    def update(self, terms: InstrumentTerms, price: Price | None) -> None:
        """Notes the newest price of an instrument, or that there is none any more."""
        if self._prices.get(terms.name) == price:
            return
        if price is None:
            del self._prices[terms.name]
        else:
            self._prices[terms.name] = price
        if terms.pair_base:
            self._pairs[terms.name] = terms
            self._rates = None
        self._fanout.publish(terms.name, price)

    def mark_stale(self) -> None:
        """Notes that no newer prices come for now."""
        self._rates = None
        for name, price in list(self._prices.items()):
            if not price.stale:
                self._prices[name] = stale = replace(price, stale=True)
                self._fanout.publish(name, stale)

    def subscribe(self, instruments: Iterable[str]) -> Reader[str, Price | None]:
        """Returns a reader of the changes of some instruments."""
        return self._fanout.subscribe(instruments)
