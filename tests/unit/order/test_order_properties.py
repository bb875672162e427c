"""What holds for every order, whatever reports come in whatever order."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from services.order.domain.events import Ignored, OrderEvent, apply, fill_of, lose, place, request_cancel
from services.order.domain.order import Order
from services.order.domain.prices import average_price
from services.order.domain.values import LIVE_STATUSES, OrderStatus, topic_of
from services.order.domain.venue import VenueReport, VenueReportType
from tests.fakes.orders import report, terms

QUANTITY = 20

reports = st.one_of(
    st.builds(
        lambda type_: report("o", type_),
        st.sampled_from([t for t in VenueReportType if t is not VenueReportType.TRADE]),
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
        self.log: list[OrderEvent] = [place(terms(quantity=str(QUANTITY)), 1, 1)]
        self.inputs: list[VenueReport | str] = []
        self.ended: Order | None = None

    @property
    def order(self) -> Order:
        return self.log[-1].order

    @rule(told=reports)
    def venue_reports(self, told: VenueReport) -> None:
        made = apply(self.order, told, len(self.log) + 1, 2)
        self.inputs.append(told)
        if not isinstance(made, Ignored):
            self.log.append(made)

    @rule()
    def cancel_is_asked_for(self) -> None:
        made = request_cancel(self.order, len(self.log) + 1, 2)
        self.inputs.append("cancel")
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
        fills = [fill_of(made) for made in self.log if made.is_fill]
        assert self.order.cumulative == sum(quantity for _, quantity in fills)
        assert self.order.notional == sum(price * quantity for price, quantity in fills)

    @invariant()
    def versions_and_sequences_have_no_gap(self) -> None:
        assert [made.order.version for made in self.log] == list(range(1, len(self.log) + 1))
        assert [made.order.sequence for made in self.log] == list(range(1, len(self.log) + 1))

    @invariant()
    def an_ended_order_never_changes(self) -> None:
        if self.ended is not None:
            assert self.order is self.ended
        elif not self.order.live:
            self.ended = self.order

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
                assert 0 < order.cumulative < QUANTITY
            case OrderStatus.FILLED:
                assert order.cumulative >= QUANTITY
            case OrderStatus.REJECTED:
                assert not order.cumulative
            case _:
                pass

    @invariant()
    def the_same_reports_again_give_the_same_state(self) -> None:
        log = [self.log[0]]
        for told in self.inputs:
            match told:
                case "cancel":
                    made: OrderEvent | Ignored | None = request_cancel(log[-1].order, len(log) + 1, 2)
                case "lose":
                    made = lose(log[-1].order, len(log) + 1, 2, "gone")
                case _:
                    assert not isinstance(told, str)
                    made = apply(log[-1].order, told, len(log) + 1, 2)
            if isinstance(made, OrderEvent):
                log.append(made)
        assert [state(made) for made in log] == [state(made) for made in self.log]


def state(made: OrderEvent) -> tuple[object, ...]:
    """Returns what must be equal."""
    order = made.order
    return made.type, order.status, order.cumulative, order.notional, order.version, topic_of(made.type)


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
