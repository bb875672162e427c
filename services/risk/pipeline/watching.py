"""Watches accounts between their orders: the market moves, days end, limits are lowered."""

from __future__ import annotations

import asyncio
from typing import Final

from services.kernel.clock import Clock, from_ns
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.breach import Rule
from services.risk.domain.exposure import Account
from services.risk.domain.uses import LimitUse, limit_uses
from services.risk.pipeline.alerts import AlertSink
from services.risk.pipeline.book import Book
from services.risk.pipeline.breakers import Breakers

_PER_TURN: Final = 200

Key = tuple[str, Rule, str]


class Watcher:
    """Looks at every account, begins days, trips breakers, and tells once of each limit that is exceeded."""

    def __init__(self, book: Book, breakers: Breakers, alerts: AlertSink, clock: Clock) -> None:
        self._book = book
        self._breakers = breakers
        self._alerts = alerts
        self._clock = clock
        self._exceeded: set[Key] = set()

    async def run(self, interval_seconds: float) -> None:
        """Looks, again and again."""
        while True:
            await asyncio.sleep(interval_seconds)
            await self.look()

    async def look(self) -> None:
        """Looks at every account once, and lets others work in between."""
        self._book.begin_day(self._clock.now().toordinal())
        self._breakers.tell_folded(self._clock.now_ns())
        for number, account in enumerate(list(self._book.accounts.values())):
            self._look_at(account, self._clock.now_ns())
            if number % _PER_TURN == _PER_TURN - 1:
                await asyncio.sleep(0)

    def _look_at(self, account: Account, now_ns: int) -> None:
        limits = self._book.limits.of(account.account_id)
        self._breakers.watch(account, limits, now_ns)
        for use in limit_uses(account, limits):
            key = (account.account_id, use.rule, use.instrument)
            if not use.exceeded:
                self._exceeded.discard(key)
            elif key not in self._exceeded:
                self._exceeded.add(key)
                self._tell(account, use, now_ns)

    def _tell(self, account: Account, use: LimitUse, now_ns: int) -> None:
        breach = use.breach()
        self._alerts.add(
            Alert(
                account.account_id,
                AlertKind.LIMIT_EXCEEDED,
                breach.text.replace(" would be ", " is "),
                from_ns(now_ns),
                instrument=use.instrument,
                breach=breach,
            )
        )
