"""Sets the kill switches: a stop holds before it is stored, a resumption only after."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import structlog

from services.kernel.clock import Clock
from services.kernel.errors import aborted, not_found
from services.mesh.audit import Origin, origin
from services.mesh.names import Key
from services.risk.domain.alert import Alert, AlertKind
from services.risk.domain.limits import FIRM, firm_of, is_firm
from services.risk.domain.trading import KillSwitch, TradingState
from services.risk.pipeline.alerts import AlertSink
from services.risk.pipeline.book import Book
from services.risk.pipeline.ports import Standing, SwitchSet, SwitchStore
from services.risk.pipeline.withdrawing import Withdrawing

_log = structlog.stdlib.get_logger(__name__)

MOST_UNSAVED: Final = 100
"""Changes of one switch that are kept while the store is away."""
ITSELF: Final = Origin(service="risk")
"""Who does what nobody asked for."""

_EACH: Final = (firm_of(1), firm_of(2))


class Stopped(NamedTuple):
    """What a stop did.

    Attributes:
        withdrawn: Open orders whose cancel OrderService was told to ask for.
    """

    switch: KillSwitch
    withdrawn: int


@dataclass(slots=True)
class Trading:
    """Stops and resumes trading of accounts and of the firm."""

    book: Book
    store: SwitchStore
    clock: Clock
    alerts: AlertSink
    withdrawing: Withdrawing
    find_account: Callable[[str], Awaitable[Standing]]
    _unsaved: dict[str, list[SwitchSet]] = field(default_factory=dict)
    """What switches were set to that is not stored yet, of each in its order."""
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self, *, split: bool = False) -> None:
        """Loads the switches, before any order is checked.

        Args:
            split: Makes a stop of the firm as a whole one of each environment: where callers are looked at, each has
                its own risk managers, and nobody would be there to resume both.

        Raises:
            CodedError: STORE_UNAVAILABLE.
        """
        for switch in await self.store.load_switches():
            self.book.switches.set(switch)
        whole = self.book.switches.get(FIRM)
        if split and whole.state != TradingState.ACTIVE:
            now = self.clock.now()
            for firm in _EACH:
                before = self.book.switches.get(firm)
                if before.state < whole.state:
                    self.book.switches.set(before.stopped(whole.state, whole.text, now, cancels=whole.cancels))
            self.book.switches.set(whole.resumed("split into one for each environment", now))
            # Nobody has asked for it: the service does it by itself.
            await self.store.save_switches([SwitchSet(self.book.switches.get(each), None) for each in (*_EACH, FIRM)])

    async def stop(self, account_id: str, state: TradingState, text: str, *, cancels: bool) -> Stopped:
        """Sets a switch to REDUCING or HALTED. Setting it to what it is changes nothing, but names open orders again.

        Raises:
            CodedError: UNKNOWN_ACCOUNT; or STORE_UNAVAILABLE: it holds then, and is stored as soon as that is possible.
        """
        # Whether the account exists may not be known now: that must not hold a stop up, and one too many does no harm.
        if not is_firm(account_id) and await self.find_account(account_id) == Standing.UNKNOWN:
            raise not_found("UNKNOWN_ACCOUNT", f"there is no account {account_id}", account_id=account_id)
        before = self.book.switches.get(account_id)
        if not before.says(state, text, cancels=cancels):
            self._set(before.stopped(state, text, self.clock.now(), cancels=cancels), AlertKind.TRADING_STOPPED)
            self._keep(SwitchSet(self.book.switches.get(account_id), origin()))
        withdrawn = self.withdrawing.stopped(account_id)
        await self.save()
        return Stopped(self.book.switches.get(account_id), withdrawn)

    async def resume(self, account_id: str, text: str) -> KillSwitch:
        """Sets a switch to ACTIVE, once that is stored. One that is ACTIVE stays as it is.

        Raises:
            CodedError: VERSION_MISMATCH, when it was set anew meanwhile; or STORE_UNAVAILABLE. The stop holds then.
        """
        async with self._storing:
            if (active := self.book.switches.get(account_id)).state == TradingState.ACTIVE:
                return active
            # Also the stop that ends here: what never was in the store is never in the audit.
            await self._save_unsaved()
            before = self.book.switches.get(account_id)
            after = before.resumed(text, self.clock.now())
            try:
                await self.store.save_switches([SwitchSet(after, origin())])
            except BaseException:  # a call that is broken off, too
                # It may be stored all the same.
                self._store_over(after)
                raise
            if self.book.switches.get(account_id) is not before:
                self._store_over(after)
                raise aborted("VERSION_MISMATCH", "trading was stopped anew meanwhile", account_id=account_id)
            self._set(after, AlertKind.TRADING_RESUMED)
            return after

    async def save(self) -> None:
        """Saves the switches that are set and not stored yet.

        Raises:
            CodedError: STORE_UNAVAILABLE; the next time saves them.
        """
        async with self._storing:
            await self._save_unsaved()

    async def _save_unsaved(self) -> None:
        if not (unsaved := self._unsaved):
            return
        self._unsaved = {}
        try:
            await self.store.save_switches([each for changes in unsaved.values() for each in changes])
        except BaseException:
            later, self._unsaved = self._unsaved, unsaved
            for each in (each for changes in later.values() for each in changes):
                self._keep(each)
            raise

    def _keep(self, change: SwitchSet) -> None:
        """Keeps a change for the store, as the audit tells all; beyond a bound the last one stands for two."""
        changes = self._unsaved.setdefault(change.switch.account_id, [])
        if len(changes) >= MOST_UNSAVED:
            switch, by = changes.pop()
            who = "" if by is None else by.user_id or by.service
            told = "a kill switch was set that the audit will not tell"
            _log.error(told, switch=switch.sentence, **{Key.CALLER: who})
        changes.append(change)

    def _store_over(self, resumed: KillSwitch) -> None:
        """Lets the stop that holds, and those before it, be stored over a resumption that does not hold."""
        holds = self.book.switches.get(resumed.account_id)
        # Who has stopped it may be known still; that it holds over the resumption is this service's doing, and not that
        # of whoever makes the call by which it is stored.
        version, later = resumed.version, []
        for switch, by in self._unsaved.get(resumed.account_id, [SwitchSet(holds, ITSELF)]):
            version = max(switch.version, version) + 1
            later.append(SwitchSet(replace(switch, version=version), by))
        self._unsaved[resumed.account_id] = later
        self.book.switches.set(later[-1].switch)

    def _set(self, switch: KillSwitch, kind: AlertKind) -> None:
        self.book.switches.set(switch)
        now = self.clock.now()
        self.alerts.add(Alert(switch.account_id, kind, switch.sentence, now, trading_state=switch.state.value))
