"""What whoever watches risk is told."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime

from services.risk.domain.breach import Breach


class AlertKind(enum.IntEnum):
    """What an alert is about, numbered as in the contract."""

    ORDER_REFUSED = 1
    CIRCUIT_BREAKER_TRIPPED = 2
    CIRCUIT_BREAKER_RESET = 3
    LIMIT_EXCEEDED = 4
    TRADING_STOPPED = 5
    TRADING_RESUMED = 6


class Severity(enum.IntEnum):
    """How much an alert asks for attention, numbered as in the contract."""

    INFORMATION = 1
    WARNING = 2
    CRITICAL = 3


SEVERITY = {
    AlertKind.ORDER_REFUSED: Severity.WARNING,
    AlertKind.CIRCUIT_BREAKER_TRIPPED: Severity.CRITICAL,
    AlertKind.CIRCUIT_BREAKER_RESET: Severity.INFORMATION,
    AlertKind.LIMIT_EXCEEDED: Severity.CRITICAL,
    AlertKind.TRADING_STOPPED: Severity.CRITICAL,
    AlertKind.TRADING_RESUMED: Severity.INFORMATION,
}


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert; `alert_id` and `sequence` are given to it when it is stored.

    Attributes:
        reason: Name out of the contract's `ErrorReason`; empty unless orders were refused.
        order_id: The last order refused; empty unless orders were.
        occurrences: How often it happened.
        trading_state: What a kill switch was set to, as a number of the contract; 0 unless one was.
        at: When it happened last.
    """

    account_id: str
    kind: AlertKind
    text: str
    at: datetime
    instrument: str = ""
    breach: Breach | None = None
    reason: str = ""
    order_id: str = ""
    occurrences: int = 1
    alert_id: str = ""
    sequence: int = 0
    trading_state: int = 0

    @property
    def severity(self) -> Severity:
        """How much it asks for attention."""
        return SEVERITY[self.kind]


@dataclass(slots=True)
class _Fold:
    since_ns: int
    waiting: Alert | None = None


class RefusalFolder:
    """Folds refusals of one account by one rule in one instrument: the first is told at once, then one a second."""

    def __init__(self, interval_ns: int = 1_000_000_000) -> None:
        self._interval_ns = interval_ns
        self._folds: dict[tuple[str, str, int, str], _Fold] = {}

    def add(self, alert: Alert, now_ns: int) -> Alert | None:
        """Takes a refusal; returns it if it is to be told at once."""
        rule = int(alert.breach.rule) if alert.breach is not None else 0
        key = (alert.account_id, alert.reason, rule, alert.instrument)
        if (fold := self._folds.get(key)) is None:
            self._folds[key] = _Fold(now_ns)
            return alert
        before = fold.waiting.occurrences if fold.waiting is not None else 0
        fold.waiting = replace(alert, occurrences=before + 1)
        return None

    def due(self, now_ns: int) -> list[Alert]:
        """Returns what has been folded for long enough; a clock that was set back delays nothing."""
        alerts: list[Alert] = []
        for key, fold in list(self._folds.items()):
            if abs(now_ns - fold.since_ns) < self._interval_ns:
                continue
            if fold.waiting is None:
                del self._folds[key]
                continue
            alerts.append(fold.waiting)
            fold.waiting, fold.since_ns = None, now_ns
        return alerts
