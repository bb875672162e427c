"""The circuit breakers: they stand before the checks, trip, and are reset by people."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Final

from services.kernel.clock import Clock, from_ns
from services.risk.domain.alert import Alert, AlertKind, RefusalFolder
from services.risk.domain.breach import Breach, Rule, breaker_open
from services.risk.domain.breaker import Breaker, Refusals
from services.risk.domain.checks import daily_loss
from services.risk.domain.exposure import Account
from services.risk.domain.limits import Limits
from services.risk.domain.values import Proposal
from services.risk.pipeline.alerts import AlertSink
from services.risk.pipeline.book import Book
from services.risk.pipeline.decision import Decision
from services.risk.pipeline.ports import BreakerStore

LOSS_AGE_NS: Final = 50_000_000
"""A day's loss is worked out anew when the last figure is older than this: a look at every position of the account."""

_UNCOUNTED: Final = frozenset(
    {Rule.CIRCUIT_BREAKER, Rule.REFERENCE_PRICE, Rule.TRADING_HALTED, Rule.TRADING_REDUCING, Rule.REDUCE_ONLY}
)


@dataclass(slots=True)
class _Loss:
    at_ns: int
    breach: Breach | None


@dataclass(slots=True)
class Breakers:
    """The breakers of all accounts."""

    book: Book
    clock: Clock
    alerts: AlertSink
    store: BreakerStore
    _all: dict[str, Breaker] = field(default_factory=dict)
    _losses: dict[str, _Loss] = field(default_factory=dict)
    _refusals: dict[str, Refusals] = field(default_factory=dict)
    _folder: RefusalFolder = field(default_factory=RefusalFolder)
    _changed: set[str] = field(default_factory=set)
    _resetting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Loads the breakers that ever tripped."""
        self._all.update(await self.store.load_breakers())

    def get(self, account_id: str) -> Breaker:
        """Returns the breaker of an account."""
        return self._all.get(account_id) or Breaker(account_id)

    @property
    def open_count(self) -> int:
        """How many breakers are open."""
        return sum(breaker.is_open for breaker in self._all.values())

    def blocks(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        """Returns why the account may not trade at all: its breaker is open, or trips now for the day's loss."""
        return self._standing(account, limits, now_ns, trip=True)

    @property
    def looking(self) -> Looking:
        """The same breakers for whoever only looks: none trips, nothing is told."""
        return Looking(self)

    def would_block(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        """Returns what `blocks` would return, and trips nothing."""
        return self._standing(account, limits, now_ns, trip=False)

    def _standing(self, account: Account, limits: Limits, now_ns: int, *, trip: bool) -> Breach | None:
        breaker = self._all.get(account.account_id)
        if breaker is not None and breaker.is_open and limits.breaker_enabled:
            return breaker_open(breaker.cause)
        if limits.daily_loss is None or (loss := self._loss(account, limits, now_ns)) is None:
            return None
        if not limits.breaker_enabled:
            return loss
        if trip:
            self.trip(account.account_id, loss, now_ns)
        return breaker_open(loss)

    def refused(self, proposal: Proposal, decision: Decision, limits: Limits, now_ns: int) -> None:
        """Takes note of a refusal: an alert, and perhaps one refusal too many."""
        alert = Alert(
            account_id=proposal.account_id,
            kind=AlertKind.ORDER_REFUSED,
            text=decision.text,
            at=from_ns(now_ns),
            instrument=proposal.instrument,
            breach=decision.breach,
            reason=decision.reason,
            order_id=proposal.order_id,
        )
        if (told := self._folder.add(alert, now_ns)) is not None:
            self.alerts.add(told)
        breach = decision.breach
        if breach is None or breach.rule in _UNCOUNTED or not (limits.breaker_refusals and limits.breaker_enabled):
            return
        if self._refusals.setdefault(proposal.account_id, Refusals()).add(now_ns, limits.breaker_refusals):
            self.trip(proposal.account_id, breach, now_ns)

    def trip(self, account_id: str, cause: Breach, now_ns: int) -> None:
        """Opens a breaker; one that is open stays as it is."""
        breaker = self.get(account_id)
        if breaker.is_open:
            return
        now = from_ns(now_ns)
        self._all[account_id] = breaker.trip(cause, now)
        self._changed.add(account_id)
        self._refusals.pop(account_id, None)
        text = f"the circuit breaker tripped: {cause.text}"
        self.alerts.add(Alert(account_id, AlertKind.CIRCUIT_BREAKER_TRIPPED, text, now, breach=cause))

    def watch(self, account: Account, limits: Limits, now_ns: int) -> None:
        """Trips the breaker of an account that has lost too much without placing an order."""
        if limits.daily_loss is None or not limits.breaker_enabled or self.get(account.account_id).is_open:
            return
        if (loss := self._loss(account, limits, now_ns)) is not None:
            self.trip(account.account_id, loss, now_ns)

    async def reset(self, account_id: str, text: str) -> Breaker:
        """Closes a breaker, for good once stored. One that is closed stays as it is.

        Raises:
            StandingCauseError: The day's loss is still at its limit or above.
            CodedError: STORE_UNAVAILABLE; it stays open then.
        """
        # One at a time: the answer to another reset, which comes late, would close a breaker that has tripped since.
        async with self._resetting:
            breaker = self.get(account_id)
            if not breaker.is_open:
                return breaker
            limits = self.book.limits.of(account_id)
            account = self.book.accounts.get(account_id)
            if account is not None and (loss := daily_loss(account, limits)) is not None:
                raise StandingCauseError(loss)
            now = self.clock.now()
            closed = breaker.reset(text, now)
            await self._store_reset(breaker, closed)
            self._all[account_id] = closed
            self._losses.pop(account_id, None)
            said = f": {text}" if text else ""
            told = f"the circuit breaker was reset{said}"
            self.alerts.add(Alert(account_id, AlertKind.CIRCUIT_BREAKER_RESET, told, now))
            return closed

    async def _store_reset(self, holds: Breaker, closed: Breaker) -> None:
        try:
            await self.store.save_breakers([closed])
        except BaseException:  # a call that is broken off, too
            # It may be stored all the same: what holds is stored over it.
            self._all[holds.account_id] = replace(holds, version=closed.version + 1)
            self._changed.add(holds.account_id)
            raise

    def tell_folded(self, now_ns: int) -> None:
        """Tells the refusals that were folded for long enough."""
        for alert in self._folder.due(now_ns):
            self.alerts.add(alert)

    async def save(self) -> None:
        """Saves the breakers that tripped since.

        Raises:
            CodedError: STORE_UNAVAILABLE; the next time saves them.
        """
        if not (changed := self._changed):
            return
        self._changed = set()
        try:
            await self.store.save_breakers([self._all[account_id] for account_id in changed])
        except BaseException:  # a cancellation, too: the last save of a service that ends follows it
            self._changed |= changed
            raise

    def _loss(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        known = self._losses.get(account.account_id)
        if known is not None and 0 <= now_ns - known.at_ns < LOSS_AGE_NS:
            return known.breach
        breach = daily_loss(account, limits)
        self._losses[account.account_id] = _Loss(now_ns, breach)
        return breach


@dataclass(frozen=True, slots=True)
class Looking:
    """The breakers as a gate that leaves no trace of who looked."""

    breakers: Breakers

    def blocks(self, account: Account, limits: Limits, now_ns: int) -> Breach | None:
        """Returns why the account may not trade at all; None when it may."""
        return self.breakers.would_block(account, limits, now_ns)

    def refused(self, proposal: Proposal, decision: Decision, limits: Limits, now_ns: int) -> None:
        """Takes no note: nothing was refused."""


class StandingCauseError(Exception):
    """What tripped a breaker still stands."""

    def __init__(self, cause: Breach) -> None:
        super().__init__(cause.text)
        self.cause = cause
