"""Tells the bus what accounts are worth, when it has changed, and not more often than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.valuer import Appraisal, Valuer


class ValuePublisher:
    """Publishes the value of each account's own portfolio after bookings and prices changed it."""

    def __init__(self, ledger: Ledger, board: PriceBoard, valuer: Valuer, publish: Callable[[Appraisal], None]) -> None:
        self._ledger, self._board, self._valuer, self._publish = ledger, board, valuer, publish
        self._told: dict[str, tuple[object, ...]] = {}

    async def run(self, interval_seconds: float) -> None:
        """Publishes for ever."""
        while True:
            self.publish_changed()
            await asyncio.sleep(interval_seconds)

    def publish_changed(self) -> None:
        """Publishes the accounts that changed since it was last called."""
        for account_id, positions in list(self._ledger.positions.items()):
            account = self._ledger.account(account_id)
            prices = tuple(self._board.price(p.instrument) for p in positions.values() if p.is_open)
            now = (account.change_count, prices)
            if self._told.get(account_id) != now:
                self._told[account_id] = now
                self._publish(self._valuer.appraise(self._ledger.portfolio(account.portfolio_id)))
