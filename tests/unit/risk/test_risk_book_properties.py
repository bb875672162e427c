"""Random streams of checks, fills, ends, releases and restarts, beside a naive reference that counts from scratch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from services.risk.domain.exposure import Account
from services.risk.domain.limits import FIRM, Parameters
from services.risk.domain.market import Market
from services.risk.domain.values import Adjusted, Change, Proposal, Settled, Side
from services.risk.pipeline.book import Book
from services.risk.pipeline.decision import Decision
from services.risk.pipeline.ports import Changes, Kept
from tests.fakes.clock import FakeClock
from tests.fakes.risk_gate import OpenGate
from tests.fakes.risk_store import FakeRiskStore

ACCOUNTS = ("a", "b")
INSTRUMENTS = ("X.TEST", "Y.TEST")
SIZE, VOLUME, TRADES = Decimal(30), Decimal(120), 14


@dataclass
class NaiveOrder:
    """An order that was accepted."""

    proposal: Proposal
    leaves: Decimal
    committed: bool = False
    after: Decimal | None = None

    @property
    def most(self) -> Decimal:
        """What may still trade, whatever becomes of a replace that is on its way."""
        return self.leaves if self.after is None or not self.leaves else max(self.leaves, self.after)


@dataclass
class Naive:
    """Everything that happened; every figure is counted anew from it."""

    orders: dict[str, NaiveOrder] = field(default_factory=dict)
    fills: list[Settled] = field(default_factory=list)

    def position(self, account: str, instrument: str) -> Decimal:
        mine = [f for f in self.fills if (f.account_id, f.instrument) == (account, instrument)]
        return sum((f.last_quantity if f.side == Side.BUY else -f.last_quantity for f in mine), Decimal(0))

    def open_quantity(self, account: str, instrument: str | None = None, side: Side | None = None) -> Decimal:
        return sum((order.most for order in self.open(account, instrument, side)), Decimal(0))

    def open(self, account: str, instrument: str | None = None, side: Side | None = None) -> list[NaiveOrder]:
        return [
            order
            for order in self.orders.values()
            if order.leaves > 0
            and order.proposal.account_id == account
            and instrument in (None, order.proposal.instrument)
            and side in (None, order.proposal.side)
        ]

    def day(self, account: str, today: int) -> list[Settled]:
        return [fill for fill in self.fills if fill.account_id == account and fill.day == today]

    def accepts(self, proposal: Proposal, today: int) -> bool:
        account, instrument = proposal.account_id, proposal.instrument
        sign = 1 if proposal.side == Side.BUY else -1
        after = sign * self.position(account, instrument)
        after += self.open_quantity(account, instrument, Side(proposal.side)) + proposal.quantity
        fills = self.day(account, today)
        volume = sum((fill.last_quantity for fill in fills), Decimal(0))
        return (
            after <= SIZE
            and len(fills) + len(self.open(account)) + 1 <= TRADES
            and volume + self.open_quantity(account) + proposal.quantity <= VOLUME
        )


class BookMachine(RuleBasedStateMachine):
    """The book and the reference, step by step."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.markets = {name: Market(name, "USD", Decimal(1)) for name in INSTRUMENTS}
        self.naive = Naive()
        self.store = FakeRiskStore()
        self.sequence = 0
        self.log: list[Settled] = []
        self.adjusted = False
        self.book = self._fresh_book()
        self.book.cursor(0, "epoch")
        self.book.sync(0, ())
        self.count = 0

    def _fresh_book(self) -> Book:
        book = Book(self.clock)
        book.limits.set(
            {FIRM: Parameters(FIRM, max_position_size=SIZE, max_daily_volume=VOLUME, max_daily_trades=TRADES)}
        )
        return book

    @property
    def today(self) -> int:
        return self.clock.now().toordinal()

    @initialize()
    def begin(self) -> None:
        for market in self.markets.values():
            market.quote("", "", "10")

    @rule(
        account=st.sampled_from(ACCOUNTS),
        instrument=st.sampled_from(INSTRUMENTS),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 20),
        committed=st.booleans(),
    )
    def check(self, account: str, instrument: str, side: Side, quantity: int, committed: bool) -> None:
        """A decision is the reference's; a repeat is accepted and changes nothing."""
        self.count += 1
        proposal = Proposal(str(self.count), account, instrument, side, Decimal(quantity), Decimal(10))
        self.book.begin_day(self.today)
        decision = self._reserve(proposal)
        assert (not decision.reason) == self.naive.accepts(proposal, self.today)
        if not decision.reason:
            self.naive.orders[proposal.order_id] = NaiveOrder(proposal, proposal.quantity, committed)
            assert not self._reserve(proposal).reason

    def _reserve(self, proposal: Proposal) -> Decision:
        market = self.markets[proposal.instrument]
        return self.book.reserve(0, proposal, market, OpenGate(), self.clock.now_ns(), fresh=True)

    @precondition(lambda self: any(order.committed and order.leaves for order in self.naive.orders.values()))
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        """A fill moves quantity from the reservation to the position."""
        order = self._some_live(data)
        quantity = Decimal(data.draw(st.integers(1, int(order.leaves))))
        order.leaves -= quantity
        if order.after is not None:
            order.after = max(order.after - quantity, Decimal(0)) if order.leaves else None
        settled = self._settled(order, quantity)
        self.naive.fills.append(settled)
        self._book(settled)

    @precondition(lambda self: self.naive.fills)
    @rule(data=st.data(), quantity=st.sampled_from((0, 0, 5)), opens=st.booleans())
    def adjust(self, data: st.DataObject, quantity: int, opens: bool) -> None:
        """A fill that is canceled or corrected counts as if it had been made so, or never; its order may open again."""
        number = data.draw(st.integers(0, len(self.naive.fills) - 1))
        fill = self.naive.fills[number]
        order = self.naive.orders[fill.order_id]
        traded = Decimal(quantity) - fill.last_quantity
        if order.leaves:
            order.leaves = max(order.leaves - traded, Decimal(0))
            if order.after is not None:
                order.after = max(order.after - traded, Decimal(0)) if order.leaves else None
        elif opens:
            order.leaves = Decimal(2)
        before = Adjusted(fill.day, fill.last_quantity, fill.last_price, fill.fee)
        settled = self._settled(order, Decimal(quantity))._replace(before=before)
        self.naive.fills[number : number + 1] = [fill._replace(last_quantity=Decimal(quantity))] if quantity else []
        self.adjusted = True
        self._book(settled)

    @precondition(lambda self: any(order.committed and order.leaves for order in self.naive.orders.values()))
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """The end of an order frees what was left of it."""
        order = self._some_live(data)
        order.leaves, order.after = Decimal(0), None
        self._book(self._settled(order, Decimal(0)))

    @precondition(lambda self: self._replaceable())
    @rule(data=st.data(), quantity=st.integers(0, 25))
    def replace(self, data: st.DataObject, quantity: int) -> None:
        """New terms are checked as if the order were not there; both are held from then on."""
        order = self.naive.orders[data.draw(st.sampled_from(self._replaceable()))]
        after = order.proposal._replace(quantity=Decimal(quantity))
        self.book.begin_day(self.today)
        leaves, order.leaves = order.leaves, Decimal(0)
        accepted = self.naive.accepts(after, self.today)
        order.leaves = leaves
        change = Change(order.proposal._replace(quantity=leaves), after)
        market = self.markets[after.instrument]
        decision = self.book.reserve_change(0, change, market, OpenGate(), self.clock.now_ns(), fresh=True)
        assert (not decision.reason) == accepted
        if accepted:
            order.after = Decimal(quantity)

    @precondition(lambda self: any(order.after is not None for order in self.naive.orders.values()))
    @rule(data=st.data(), outcome=st.sampled_from(("replaced", "refused", "let go")))
    def replace_ends(self, data: st.DataObject, outcome: str) -> None:
        """The venue decides, or the replace was never committed; new terms with nothing left end the order."""
        waiting = sorted(key for key, order in self.naive.orders.items() if order.after is not None)
        order = self.naive.orders[data.draw(st.sampled_from(waiting))]
        after, order.after = order.after, None
        if outcome == "let go":
            self.book.release_changes([order.proposal.order_id])
            return
        if outcome == "replaced" and after is not None:
            order.leaves = after
        self._book(self._settled(order, Decimal(0))._replace(decided=True))

    def _replaceable(self) -> list[str]:
        orders = self.naive.orders.items()
        return sorted(key for key, order in orders if order.committed and order.leaves and order.after is None)

    @precondition(lambda self: any(not order.committed and order.leaves for order in self.naive.orders.values()))
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        """An order that was not committed is let go."""
        waiting = sorted(key for key, order in self.naive.orders.items() if not order.committed and order.leaves)
        order_id = data.draw(st.sampled_from(waiting))
        del self.naive.orders[order_id]
        self.book.release([order_id])

    @precondition(lambda self: self.log)
    @rule(data=st.data())
    def replay(self, data: st.DataObject) -> None:
        """A part of the log that comes again changes nothing."""
        first = data.draw(st.integers(0, len(self.log) - 1))
        self.book.settle(0, self._with_markets(self.log[first:]), self.sequence)

    @rule(hours=st.integers(-2, 30))
    def time_passes(self, hours: int) -> None:
        """Days begin at midnight and never come back."""
        if self.clock.now() + timedelta(hours=hours) < self.clock.now() and hours < 0:
            midnight = self.clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
            if self.clock.now() + timedelta(hours=hours) < midnight:
                return
        self.clock.advance(timedelta(hours=hours))

    @rule()
    def save(self) -> None:
        """What changed is saved with the cursor."""
        if (changes := self.book.take_changes()) is not None:
            self._keep(changes)

    @rule()
    def save_fails(self) -> None:
        """What could not be saved is saved the next time."""
        if (changes := self.book.take_changes()) is not None:
            self.book.put_back(changes)

    @rule()
    def restart(self) -> None:
        """After a crash the book is what it was: from the store, the log after its cursor, and the open orders."""
        book = self._fresh_book()
        store = self.store
        kept = Kept(list(store.exposures.values()), list(store.days.values()), list(store.cursors.values()))
        book.restore(kept, self.markets)
        cursor = book.cursor(0, "epoch")
        book.settle(0, self._with_markets([each for each in self.log if each.sequence > cursor]), self.sequence)
        self.naive.orders = {key: order for key, order in self.naive.orders.items() if order.committed}
        live = [order for order in self.naive.orders.values() if order.leaves]
        book.sync(
            0,
            ((as_told(order), self.markets[order.proposal.instrument]) for order in live),
        )
        self.book = book

    @invariant()
    def figures_are_the_references(self) -> None:
        """Positions, reservations and counters equal those counted from scratch."""
        for account_id in ACCOUNTS:
            account = self.book.accounts.get(account_id)
            if account is None:
                assert not self.naive.open(account_id)
                continue
            assert account.open_orders == len(self.naive.open(account_id))
            assert account.open_quantity == self.naive.open_quantity(account_id)
            fills = self.naive.day(account_id, account.day)
            assert account.day_trades == len(fills)
            assert account.day_volume == sum((fill.last_quantity for fill in fills), Decimal(0))
            for name in INSTRUMENTS:
                self._check_exposure(account, name)

    def _check_exposure(self, account: Account, name: str) -> None:
        exposure = account.exposures.get(name)
        position = self.naive.position(account.account_id, name)
        buys = self.naive.open_quantity(account.account_id, name, Side.BUY)
        sells = self.naive.open_quantity(account.account_id, name, Side.SELL)
        if exposure is None:
            assert (position, buys, sells) == (0, 0, 0)
            return
        assert (exposure.position, exposure.open_buy, exposure.open_sell) == (position, buys, sells)
        if self.adjusted:
            return  # What a venue takes back or corrects, nobody was asked about.
        # Nothing but fills moves the position, and it never leaves what reservations allowed.
        assert abs(exposure.position) <= SIZE
        assert exposure.most_long <= SIZE
        assert -exposure.most_short <= SIZE

    def _some_live(self, data: st.DataObject) -> NaiveOrder:
        live = sorted(key for key, order in self.naive.orders.items() if order.committed and order.leaves)
        return self.naive.orders[data.draw(st.sampled_from(live))]

    def _settled(self, order: NaiveOrder, quantity: Decimal) -> Settled:
        self.sequence += 1
        proposal = order.proposal
        return Settled(
            self.sequence,
            proposal.order_id,
            proposal.account_id,
            proposal.instrument,
            proposal.side,
            self.today,
            quantity,
            Decimal(10),
            Decimal(0),
            order.leaves,
        )

    def _book(self, settled: Settled) -> None:
        self.log.append(settled)
        self.book.settle(0, self._with_markets([settled]), settled.sequence)

    def _with_markets(self, settled: list[Settled]) -> list[tuple[Settled, Market]]:
        return [(each, self.markets[each.instrument]) for each in settled]

    def _keep(self, changes: Changes) -> None:
        store = self.store
        store.exposures |= {(each.account_id, each.instrument): each for each in changes.exposures}
        store.days |= {each.account_id: each for each in changes.days}
        store.cursors |= {each.shard: each for each in changes.cursors}


def as_told(order: NaiveOrder) -> Proposal | Change:
    proposal = order.proposal._replace(quantity=order.leaves)
    return proposal if order.after is None else Change(proposal, proposal._replace(quantity=order.after))


TestBook: Any = BookMachine.TestCase
TestBook.settings = settings(max_examples=60, stateful_step_count=40)
