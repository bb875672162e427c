"""RiskService's store, accounts and instruments as plain objects that a test can break."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.kernel.errors import unavailable
from services.mesh.audit import Origin
from services.risk.domain.alert import Alert
from services.risk.domain.breaker import Breaker
from services.risk.domain.limits import Parameters
from services.risk.domain.market import Market
from services.risk.domain.trading import KillSwitch, TradingState
from services.risk.pipeline.ports import (
    AlertFilter,
    Changes,
    Kept,
    LogCursor,
    SavedDay,
    SavedExposure,
    Standing,
    SwitchSet,
)

EPOCH = str(UUID(int=1))


class FakeAccounts:
    """Accounts that a test names.

    Attributes:
        there: Accounts that exist.
        reachable: Whether anybody answers.
    """

    def __init__(self, *there: str) -> None:
        self.there = set(there)
        self.reachable = True
        self.asked: list[str] = []
        self._known: set[str] = set()

    def known(self, account_id: str) -> bool:
        return account_id in self._known

    async def find(self, account_id: str) -> Standing:
        self.asked.append(account_id)
        if not self.reachable:
            return Standing.UNREACHABLE
        if account_id not in self.there:
            return Standing.UNKNOWN
        self._known.add(account_id)
        return Standing.KNOWN


class FakeMarkets:
    """Instruments that a test names.

    Attributes:
        live: Whether prices are fresh.
        hidden: Instruments that exist, but are only told when asked for.
    """

    def __init__(self, *markets: Market) -> None:
        self.all = {each.instrument: each for each in markets}
        self.hidden: dict[str, Market] = {}
        self.live = True
        self.reachable = True

    def get(self, instrument: str) -> Market | None:
        return self.all.get(instrument)

    async def find(self, instrument: str) -> Standing:
        if not self.reachable:
            return Standing.UNREACHABLE
        if instrument in self.hidden:
            self.all[instrument] = self.hidden[instrument]
        return Standing.KNOWN if instrument in self.all else Standing.UNKNOWN

    async def require(self, instruments: Iterable[str]) -> None:
        for instrument in instruments:
            assert await self.find(instrument) == Standing.KNOWN

    def fresh(self, now_ns: int) -> bool:
        return self.live


class FakeRiskStore:
    """Everything that RiskService keeps, in memory.

    Attributes:
        set_by: Who has set switches.
        recorded: What switches were set to, why, and by whom, as the audit tells it.
        broken: The store does not answer.
        slow: Switches are not stored before it is set.
    """

    def __init__(self) -> None:
        self.exposures: dict[tuple[str, str], SavedExposure] = {}
        self.days: dict[str, SavedDay] = {}
        self.cursors: dict[int, LogCursor] = {}
        self.parameters: dict[str, Parameters] = {}
        self.breakers: dict[str, Breaker] = {}
        self.switches: dict[str, KillSwitch] = {}
        self.set_by: dict[str, Origin | None] = {}
        self.recorded: list[tuple[TradingState, str, Origin | None]] = []
        self.alerts: list[Alert] = []
        self.broken = False
        self.slow: asyncio.Event | None = None
        self.saves = 0

    async def load(self) -> Kept:
        return Kept(list(self.exposures.values()), list(self.days.values()), list(self.cursors.values()))

    async def save(self, changes: Changes) -> None:
        self._check()
        self.saves += 1
        for shard in changes.begun_anew:
            self.exposures = {key: each for key, each in self.exposures.items() if each.shard != shard}
            self.days = {key: each for key, each in self.days.items() if each.shard != shard}
        self.exposures |= {(each.account_id, each.instrument): each for each in changes.exposures}
        self.days |= {each.account_id: each for each in changes.days}
        self.cursors |= {each.shard: each for each in changes.cursors}

    async def load_parameters(self) -> Mapping[str, Parameters]:
        return dict(self.parameters)

    async def save_parameters(self, parameters: Parameters) -> bool:
        self._check()
        before = self.parameters.get(parameters.account_id)
        if before is not None and before.version != parameters.version - 1:
            return False
        self.parameters[parameters.account_id] = parameters
        return True

    async def load_breakers(self) -> Mapping[str, Breaker]:
        return dict(self.breakers)

    async def save_breakers(self, breakers: Sequence[Breaker]) -> None:
        self._check()
        for breaker in breakers:
            if breaker.version > self.breakers.get(breaker.account_id, Breaker(breaker.account_id)).version:
                self.breakers[breaker.account_id] = breaker

    async def load_switches(self) -> Sequence[KillSwitch]:
        return list(self.switches.values())

    async def save_switches(self, changes: Sequence[SwitchSet]) -> None:
        if self.slow is not None:
            await self.slow.wait()
        self._check()
        for switch, by in changes:
            self.set_by[switch.account_id] = by
            if switch.version > self.switches.get(switch.account_id, KillSwitch(switch.account_id)).version:
                self.switches[switch.account_id] = switch
                self.recorded.append((switch.state, switch.text, by))

    async def last_alert(self) -> int:
        self._check()
        return len(self.alerts)

    async def append_alerts(self, alerts: Sequence[Alert]) -> None:
        self._check()
        assert [alert.sequence for alert in alerts] == [len(self.alerts) + 1 + n for n in range(len(alerts))]
        self.alerts += alerts

    async def list_alerts(self, wanted: AlertFilter, limit: int) -> list[Alert]:
        return [alert for alert in reversed(self.alerts) if _wanted(alert, wanted)][:limit]

    async def alerts_after(self, sequence: int, limit: int) -> list[Alert]:
        return self.alerts[sequence : sequence + limit]

    async def epoch(self) -> str:
        return EPOCH

    def _check(self) -> None:
        if self.broken:
            raise unavailable("STORE_UNAVAILABLE", "the store does not answer now")


def _wanted(alert: Alert, wanted: AlertFilter) -> bool:
    return (
        (not wanted.account_id or alert.account_id in ("", wanted.firm, wanted.account_id))
        and (not wanted.kinds or alert.kind in wanted.kinds)
        and (wanted.since is None or alert.at >= wanted.since)
        and (wanted.until is None or alert.at < wanted.until)
        and (not wanted.before_sequence or alert.sequence < wanted.before_sequence)
    )
