"""The live markets, as far as the recorder of history needs them."""

from __future__ import annotations

from typing import Protocol

from services.marketdata.domain.trade import Trade
from services.marketdata.pipeline.ports import StoredHistory


class LiveMarkets(Protocol):
    """The markets that the live feed moves."""

    def live_position(self, number: int) -> int:
        """Returns how far the live feed of an instrument is."""
        ...

    def recovered(self, number: int, trades: list[Trade]) -> None:
        """Is told trades that did not come live."""
        ...

    def adjusted(self, number: int, stored: StoredHistory, waiting: list[Trade]) -> None:
        """Is told what the store has after trades were adjusted, and what waits behind it."""
        ...


class NoMarkets:
    """Stands in until the markets are there."""

    def live_position(self, number: int) -> int:  # noqa: ARG002 - part of the port
        """Returns the position before all."""
        return 0

    def recovered(self, number: int, trades: list[Trade]) -> None:
        """Has nobody to tell."""

    def adjusted(self, number: int, stored: StoredHistory, waiting: list[Trade]) -> None:
        """Has nobody to tell."""
