"""What holds for every order, whatever reports come in whatever order."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.order.domain.adjusting import AdjustmentEvent, adjust
from services.order.domain.applying import apply, fill_anew, lose
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.ignored import Ignored
from services.order.domain.instructions import Instructions
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.order_trades import Execution, Executions
from services.order.domain.prices import average_price
from services.order.domain.replacing import ReplaceRequest
from services.order.domain.values import (
    ADJUSTMENTS,
    LIVE_STATUSES,
    ExecutionType,
    OrderStatus,
    OrderType,
    RestatementReason,
    topic_of,
)
from services.order.domain.venue import ADJUSTING, VenueAdjustment, VenueReport, VenueReportType
from tests.fakes.orders import report, terms

QUANTITY = 20


def restatement(quantity: int | None, ticks: int | None) -> VenueReport:
    """Returns the report of a venue that changes an order on its own."""
    new, price = (None if each is None else Decimal(each) for each in (quantity, ticks))
    told = VenueAdjustment(quantity=new, limit_price=price, reason=RestatementReason.MARKET_OPTION)
    return report("o", VenueReportType.RESTATED, adjustment=told)


@dataclass(frozen=True)
class TradeReport:
    """What a venue does to a trade, by the number of the trade."""

    number: int
    quantity: int
    ticks: int
    leaves: int | None

    def of(self, executions: Executions) -> VenueReport | None:
        trades = list(executions)
        if not trades:
            return None
        trade = trades[self.number % len(trades)]
        leaves = None if self.leaves is None else Decimal(self.leaves)
        told = VenueAdjustment(trade.venue_execution_ids[-1], leaves)
        if not self.quantity:
            return report("o", VenueReportType.TRADE_CANCELED, adjustment=told)
        corrected = report("o", VenueReportType.TRADE_CORRECTED, quantity=str(self.quantity), price=f"{self.ticks}.25")
        corrected.adjustment = told
        return corrected


reports = st.one_of(
    st.builds(
        lambda type_, command: report("o", type_, command=command),
        st.sampled_from([t for t in VenueReportType if t not in (VenueReportType.TRADE, *ADJUSTING)]),
        st.sampled_from((0, 0, 0, 2, 3, 4)),
    ),
    st.builds(
        restatement,
        st.none() | st.integers(1, 30),
        st.none() | st.integers(1, 9),
    ),
    st.builds(
        lambda quantity, ticks: report("o", VenueReportType.TRADE, quantity=str(quantity), price=f"{ticks}.25"),
        st.integers(1, 8),
        st.integers(1, 500),
    ),
)


class OrderMachine(RuleBasedStateMachine):
    """Leads an order through anything, and keeps the naive account of it beside."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[OrderEvent] = []
        self.inputs: list[VenueReport | ReplaceRequest | TradeReport | str] = []

    @initialize(stop=st.booleans())
    def order_is_placed(self, stop: bool) -> None:
        if stop:
            waiting = Instructions(stop_price=Decimal(190), display_quantity=Decimal(3))
            ordered = terms(quantity=str(QUANTITY), type=OrderType.STOP_LIMIT, instructions=waiting)
        else:
            ordered = terms(quantity=str(QUANTITY))
        self.log.append(place(ordered, 1, 1))

    @property
    def order(self) -> Order:
        return self.log[-1].order

    @rule(told=reports)
    def venue_reports(self, told: VenueReport) -> None:
        self.inputs.append(told)
        made = reported(self.log, told)
        if not isinstance(made, Ignored):
            self.log.append(made)

    @rule(
        told=st.builds(
            TradeReport,
            st.integers(0, 5),
            st.sampled_from((0, 0, 3, 7)),
            st.integers(1, 9),
            st.sampled_from((None, 0, 2)),
        )
    )
    def venue_adjusts_a_trade(self, told: TradeReport) -> None:
        self.inputs.append(told)
        made = adjusted(self.log, told)
        if isinstance(made, OrderEvent):
            self.log.append(made)

    @rule()
    def cancel_is_asked_for(self) -> None:
        made = request_cancel(self.order, len(self.log) + 1, 2)
        self.inputs.append("cancel")
        if made is not None:
            self.log.append(made)

    @rule(
        quantity=st.none() | st.integers(1, 40), ticks=st.none() | st.integers(1, 9), stop=st.none() | st.integers(1, 9)
    )
    def replace_is_asked_for(self, quantity: int | None, ticks: int | None, stop: int | None) -> None:
        new, price, stop_price = (None if each is None else Decimal(each) for each in (quantity, ticks, stop))
        if self.order.terms.instructions is None:
            stop_price = None
        request = ReplaceRequest("o", str(len(self.inputs)), new, price, stop_price=stop_price)
        made = request_replace(self.order, request, len(self.log) + 1, 2)
        self.inputs.append(request)
        if made is not None:
            self.log.append(made)

    @rule()
    def venue_loses_it(self) -> None:
        made = lose(self.order, len(self.log) + 1, 2, "gone")
        self.inputs.append("lose")
        if made is not None:
            self.log.append(made)

    @invariant()
    def quantity_is_cumulative_and_leaves_while_live(self) -> None:
        order = self.order
        assert order.live == (order.status in LIVE_STATUSES)
        if order.live:
            assert order.terms.quantity == order.cumulative + order.leaves
            assert order.leaves > 0
        else:
            assert order.leaves == 0

    @invariant()
    def the_sum_of_fills_is_the_cumulative_quantity(self) -> None:
        count = [trade for trade in executions_of(self.log) if not trade.canceled]
        assert self.order.cumulative == sum(trade.quantity for trade in count)
        assert self.order.notional == sum(trade.price * trade.quantity for trade in count)

    @invariant()
    def versions_and_sequences_have_no_gap(self) -> None:
        assert [made.order.version for made in self.log] == list(range(1, len(self.log) + 1))
        assert [made.order.sequence for made in self.log] == list(range(1, len(self.log) + 1))

    @invariant()
    def an_ended_order_changes_by_what_becomes_of_its_trades_alone(self) -> None:
        trades_adjusted = False
        for before, made in itertools.pairwise(self.log):
            trades_adjusted = trades_adjusted or before.type in ADJUSTMENTS
            if not before.order.live:
                assert made.type in ADJUSTMENTS or (made.is_fill and trades_adjusted)
                assert not made.order.live or made.type in ADJUSTMENTS

    @invariant()
    def status_says_what_has_traded(self) -> None:
        order = self.order
        match order.status:
            case OrderStatus.PENDING_NEW:
                assert not order.accepted
                assert not order.cumulative
            case OrderStatus.NEW:
                assert order.accepted
                assert not order.cumulative
            case OrderStatus.PARTIALLY_FILLED:
                assert 0 < order.cumulative < order.terms.quantity
            case OrderStatus.FILLED:
                assert order.cumulative >= order.terms.quantity
            case OrderStatus.PENDING_REPLACE:
                assert order.replacing is not None
            case OrderStatus.REJECTED:
                assert not order.cumulative
            case OrderStatus.CANCELED | OrderStatus.EXPIRED:
                adjusted_since = any(made.type in ADJUSTMENTS for made in self.log)
                assert order.cumulative < order.terms.quantity or not adjusted_since
            case _:
                pass

    @invariant()
    def a_replace_is_pending_only_while_its_order_waits(self) -> None:
        order = self.order
        if order.replacing is not None:
            assert order.status in (OrderStatus.PENDING_REPLACE, OrderStatus.PENDING_CANCEL)
            since = self.log[order.replacing.sequence :]
            if not any(made.type in (*ADJUSTMENTS, ExecutionType.RESTATED) for made in since):
                assert order.terms.quantity == order.replacing.original_quantity

    @invariant()
    def terms_change_by_a_replace_a_release_or_the_venue_alone(self) -> None:
        changing = (
            ExecutionType.REPLACED,
            ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM,
            ExecutionType.RESTATED,
        )
        for before, made in itertools.pairwise(self.log):
            if made.type in ADJUSTMENTS:
                # What was taken back and is not open again is no longer ordered.
                assert made.order.terms.quantity <= before.order.terms.quantity or made.order.live
                continue
            assert (made.order.terms is before.order.terms) == (made.type not in changing)

    @invariant()
    def a_stop_order_is_released_once_and_keeps_its_instructions(self) -> None:
        first, last = self.log[0].order.terms.instructions, self.order.terms.instructions
        releases = [made.type for made in self.log].count(ExecutionType.TRIGGERED_OR_ACTIVATED_BY_SYSTEM)
        if first is None or last is None:
            assert first is last
            assert releases == 0
        else:
            assert releases == last.triggered
            assert last.display_quantity == first.display_quantity
            assert last.stop_price is not None

    @invariant()
    def an_order_filled_by_its_replace_has_what_has_traded(self) -> None:
        if self.log[-1].type is ExecutionType.REPLACED and not self.order.live:
            assert self.order.status is OrderStatus.FILLED
            assert self.order.terms.quantity == self.order.cumulative > 0

    @invariant()
    def the_same_reports_again_give_the_same_state(self) -> None:
        log = [self.log[0]]
        for told in self.inputs:
            match told:
                case "cancel":
                    made: OrderEvent | Ignored | None = request_cancel(log[-1].order, len(log) + 1, 2)
                case "lose":
                    made = lose(log[-1].order, len(log) + 1, 2, "gone")
                case ReplaceRequest():
                    made = request_replace(log[-1].order, told, len(log) + 1, 2)
                case TradeReport():
                    made = adjusted(log, told)
                case _:
                    assert not isinstance(told, str)
                    made = reported(log, told)
            if isinstance(made, OrderEvent):
                log.append(made)
        assert [state(made) for made in log] == [state(made) for made in self.log]


def executions_of(log: list[OrderEvent]) -> Executions:
    """Returns the trades of an order, told from the log alone; the venue's ids are the numbers of their entries."""
    executions = Executions()
    for number, made in enumerate(log, 1):
        if isinstance(made, AdjustmentEvent):
            executions.put(made.adjustment.after(str(number), str(number)))
        elif made.is_fill:
            price, quantity = fill_of(made)
            executions.put(Execution(str(number), str(number), (str(number),), price, quantity))
    return executions


def reported(log: list[OrderEvent], told: VenueReport) -> OrderEvent | Ignored:
    """Returns what a report does: a fill of an ended order counts when the venue has adjusted a trade of it."""
    order, sequence = log[-1].order, len(log) + 1
    if told.type is VenueReportType.TRADE and not order.live and executions_of(log).adjusted:
        return fill_anew(order, told, sequence, 2)
    return apply(order, told, sequence, 2)


def adjusted(log: list[OrderEvent], told: TradeReport) -> OrderEvent | Ignored | None:
    """Returns what the cancel or correction of a trade does; None when nothing has traded."""
    executions = executions_of(log)
    named = told.of(executions)
    return None if named is None else adjust(log[-1].order, named, executions, len(log) + 1, 2)


def state(made: OrderEvent) -> tuple[object, ...]:
    """Returns what must be equal."""
    order = made.order
    terms = order.terms
    return (
        made.type,
        order.status,
        order.cumulative,
        order.notional,
        order.version,
        topic_of(made.type),
        order.replace,
        (terms.quantity, terms.limit_price, terms.instructions),
    )


TestOrderMachine = OrderMachine.TestCase

decimals = st.decimals(min_value="0.000000000001", max_value="1000000", places=12)


@given(st.lists(st.tuples(decimals, decimals), min_size=1, max_size=8))
def test_average_price_is_within_half_a_step_of_the_quotient(fills: list[tuple[Decimal, Decimal]]) -> None:
    """The average is between the least and the greatest price; times the quantity it is the sum, but for rounding."""
    notional = sum((price * quantity for price, quantity in fills), Decimal(0))
    cumulative = sum((quantity for _, quantity in fills), Decimal(0))
    average = average_price(notional, cumulative)
    assert average is not None
    step = Decimal("0.000000000001")
    assert min(price for price, _ in fills) - step <= average <= max(price for price, _ in fills) + step
    assert abs(average * cumulative - notional) <= step / 2 * cumulative + step
