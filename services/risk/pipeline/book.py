"""The book of reservations, positions and counters: decides, in memory, in microseconds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import structlog

from services.kernel.clock import Clock
from services.kernel.decimals import ZERO
from services.risk.domain.checks import check
from services.risk.domain.exposure import Account, Exposure
from services.risk.domain.market import Market
from services.risk.domain.reducing import check_reduce_only
from services.risk.domain.reserved import Group, Reserved
from services.risk.domain.trading import KillSwitches
from services.risk.domain.values import Adjusted, Change, Proposal, Settled
from services.risk.pipeline.account_limits import AccountLimits
from services.risk.pipeline.decision import ACCEPTED, Decision, Gate, refusal
from services.risk.pipeline.ports import Changes, Kept, LogCursor
from services.risk.pipeline.unsaved import Unsaved

_log = structlog.stdlib.get_logger(__name__)


class Book:
    """Everything that checks need, for all shards.

    Attributes:
        switches: The kill switches, which stand before every other check.
        limits: What holds for each account.
        environments: The environments of accounts, by the contract's numbers, as far as they are known.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.environments: dict[str, int] = {}
        self.switches = KillSwitches(self.environments)
        self.limits = AccountLimits(self.environments)
        self.accounts: dict[str, Account] = {}
        self._reserved: dict[str, Reserved] = {}
        self._cursors: dict[int, LogCursor] = {}
        self._unsaved = Unsaved()
        self._synced: set[int] = set()
        self._day = 0

    def learn(self, account_id: str, environment: int) -> None:
        """Takes the environment of an account, which never changes."""
        if self.environments.get(account_id) != environment:
            self.environments[account_id] = environment
            self.limits.moved(account_id)
            self._unsaved.learned.add(account_id)

    # --- Orders ---------------------------------------------------------------------------------------------------

    def reserve(
        self, shard: int, proposal: Proposal, market: Market, gate: Gate, now_ns: int, *, fresh: bool
    ) -> Decision:
        """Checks an order and, if it may go on, reserves for it. An order that holds a reservation keeps it."""
        if proposal.order_id in self._reserved:
            return ACCEPTED
        decision = self._check(shard, proposal, market, gate, now_ns, fresh=fresh)
        if not decision.reason:
            self._hold(shard, proposal, self._account(proposal.account_id, shard), market)
        return decision

    def look(self, shard: int, proposal: Proposal, market: Market, gate: Gate, now_ns: int, *, fresh: bool) -> Decision:
        """Decides on an order as `reserve` would and holds nothing; the gate must be one that only looks."""
        return self._check(shard, proposal, market, gate, now_ns, fresh=fresh)

    def reserve_change(
        self, shard: int, change: Change, market: Market, gate: Gate, now_ns: int, *, fresh: bool
    ) -> Decision:
        """Checks the new terms of an open order as if it were not there and, if they may hold, reserves for both."""
        reserved = self._reserved.get(change.order.order_id)
        if reserved is None:
            self._hold(shard, change.order, self._account(change.order.account_id, shard), market)
            reserved = self._reserved[change.order.order_id]
        reserved.let_go()
        decision = self._check(shard, change.after, market, gate, now_ns, fresh=fresh)
        reserved.hold()
        if not decision.reason:
            reserved.change(reserved.quantity, change.after.quantity)
        return decision

    def release_changes(self, order_ids: Iterable[str]) -> None:
        """Lets go what is held for new terms of orders; their own terms stay reserved."""
        for order_id in order_ids:
            if (reserved := self._reserved.get(order_id)) is not None:
                reserved.change(reserved.quantity)

    def _check(
        self, shard: int, proposal: Proposal, market: Market, gate: Gate, now_ns: int, *, fresh: bool
    ) -> Decision:
        account = self._account(proposal.account_id, shard)
        if account.day < self._day:
            account.begin_day(self._day)
            self._unsaved.accounts.add(account.account_id)
        limits = self.limits.of(proposal.account_id)
        exposure = account.exposures.get(proposal.instrument) or Exposure(market)
        checked = proposal if not proposal.group_id else _beyond_group(proposal, account)
        breach = (
            self.switches.check(checked, exposure)
            or gate.blocks(account, limits, now_ns)
            or (check_reduce_only(checked, exposure) if proposal.reduce_only else None)
            or check(checked, account, exposure, limits, fresh=fresh)
        )
        if breach is None:
            return ACCEPTED
        decision = refusal(breach)
        gate.refused(proposal, decision, limits, now_ns)
        return decision

    def release(self, order_ids: Iterable[str]) -> None:
        """Lets reservations go; those that are not there do not matter."""
        for order_id in order_ids:
            if order_id in self._reserved:
                self._let_go(order_id)

    def sync(self, shard: int, orders: Iterable[tuple[Proposal | Change, Market]]) -> None:
        """Replaces all reservations of a shard, whose log is booked as far as these reflect it."""
        self._synced.add(shard)
        self._day = 0
        self.release([order_id for order_id, reserved in self._reserved.items() if reserved.shard == shard])
        for told, market in orders:
            proposal = told.order if isinstance(told, Change) else told
            self.release((proposal.order_id,))
            self._hold(shard, proposal, self._account(proposal.account_id, shard), market)
            if isinstance(told, Change):
                self._reserved[proposal.order_id].change(proposal.quantity, told.after.quantity)

    # --- The log --------------------------------------------------------------------------------------------------

    def cursor(self, shard: int, epoch: str) -> int:
        """Returns how far the log of a shard was consumed; a log that is another one than before begins at 0."""
        cursor = self._cursors.get(shard)
        if cursor is not None and cursor.epoch == epoch:
            return cursor.sequence
        if cursor is not None:
            _log.error("the order log of a shard has begun anew; what it held is forgotten", shard=shard, epoch=epoch)
            self._begin_anew(shard)
        self._cursors[shard] = LogCursor(shard, epoch, 0)
        self._unsaved.moved.add(shard)
        return 0

    def settle(self, shard: int, settled: Iterable[tuple[Settled, Market]], sequence: int) -> None:
        """Books what the log says; what was booked before is left out."""
        cursor = self._cursors[shard]
        for each, market in settled:
            if each.sequence > cursor.sequence:
                self._settle(shard, each, market)
        if sequence > cursor.sequence:
            self._cursors[shard] = LogCursor(shard, cursor.epoch, sequence)
            self._unsaved.moved.add(shard)

    @property
    def reserved(self) -> Mapping[str, Reserved]:
        """The reservations by order, oldest first."""
        return self._reserved

    @property
    def reservations(self) -> int:
        """How many orders hold a reservation."""
        return len(self._reserved)

    @property
    def cursors(self) -> Mapping[int, LogCursor]:
        """How far the logs were consumed, by shard."""
        return self._cursors

    def sequence(self, shard: int) -> int:
        """Returns how far the log of a shard was consumed."""
        cursor = self._cursors.get(shard)
        return cursor.sequence if cursor is not None else 0

    def begin_day(self, day: int) -> None:
        """Begins a day, if it is a later one, for the accounts whose fills of the days before are all booked."""
        if day <= self._day:
            return
        self._day = day
        for account in self.accounts.values():
            if account.shard in self._synced and account.day < day:
                account.begin_day(day)
                self._unsaved.accounts.add(account.account_id)

    # --- What is kept ---------------------------------------------------------------------------------------------

    def restore(self, kept: Kept, markets: Mapping[str, Market]) -> None:
        """Takes what was saved; reservations come from OrderService."""
        self.environments.update(kept.environments)
        for cursor in kept.cursors:
            self._cursors[cursor.shard] = cursor
        for day in kept.days:
            account = self.accounts[day.account_id] = Account(day.account_id, day.shard, day.day)
            account.day_trades, account.day_volume = day.trades, day.volume
        for saved in kept.exposures:
            exposure = self._account(saved.account_id, saved.shard).exposure(markets[saved.instrument])
            exposure.position, exposure.day_cash = saved.position, saved.day_cash
            exposure.start_position, exposure.start_price = saved.start_position, saved.start_price
            exposure.last_price = saved.last_price

    def take_changes(self) -> Changes | None:
        """Returns what changed since the last time, as one picture; None when nothing did."""
        return self._unsaved.take(self.accounts, self._cursors, self.environments)

    def put_back(self, changes: Changes) -> None:
        """Counts changes that could not be saved as changes again."""
        self._unsaved.put_back(changes, self.accounts)

    # --- Within ---------------------------------------------------------------------------------------------------

    def _account(self, account_id: str, shard: int, day: int | None = None) -> Account:
        """Returns an account; a new one begins in the day given, else today."""
        account = self.accounts.get(account_id)
        if account is None:
            day = day or self._clock.now().toordinal()
            account = self.accounts[account_id] = Account(account_id, shard, day)
        return account

    def _hold(self, shard: int, proposal: Proposal, account: Account, market: Market) -> None:
        group = _group(proposal, account) if proposal.group_id else None
        reserved = Reserved(account, account.exposure(market), proposal.side, proposal.quantity, shard, group)
        reserved.hold()
        self._reserved[proposal.order_id] = reserved
        if proposal.reduce_only:
            exposure = reserved.exposure
            exposure.reduce_only = exposure.reduce_only or {}
            exposure.reduce_only[proposal.order_id] = reserved

    def _let_go(self, order_id: str) -> None:
        reserved = self._reserved.pop(order_id)
        reserved.let_go()
        if reserved.exposure.reduce_only is not None:
            reserved.exposure.reduce_only.pop(order_id, None)

    def _settle(self, shard: int, settled: Settled, market: Market) -> None:
        if settled.before is not None:
            self._adjust(shard, settled, settled.before, market)
        elif settled.last_quantity:
            account = self._account(settled.account_id, shard, settled.day)
            account.fill(settled, market)
            self._unsaved.accounts.add(settled.account_id)
        if (reserved := self._reserved.get(settled.order_id)) is None:
            return
        if settled.leaves > ZERO:
            reserved.settle(settled)
        else:
            self._let_go(settled.order_id)

    def _adjust(self, shard: int, settled: Settled, before: Adjusted, market: Market) -> None:
        account = self._account(settled.account_id, shard, settled.day)
        account.adjust(settled, before, market)
        self._unsaved.accounts.add(settled.account_id)
        if settled.leaves > ZERO and settled.order_id not in self._reserved:
            # The order had ended, and its venue has opened it again: nobody can refuse that.
            self._hold(shard, _proposal(settled, before), account, market)

    def _begin_anew(self, shard: int) -> None:
        self.release([order_id for order_id, reserved in self._reserved.items() if reserved.shard == shard])
        gone = [name for name, account in self.accounts.items() if account.shard == shard]
        for name in gone:
            del self.accounts[name]
            self._unsaved.accounts.discard(name)
        self._unsaved.begun_anew.add(shard)


def _proposal(settled: Settled, before: Adjusted) -> Proposal:
    return Proposal(
        settled.order_id,
        settled.account_id,
        settled.instrument,
        settled.side,
        settled.leaves,
        limit_price=None,
        reduce_only=before.reduce_only,
    )


def _group(proposal: Proposal, account: Account) -> Group:
    """Returns the orders that an order shares with; none yet where it is the first."""
    key = (proposal.group_id, proposal.instrument, proposal.side)
    return account.groups.get(key) or Group(key)


def _beyond_group(proposal: Proposal, account: Account) -> Proposal:
    """Returns an order with what it adds to what the orders that it shares with hold already."""
    ordered = proposal.ordered or proposal.quantity
    return proposal._replace(quantity=_group(proposal, account).beyond(proposal.quantity), ordered=ordered)
