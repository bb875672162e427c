"""Tells the bus what accounts are worth, when it has changed, and not more often than it must."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from services.portfolio.pipeline.ledger import Ledger
from services.portfolio.pipeline.prices import PriceBoard
from services.portfolio.pipeline.valuer import Appraisal, Valuer

MOST_PER_TURN: Final = 200


class ValuePublisher:
    """Publishes the value of each account's own portfolio after bookings and prices changed it.

    Valuing costs time that booking and answers need: in one turn no more than a number of accounts are valued, and the
    next turn begins with those that are left.
    """

    def __init__(
        self,
        ledger: Ledger,
        board: PriceBoard,
        valuer: Valuer,
        publish: Callable[[Appraisal], None],
        *,
        most_per_turn: int = MOST_PER_TURN,
    ) -> None:
        self._ledger, self._board, self._valuer, self._publish = ledger, board, valuer, publish
        self._most_per_turn = most_per_turn
        self._told: dict[str, tuple[object, ...]] = {}
        self._waiting: list[str] = []

    async def run(self, interval_seconds: float) -> None:
        """Publishes for ever."""
        while True:
            await self.turn()
            await asyncio.sleep(interval_seconds)

    async def turn(self) -> None:
        """Publishes accounts that changed since they were last published, letting others work in between."""
        published = 0
        self._waiting = self._waiting or list(self._ledger.positions)
        while self._waiting and published < self._most_per_turn:
            published += self._publish_if_changed(self._waiting.pop())
            await asyncio.sleep(0)

    def _publish_if_changed(self, account_id: str) -> bool:
        account = self._ledger.account(account_id)
        positions = self._ledger.positions_of(account_id).values()
        prices = tuple(self._board.price(position.instrument) for position in positions if position.is_open)
        now = (account.change_count, account.updated_at, prices)
        if self._told.get(account_id) == now:
            return False
        self._told[account_id] = now
        self._publish(self._valuer.appraise(self._ledger.portfolio(account.portfolio_id)))
        return True
