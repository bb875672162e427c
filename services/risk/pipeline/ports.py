"""What the pipeline needs of the outside."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from services.mesh.audit import Origin
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters
from services.risk.domain.market import Market
from services.risk.domain.trading import KillSwitch


class Standing(enum.Enum):
    """What is known of an account."""

    KNOWN = "known"
    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"


class Accounts(Protocol):
    """Which accounts there are."""

    def known(self, account_id: str) -> bool:
        """Tells whether an account is known to be there, without asking anybody."""
        ...

    async def find(self, account_id: str) -> Standing:
        """Asks for an account, within a time that an order can wait."""
        ...


class Markets(Protocol):
    """The instruments there are, with their newest prices."""

    def get(self, instrument: str) -> Market | None:
        """Returns an instrument that is known, without asking anybody."""
        ...

    async def find(self, instrument: str) -> Standing:
        """Asks for an instrument, within a time that an order can wait."""
        ...

    async def require(self, instruments: Iterable[str]) -> None:
        """Waits until all of these instruments are known."""
        ...

    def fresh(self, now_ns: int) -> bool:
        """Tells whether prices are fresh: the feed lives, or was heard a short while ago."""
        ...


@dataclass(frozen=True, slots=True)
class SavedExposure:
    """What is kept of an exposure."""

    account_id: str
    shard: int
    instrument: str
    position: Decimal
    day_cash: Decimal
    start_position: Decimal
    start_price: Decimal
    last_price: Decimal | None


@dataclass(frozen=True, slots=True)
class SavedDay:
    """What is kept of an account's day."""

    account_id: str
    shard: int
    day: int
    trades: int
    volume: Decimal


@dataclass(frozen=True, slots=True)
class LogCursor:
    """How far the log of a shard was consumed."""

    shard: int
    epoch: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed since it was last saved; saved in one transaction.

    Attributes:
        begun_anew: Shards whose log is another one than before: what they had is forgotten.
        environments: Environments of accounts that were learned.
    """

    exposures: tuple[SavedExposure, ...] = ()
    days: tuple[SavedDay, ...] = ()
    cursors: tuple[LogCursor, ...] = ()
    begun_anew: tuple[int, ...] = ()
    environments: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """All that is kept of the book."""

    exposures: Sequence[SavedExposure]
    days: Sequence[SavedDay]
    cursors: Sequence[LogCursor]
    environments: Mapping[str, int] = field(default_factory=dict)


class BookStore(Protocol):
    """Where positions and counters are kept."""

    async def load(self) -> Kept:
        """Returns everything."""
        ...

    async def save(self, changes: Changes) -> None:
        """Saves what changed, in one transaction.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...


class ParameterStore(Protocol):
    """Where parameters are kept."""

    async def load_parameters(self) -> Mapping[str, Parameters]:
        """Returns all parameters, by account; the firm's under the empty name."""
        ...

    async def save_parameters(self, parameters: Parameters) -> bool:
        """Saves parameters if those stored are at the version before; returns whether they were."""
        ...


class BreakerStore(Protocol):
    """Where circuit breakers are kept."""

    async def load_breakers(self) -> Mapping[str, Breaker]:
        """Returns all breakers that ever tripped, by account."""
        ...

    async def save_breakers(self, breakers: Sequence[Breaker]) -> None:
        """Saves breakers."""
        ...


class SwitchSet(NamedTuple):
    """A kill switch as somebody has set it; None: who makes the call that is being served, or the service itself."""

    switch: KillSwitch
    by: Origin | None


class SwitchStore(Protocol):
    """Where kill switches are kept."""

    async def load_switches(self) -> Sequence[KillSwitch]:
        """Returns all switches that were ever set."""
        ...

    async def save_switches(self, changes: Sequence[SwitchSet]) -> None:
        """Saves what switches were set to, of each in the order of its versions; one stored at a later version stays.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        ...


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts are wanted. Empty and None: all.

    Attributes:
        account_id: Alerts of the firm are every account's.
        firm: The firm in one environment, whose alerts are wanted as well.
        before_sequence: Only alerts before it; 0 for all.
    """

    account_id: str = ""
    kinds: tuple[AlertKind, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    before_sequence: int = 0
    firm: str = ""


class AlertStore(Protocol):
    """Where alerts are kept."""

    async def last_alert(self) -> int:
        """Returns the sequence of the last alert, 0 when there is none."""
        ...

    async def append_alerts(self, alerts: Sequence[Alert]) -> None:
        """Stores alerts, in one transaction."""
        ...

    async def list_alerts(self, wanted: AlertFilter, limit: int) -> list[Alert]:
        """Returns up to a number of alerts, newest first."""
        ...

    async def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        """Returns up to a number of alerts after a sequence, oldest first."""
        ...
