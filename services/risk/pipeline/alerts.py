"""The log of alerts: numbered without gaps, stored, then told to streams and the bus."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol

import structlog

from services.bus.backoff import Backoff
from services.kernel.drain import Drain
from services.kernel.errors import CodedError
from services.kernel.identifiers import Identifiers
from services.risk.domain.alert import Alert
from services.risk.pipeline.ports import AlertStore

_MOST_PER_COMMIT: Final = 500
_MOST_WAITING: Final = 20_000

_log = structlog.stdlib.get_logger(__name__)

Told = Callable[[Sequence[Alert]], None]


class AlertSink(Protocol):
    """Takes alerts."""

    def add(self, alert: Alert) -> None:
        """Takes an alert; it is stored and told soon."""
        ...


class AlertLog:
    """Stores alerts in the order in which they came, and tells them once they are committed."""

    def __init__(self, store: AlertStore, identifiers: Identifiers, told: Sequence[Told] = ()) -> None:
        self._store = store
        self._identifiers = identifiers
        self._told = list(told)
        self._waiting: Drain[Alert] = Drain()
        self._taken: list[Alert] = []
        self._backoff = Backoff()
        self.last_sequence = 0
        self.lost = 0

    @property
    def waiting(self) -> int:
        """How many alerts wait for the store."""
        return len(self._waiting) + len(self._taken)

    async def load(self) -> None:
        """Finds out where the log ends."""
        self.last_sequence = await self._store.last_alert()

    def listen(self, told: Told) -> None:
        """Tells committed alerts to one more."""
        self._told.append(told)

    def add(self, alert: Alert) -> None:
        """Takes an alert. When the store has been away for so long that too many wait, it is only logged."""
        if len(self._waiting) >= _MOST_WAITING:
            self.lost += 1
            _log.error("alert lost: too many wait for the store", text=alert.text, account_id=alert.account_id)
            return
        self._waiting.put(alert)

    async def run(self) -> None:
        """Stores and tells, for ever; what cannot be stored now is tried again."""
        while True:
            self._taken = self._numbered(await self._waiting.take(_MOST_PER_COMMIT))
            await self._commit_taken()

    async def flush(self) -> None:
        """Stores what waits, at the end.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        if self._taken and await self._stored(self._taken):
            # Broken off between commit and answer. What waits is numbered after them.
            self._tell(self._taken)
        elif self._taken:
            await self._store_and_tell(self._taken)
        self._taken = []
        if waiting := self._waiting.take_waiting(_MOST_WAITING):
            await self._store_and_tell(self._numbered(waiting))

    async def _commit_taken(self) -> None:
        while True:
            try:
                await self._store_and_tell(self._taken)
            except CodedError as error:
                _log.warning("alerts cannot be stored now", error=str(error), count=len(self._taken))
                await self._backoff.wait()
                # An answer that was lost may have stood for a commit.
                if not await self._stored(self._taken):
                    continue
                self._tell(self._taken)
            self._backoff.reset()
            self._taken = []
            return

    def _numbered(self, alerts: Sequence[Alert]) -> list[Alert]:
        first = self.last_sequence + 1
        return [
            replace(alert, sequence=first + index, alert_id=self._identifiers.new_id())
            for index, alert in enumerate(alerts)
        ]

    async def _store_and_tell(self, numbered: list[Alert]) -> None:
        await self._store.append_alerts(numbered)
        self._tell(numbered)

    async def _stored(self, numbered: list[Alert]) -> bool:
        try:
            return await self._store.last_alert() >= numbered[-1].sequence
        except CodedError:
            return False

    def _tell(self, numbered: list[Alert]) -> None:
        self.last_sequence = numbered[-1].sequence
        for told in self._told:
            told(numbered)
