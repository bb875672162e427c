"""The Reserve stream of one shard: settlements, a sync, then checks, each in the order in which it came."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from services.kernel.clock import Clock
from services.risk.domain.market import Market
from services.risk.domain.values import Change, Proposal, Settled
from services.risk.pipeline.book import Book
from services.risk.pipeline.decision import UNAVAILABLE, UNKNOWN_ACCOUNT, UNKNOWN_INSTRUMENT, Decision, Gate
from services.risk.pipeline.ports import Accounts, Markets, Standing
from services.risk.pipeline.withdrawing import Withdrawing

_log = structlog.stdlib.get_logger(__name__)

_NOT_SYNCED = Decision(UNAVAILABLE, None, "the open orders of the account are not known yet")


class Batch(NamedTuple):
    """Orders, and changes of orders, to check."""

    number: int
    proposals: Sequence[Proposal | Change]


class Sync(NamedTuple):
    """A part of all open orders, those whose terms may change with both."""

    proposals: Sequence[Proposal | Change]
    sequence: int
    last: bool


class Settlement(NamedTuple):
    """What was committed since."""

    settled: Sequence[Settled]
    sequence: int


class Release(NamedTuple):
    """Reservations to let go, and orders of which only the new terms are to be let go."""

    order_ids: Sequence[str]
    changes: Sequence[str] = ()


Message = Batch | Sync | Settlement | Release


class Answer(NamedTuple):
    """The decisions on a batch."""

    number: int
    decisions: list[Decision]


class _Found(NamedTuple):
    """What had to be asked for a batch, and what the answer was: refusals by account and by instrument."""

    accounts: dict[str, Decision]
    instruments: dict[str, Decision]

    def refusal(self, proposal: Proposal) -> Decision | None:
        """Returns why an order cannot be checked at all."""
        return self.accounts.get(proposal.account_id) or self.instruments.get(proposal.instrument)


@dataclass(slots=True)
class Reserving:
    """What all streams share.

    Attributes:
        decided: Decisions so far, by reason; the empty reason counts what was accepted.
        settled: Fills and ends of orders booked so far.
    """

    book: Book
    accounts: Accounts
    markets: Markets
    gate: Gate
    clock: Clock
    withdrawing: Withdrawing
    decided: Counter[str] = field(default_factory=Counter)
    settled: int = 0
    _streams: dict[int, ShardStream] = field(default_factory=dict)

    def begin(self, shard: int, epoch: str) -> ShardStream:
        """Begins the stream of a shard."""
        stream = self._streams[shard] = ShardStream(self, shard, self.book.cursor(shard, epoch))
        return stream

    async def look(self, shard: int, proposal: Proposal, gate: Gate) -> Decision:
        """Decides on an order on the state that the stream of a shard has come to, and holds nothing.

        Args:
            shard: Shard of OrderService that owns the account.
            proposal: The order.
            gate: What stands before the checks, in a form that only looks.
        """
        stream = self._streams.get(shard)
        return _NOT_SYNCED if stream is None else await stream.look(proposal, gate)


@dataclass(slots=True)
class ShardStream:
    """One stream.

    Attributes:
        opened: Settlements after this sequence are wanted.
    """

    shared: Reserving
    shard: int
    opened: int
    _parts: list[Proposal | Change] = field(default_factory=list)
    _synced_to: int | None = None
    _held: list[Batch] = field(default_factory=list)
    _looked: bool = False

    async def handle(self, message: Message) -> list[Answer]:
        """Does what a message says, and returns the answers that are ready.

        Batches wait until the log is booked as far as the sync reflects it.
        """
        match message:
            case Batch():
                if not self._ready:
                    self._held.append(message)
                    return []
                return [await self._check(message)]
            case Settlement():
                await self._settle(message)
            case Sync():
                await self._sync(message)
            case Release():
                self.shared.book.release(message.order_ids)
                self.shared.book.release_changes(message.changes)
        self._withdraw(message)
        return await self._check_held()

    @property
    def _ready(self) -> bool:
        return self._synced_to is not None and self.shared.book.sequence(self.shard) >= self._synced_to

    async def look(self, proposal: Proposal, gate: Gate) -> Decision:
        """Decides on an order as if it came in a batch now, and holds nothing."""
        if not self._ready:
            return _NOT_SYNCED
        found = await self._find((proposal,))
        if found is not None and (refusal := found.refusal(proposal)) is not None:
            return refusal
        shared = self.shared
        market = shared.markets.get(proposal.instrument)
        assert market is not None  # noqa: S101 - found, or refused above
        now_ns = shared.clock.now_ns()
        shared.book.begin_day(shared.clock.now().toordinal())
        fresh = shared.markets.fresh(now_ns)
        return shared.book.look(self.shard, proposal, market, gate, now_ns, fresh=fresh)

    def _withdraw(self, message: Message) -> None:
        """Names the orders that may not stay open: all once the shard is up to date, then what settlements change."""
        if not self._ready:
            return
        if not self._looked:
            self._looked = True
            self.shared.withdrawing.synced(self.shard)
        elif isinstance(message, Settlement):
            changed = {(each.account_id, each.instrument) for each in message.settled}
            self.shared.withdrawing.settled(self.shard, changed)

    async def _check_held(self) -> list[Answer]:
        if not self._held or not self._ready:
            return []
        held, self._held = self._held, []
        return [await self._check(batch) for batch in held]

    async def _settle(self, settlement: Settlement) -> None:
        markets = await self._markets({each.instrument for each in settlement.settled})
        await self._meet_accounts({each.account_id for each in settlement.settled})
        booked = ((each, markets[each.instrument]) for each in settlement.settled)
        self.shared.book.settle(self.shard, booked, settlement.sequence)
        self.shared.settled += len(settlement.settled)

    async def _sync(self, sync: Sync) -> None:
        self._parts += sync.proposals
        if not sync.last:
            return
        proposals, self._parts = self._parts, []
        markets = await self._markets({_order(each).instrument for each in proposals})
        await self._meet_accounts({_order(each).account_id for each in proposals})
        self.shared.book.sync(self.shard, ((each, markets[_order(each).instrument]) for each in proposals))
        self._synced_to = sync.sequence
        _log.info("open orders are reserved", shard=self.shard, count=len(proposals), sequence=sync.sequence)

    async def _meet_accounts(self, account_ids: set[str]) -> None:
        """Finds out the environments of accounts, as far as they can be told now: switches hold by them."""
        accounts = self.shared.accounts
        if strange := [each for each in sorted(account_ids) if not accounts.known(each)]:
            await asyncio.gather(*map(accounts.find, strange))

    async def _check(self, batch: Batch) -> Answer:
        found = await self._find(batch.proposals)
        shared = self.shared
        now_ns = shared.clock.now_ns()
        shared.book.begin_day(shared.clock.now().toordinal())
        fresh = shared.markets.fresh(now_ns)
        decisions = [self._decide(each, found, now_ns, fresh=fresh) for each in batch.proposals]
        shared.decided.update(decision.reason for decision in decisions)
        return Answer(batch.number, decisions)

    def _decide(self, asked: Proposal | Change, found: _Found | None, now_ns: int, *, fresh: bool) -> Decision:
        proposal = _order(asked)
        if found is not None and (refusal := found.refusal(proposal)) is not None:
            return refusal
        shared = self.shared
        market = shared.markets.get(proposal.instrument)
        assert market is not None  # noqa: S101 - found, or refused above
        if isinstance(asked, Change):
            return shared.book.reserve_change(self.shard, asked, market, shared.gate, now_ns, fresh=fresh)
        return shared.book.reserve(self.shard, asked, market, shared.gate, now_ns, fresh=fresh)

    async def _find(self, asked: Sequence[Proposal | Change]) -> _Found | None:
        """Asks for accounts and instruments that are not known yet; returns None when all are."""
        known, market = self.shared.accounts.known, self.shared.markets.get
        proposals = [_order(each) for each in asked]
        accounts = {each.account_id for each in proposals if not known(each.account_id)}
        instruments = {each.instrument for each in proposals if market(each.instrument) is None}
        if not accounts and not instruments:
            return None
        told = await asyncio.gather(*(self._account(name) for name in sorted(accounts)))
        listed = await asyncio.gather(*(self._instrument(name) for name in sorted(instruments)))
        return _Found(
            {name: refusal for name, refusal in zip(sorted(accounts), told, strict=True) if refusal},
            {name: refusal for name, refusal in zip(sorted(instruments), listed, strict=True) if refusal},
        )

    async def _account(self, account_id: str) -> Decision | None:
        match await self.shared.accounts.find(account_id):
            case Standing.KNOWN:
                return None
            case Standing.UNKNOWN:
                return Decision(UNKNOWN_ACCOUNT, None, f"there is no account {account_id}")
            case Standing.UNREACHABLE:
                return Decision(UNAVAILABLE, None, "whether the account exists cannot be found out now")

    async def _instrument(self, instrument: str) -> Decision | None:
        match await self.shared.markets.find(instrument):
            case Standing.KNOWN:
                return None
            case Standing.UNKNOWN:
                return Decision(UNKNOWN_INSTRUMENT, None, f"there is no instrument {instrument}")
            case Standing.UNREACHABLE:
                return Decision(UNAVAILABLE, None, "the terms of the instrument cannot be found out now")

    async def _markets(self, instruments: set[str]) -> dict[str, Market]:
        markets = self.shared.markets
        if missing := {name for name in instruments if markets.get(name) is None}:
            await markets.require(missing)
        return {name: market for name in instruments if (market := markets.get(name)) is not None}


def _order(told: Proposal | Change) -> Proposal:
    return told.order if isinstance(told, Change) else told
