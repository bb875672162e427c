"""Random streams of orders and fills in REDUCING: no position grows by an order that was allowed to stay or come in."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from services.risk.domain.limits import FIRM, Parameters
from services.risk.domain.market import Market
from services.risk.domain.trading import TradingState
from services.risk.domain.values import Proposal, Settled, Side
from services.risk.pipeline.book import Book
from services.risk.pipeline.withdrawing import Withdrawal, Withdrawing
from tests.fakes.clock import FakeClock
from tests.fakes.risk_gate import OpenGate

ACCOUNTS = ("a",)
INSTRUMENTS = ("X.TEST",)
"""One of each: all that happens meets; what is apart is kept apart elsewhere."""


@dataclass
class Open:
    """An open order."""

    proposal: Proposal
    leaves: int
    withdrawn: bool = False


class ReducingMachine(RuleBasedStateMachine):
    """Orders come in, are filled in any order and end, before and after a stop; cancels may come too late."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.markets = {name: Market(name, "USD", Decimal(1)) for name in INSTRUMENTS}
        self.book = Book(self.clock)
        self.book.limits.set({FIRM: Parameters(FIRM)})
        self.withdrawing = Withdrawing(self.book)
        self.withdrawing.attach(0, self._withdraw)
        self.book.cursor(0, "epoch")
        self.book.sync(0, ())
        self.open: dict[str, Open] = {}
        self.named: set[str] = set()
        self.count = self.sequence = 0

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        for order_id in withdrawal.order_ids:
            assert order_id not in self.named or not self.settling, "named twice on one stream"
            self.named.add(order_id)
            self.open[order_id].withdrawn = True

    settling = False

    def position(self, account: str, instrument: str) -> Decimal:
        exposures = self.book.accounts[account].exposures if account in self.book.accounts else {}
        return exposures[instrument].position if instrument in exposures else Decimal(0)

    @initialize(side=st.sampled_from(Side))
    def begin(self, side: Side) -> None:
        """There is a position to reduce."""
        self.place(*ACCOUNTS, *INSTRUMENTS, side, 6)
        self.trade("1", 6)

    @rule(
        account=st.sampled_from(ACCOUNTS),
        instrument=st.sampled_from(INSTRUMENTS),
        side=st.sampled_from(Side),
        quantity=st.integers(1, 6),
    )
    def place(self, account: str, instrument: str, side: Side, quantity: int) -> None:
        """An order comes in, or is refused."""
        self.count += 1
        proposal = Proposal(str(self.count), account, instrument, side, Decimal(quantity), Decimal(10))
        market = self.markets[instrument]
        decision = self.book.reserve(0, proposal, market, OpenGate(), self.clock.now_ns(), fresh=True)
        if not decision.reason:
            self.open[proposal.order_id] = Open(proposal, quantity)
        elif self.book.switches.effective(account).state == TradingState.ACTIVE:
            raise AssertionError(decision)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def fill(self, data: st.DataObject) -> None:
        """In REDUCING a fill of an order that may stay makes the position smaller, and does not turn it round."""
        order_id = data.draw(st.sampled_from(sorted(self.open)))
        order = self.open[order_id]
        proposal = order.proposal
        before = self.position(proposal.account_id, proposal.instrument)
        reducing = self.book.switches.effective(proposal.account_id).state == TradingState.REDUCING
        self.trade(order_id, data.draw(st.integers(1, order.leaves)))
        after = self.position(proposal.account_id, proposal.instrument)
        if reducing and not order.withdrawn:
            assert abs(after) < abs(before)
            assert after * before >= 0

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        """An order ends."""
        self.trade(data.draw(st.sampled_from(sorted(self.open))), 0)

    @rule(account=st.sampled_from((FIRM, *ACCOUNTS)))
    def stop(self, account: str) -> None:
        """The switch is set; orders that do not reduce are named."""
        before = self.book.switches.get(account)
        now = self.clock.now()
        self.book.switches.set(before.stopped(TradingState.REDUCING, "", now, cancels=True))
        self.withdrawing.stopped(account)

    @rule()
    def reconnect(self) -> None:
        """OrderService's stream begins anew: what it names again is what was named, or more."""
        book_order = [
            (each.proposal._replace(quantity=Decimal(each.leaves)), self.markets[each.proposal.instrument])
            for each in self.open.values()
        ]
        self.book.sync(0, book_order)
        self.named.clear()
        self.withdrawing.synced(0)

    @rule()
    def resume(self) -> None:
        """Everybody trades again; what was named stays named."""
        for account in (FIRM, *ACCOUNTS):
            self.book.switches.set(self.book.switches.get(account).resumed("", self.clock.now()))

    def trade(self, order_id: str, quantity: int) -> None:
        """Fills an order, or ends it with nothing."""
        order = self.open[order_id]
        order.leaves = order.leaves - quantity if quantity else 0
        proposal = order.proposal
        self.sequence += 1
        settled = Settled(
            self.sequence,
            proposal.order_id,
            proposal.account_id,
            proposal.instrument,
            proposal.side,
            self.clock.now().toordinal(),
            Decimal(quantity),
            Decimal(10),
            Decimal(0),
            Decimal(order.leaves),
        )
        self.book.settle(0, [(settled, self.markets[proposal.instrument])], self.sequence)
        if not order.leaves:
            del self.open[proposal.order_id]
        self.settling = True
        self.withdrawing.settled(0, [(proposal.account_id, proposal.instrument)])
        self.settling = False


TestReducing: Any = ReducingMachine.TestCase
TestReducing.settings = settings(max_examples=100, stateful_step_count=40)


@settings(max_examples=200)
@given(
    held=st.sampled_from((-6, -3, 0, 3, 6)),
    steps=st.lists(
        st.tuples(st.sampled_from(("place", "place", "fill", "end")), st.sampled_from(Side), st.integers(1, 6)),
        min_size=10,
    ),
)
def test_what_comes_in_while_reducing_can_only_reduce(held: int, steps: list[tuple[str, Side, int]]) -> None:
    """Whatever came in, in whatever order it is filled: the position shrinks and keeps its sign; nothing is named."""
    machine = ReducingMachine()
    if held:
        machine.place("a", "X.TEST", Side.BUY if held > 0 else Side.SELL, abs(held))
        machine.trade("1", abs(held))
    machine.stop("a")
    for step, side, number in steps:
        if step == "place":
            machine.place("a", "X.TEST", side, number)
        elif machine.open:
            order_id = sorted(machine.open)[number % len(machine.open)]
            machine.trade(order_id, min(number, machine.open[order_id].leaves) if step == "fill" else 0)
        assert not any(order.withdrawn for order in machine.open.values())
        assert 0 <= machine.position("a", "X.TEST") * (1 if held > 0 else -1) <= abs(held)


@given(
    held=st.integers(1, 6),
    quantities=st.lists(st.integers(1, 6), min_size=2, max_size=4),
    choose=st.randoms(use_true_random=False),
)
def test_fills_before_the_cancels_leave_no_order_that_turns_the_position(
    held: int, quantities: list[int], choose: Random
) -> None:
    """All sells are filled, also those whose cancel was asked for: one that was not named in time only reduces."""
    machine = ReducingMachine()
    machine.place("a", "X.TEST", Side.BUY, held)
    machine.trade("1", held)
    for quantity in quantities:
        machine.place("a", "X.TEST", Side.SELL, quantity)
    machine.stop("a")
    order_ids = sorted(machine.open)
    choose.shuffle(order_ids)
    for order_id in order_ids:
        order = machine.open[order_id]
        stays = not order.withdrawn
        machine.trade(order_id, order.leaves)
        assert not stays or machine.position("a", "X.TEST") >= 0
