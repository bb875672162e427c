"""Random streams of orders, fills, replaces and restarts: reduce-only orders never come to more than the position."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.kernel.decimals import ZERO
from services.risk.domain.market import Market
from services.risk.domain.reducing import room
from services.risk.domain.values import Change, Proposal, Settled, Side
from services.risk.pipeline.book import Book
from services.risk.pipeline.decision import REDUCE_ONLY
from services.risk.pipeline.withdrawing import Withdrawal, Withdrawing
from tests.fakes.clock import FakeClock
from tests.fakes.risk_gate import OpenGate

PRICE = Decimal(10)
INSTRUMENT = "X.TEST"


@dataclass
class Order:
    """An open order, counted apart from the book."""

    proposal: Proposal
    leaves: Decimal
    after: Decimal | None = None

    @property
    def most(self) -> Decimal:
        """What may still trade, whatever becomes of a replace that is on its way."""
        return self.leaves if self.after is None else max(self.leaves, self.after)


class ReduceOnlyMachine(RuleBasedStateMachine):
    """Risk, a venue that fills what it likes, and OrderService, which carries withdrawals out when it comes to it."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.market = Market(INSTRUMENT, "USD", Decimal(1))
        self.market.quote("", "", "10")
        self.book = Book(self.clock)
        self.book.cursor(0, "epoch")
        self.withdrawing = Withdrawing(self.book)
        self.orders: dict[str, Order] = {}
        self.position = ZERO
        self.sequence = self.count = 0
        self.named: set[str] = set()
        self.up = False
        self.connect()

    def connect(self) -> None:
        """A stream of the shard: all open orders, then what may not stay of them."""
        self.book.sync(0, ((self._told(order), self.market) for order in self.orders.values()))
        self.named.clear()
        self.withdrawing.attach(0, self._withdraw)
        self.withdrawing.synced(0)
        self.up = True

    def _told(self, order: Order) -> Proposal | Change:
        proposal = order.proposal._replace(quantity=order.leaves)
        return proposal if order.after is None else Change(proposal, proposal._replace(quantity=order.after))

    def _withdraw(self, withdrawal: Withdrawal) -> None:
        assert withdrawal.reason == REDUCE_ONLY
        for order_id in withdrawal.order_ids:
            assert self.orders[order_id].proposal.reduce_only
            assert order_id not in self.named, "it was named before"
            self.named.add(order_id)

    @rule(side=st.sampled_from(Side), quantity=st.integers(1, 12), reduce_only=st.booleans())
    @precondition(lambda self: self.up)
    def place(self, side: Side, quantity: int, reduce_only: bool) -> None:
        """A reduce-only order is let in just when there is room for it behind all open orders of its side."""
        self.count += 1
        wanted = Decimal(quantity)
        proposal = Proposal(
            str(self.count), "a", INSTRUMENT, side, wanted, PRICE, ordered=wanted, reduce_only=reduce_only
        )
        decision = self.book.reserve(0, proposal, self.market, OpenGate(), self.clock.now_ns(), fresh=True)
        assert (decision.reason == "") == (not reduce_only or self._open(side) + wanted <= room(self.position, side))
        if not decision.reason:
            self.orders[proposal.order_id] = Order(proposal, wanted)

    def _open(self, side: Side, without: str = "") -> Decimal:
        mine = (order for key, order in self.orders.items() if order.proposal.side == side and key != without)
        return sum((order.most for order in mine), ZERO)

    @rule(data=st.data(), part=st.integers(1, 12))
    @precondition(lambda self: self.orders)
    def fill(self, data: st.DataObject, part: int) -> None:
        """The venue fills any order, one that was named among them."""
        order_id = data.draw(st.sampled_from(sorted(self.orders)))
        order = self.orders[order_id]
        last = min(Decimal(part), order.leaves)
        order.leaves -= last
        if order.after is not None:
            order.after = max(order.after - last, ZERO)
        self.position += last if order.proposal.side == Side.BUY else -last
        self._settle(order_id, last)

    @rule(data=st.data())
    @precondition(lambda self: self.orders)
    def cancel(self, data: st.DataObject) -> None:
        """A cancel is carried out: of an order that was named, or of any other."""
        order_id = data.draw(st.sampled_from(sorted(self.orders)))
        self.orders[order_id].leaves = ZERO
        self._settle(order_id, ZERO)

    @rule(data=st.data(), quantity=st.integers(1, 12))
    @precondition(lambda self: self.up and any(order.after is None for order in self.orders.values()))
    def ask_to_replace(self, data: st.DataObject, quantity: int) -> None:
        """Another quantity is let in as a new order would be; the larger is held until it is decided."""
        waiting = [order_id for order_id, order in self.orders.items() if order.after is None]
        order_id = data.draw(st.sampled_from(sorted(waiting)))
        order, after = self.orders[order_id], Decimal(quantity)
        told = order.proposal._replace(quantity=order.leaves)
        change = Change(told, told._replace(quantity=after, ordered=after))
        decision = self.book.reserve_change(0, change, self.market, OpenGate(), self.clock.now_ns(), fresh=True)
        side = Side(order.proposal.side)
        fits = self._open(side, without=order_id) + after <= room(self.position, side)
        assert (decision.reason == "") == (fits or not order.proposal.reduce_only)
        if not decision.reason:
            order.after = after

    @rule(data=st.data(), replaced=st.booleans())
    @precondition(lambda self: any(order.after for order in self.orders.values()))
    def decide_replace(self, data: st.DataObject, replaced: bool) -> None:
        """The venue has replaced the order, or has not."""
        waiting = [order_id for order_id, order in self.orders.items() if order.after]
        order_id = data.draw(st.sampled_from(sorted(waiting)))
        order = self.orders[order_id]
        if replaced and order.after is not None:
            order.leaves = order.after
        order.after = None
        self._settle(order_id, ZERO, decided=True)

    @rule()
    @precondition(lambda self: self.up)
    def lose_the_stream(self) -> None:
        """Nothing can be told for a while."""
        self.withdrawing._outlets.clear()
        self.up = False

    @rule()
    def reconnect(self) -> None:
        """All is looked at anew."""
        self.connect()

    def _settle(self, order_id: str, last: Decimal, *, decided: bool = False) -> None:
        order = self.orders[order_id]
        proposal = order.proposal
        if not order.leaves:
            del self.orders[order_id]
            self.named.discard(order_id)
        self.sequence += 1
        settled = Settled(
            self.sequence,
            order_id,
            "a",
            INSTRUMENT,
            proposal.side,
            self.clock.now().toordinal(),
            last,
            PRICE,
            ZERO,
            order.leaves,
            decided,
        )
        self.book.settle(0, ((settled, self.market),), self.sequence)
        self.withdrawing.settled(0, {("a", INSTRUMENT)})

    @invariant()
    def never_more_than_the_position_once_withdrawals_are_carried_out(self) -> None:
        """Of each side, without the orders whose cancel was asked for."""
        if not self.up:
            return
        for side in Side:
            staying = (
                order.most
                for order_id, order in self.orders.items()
                if order.proposal.reduce_only and order.proposal.side == side and order_id not in self.named
            )
            assert sum(staying, ZERO) <= room(self.position, side)

    @invariant()
    def the_book_counts_what_is_open(self) -> None:
        """What exposure keeps of reduce-only orders is what is open of them."""
        account = self.book.accounts.get("a")
        exposure = None if account is None else account.exposures.get(INSTRUMENT)
        kept = {} if exposure is None else exposure.reduce_only or {}
        assert set(kept) == {order_id for order_id, order in self.orders.items() if order.proposal.reduce_only}


TestReduceOnly = ReduceOnlyMachine.TestCase
TestReduceOnly.settings = settings(max_examples=60, stateful_step_count=40)
