"""What a venue changes on its own: trades canceled and corrected, orders restated and canceled.

The scenarios J.1.a and J.1.b of the FIX 5.0 order state change matrices (D34 and D35 of FIX 4.2), and what they leave
open. J.1.a is told by a venue that opens again what it takes back, which FIX assumes; others say so by their leaves.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from services.kernel.decimals import format_decimal
from services.order.domain.adjusting import AdjustmentEvent, adjust
from services.order.domain.applying import apply, fill_anew
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.order_trades import Execution, Executions
from services.order.domain.replacing import ReplaceRequest, ReplaceStatus
from services.order.domain.values import ExecutionType as E
from services.order.domain.values import OrderStatus as S
from services.order.domain.values import RestatementReason
from services.order.domain.venue import VenueAdjustment, VenueReport
from services.order.domain.venue import VenueReportType as V
from tests.fakes.orders import event, report, terms

D = Decimal
Step = tuple[E, S, str, str, str, str | None]


class Life:
    """An order that is led through a scenario; its executions have the letters of the matrices."""

    def __init__(self, quantity: str = "10000") -> None:
        first = place(terms(quantity=quantity), 1, 10)
        self.order: Order = first.order
        self.executions = Executions()
        self.steps: list[Step] = []
        self.ignored: list[Ignored] = []
        self.events: list[OrderEvent] = []
        self.sequence = 1

    def accept(self) -> Life:
        return self._add(event(apply(self.order, report(self.order, V.ACCEPTED), self.sequence + 1, 20)))

    def trade(self, letter: str, quantity: str, price: str) -> Life:
        told = report(self.order, V.TRADE, quantity=quantity, price=price)
        told.venue_execution_id = letter
        if self.order.live:
            return self._take(apply(self.order, told, self.sequence + 1, 20), letter)
        return self._take(fill_anew(self.order, told, self.sequence + 1, 20), letter)

    def bust(self, letter: str, of: str, leaves: str | None = None) -> Life:
        told = VenueAdjustment(of, None if leaves is None else D(leaves))
        return self._adjust(letter, report(self.order, V.TRADE_CANCELED, adjustment=told))

    def correct(self, letter: str, of: str, quantity: str, price: str, leaves: str | None = None) -> Life:
        named = VenueAdjustment(of, None if leaves is None else D(leaves))
        told = report(self.order, V.TRADE_CORRECTED, quantity=quantity, price=price, adjustment=named)
        return self._adjust(letter, told)

    def restate(
        self,
        quantity: str | None = None,
        price: str | None = None,
        reason: RestatementReason = RestatementReason.MARKET_OPTION,
    ) -> Life:
        new, limit = (None if each is None else D(each) for each in (quantity, price))
        told = report(self.order, V.RESTATED, adjustment=VenueAdjustment("", None, new, limit, reason))
        return self._take(apply(self.order, told, self.sequence + 1, 20))

    def ask_cancel(self) -> Life:
        made = request_cancel(self.order, self.sequence + 1, 20)
        assert made is not None
        return self._add(made)

    def ask_replace(self, quantity: str) -> Life:
        request = ReplaceRequest(self.order.terms.order_id, "r", D(quantity), None)
        made = request_replace(self.order, request, self.sequence + 1, 20)
        assert made is not None
        return self._add(made)

    def told(self, type_: V, **fields: str) -> Life:
        return self._take(apply(self.order, report(self.order, type_, **fields), self.sequence + 1, 20))  # type: ignore[arg-type]  # as each test says

    def _adjust(self, letter: str, told: VenueReport) -> Life:
        told.venue_execution_id = letter
        made = adjust(self.order, told, self.executions, self.sequence + 1, 20)
        return self._take(made, letter)

    def _take(self, made: OrderEvent | Ignored, letter: str = "") -> Life:
        if isinstance(made, Ignored):
            self.ignored.append(made)
            return self
        if isinstance(made, AdjustmentEvent):
            self.executions.put(made.adjustment.after(f"our {letter}", letter))
        elif made.is_fill:
            price, quantity = fill_of(made)
            self.executions.put(Execution(f"our {letter}", f"our {letter}", (letter,), price, quantity))
        return self._add(made)

    def _add(self, made: OrderEvent) -> Life:
        self.sequence += 1
        self.order = made.order
        order = self.order
        average = None if order.average is None else format_decimal(order.average)
        self.steps.append(
            (made.type, order.status, str(order.terms.quantity), str(order.cumulative), str(order.leaves), average)
        )
        self.events.append(made)
        return self


def check(life: Life, steps: Sequence[Step], ignored: Sequence[Ignored] = ()) -> None:
    """Compares a life, from its acceptance on."""
    assert life.steps == [(E.NEW, S.NEW, "10000", "0", "10000", None), *steps]
    assert life.ignored == list(ignored)
    count = [execution for execution in life.executions if not execution.canceled]
    assert life.order.cumulative == sum(each.quantity for each in count)
    assert life.order.notional == sum(each.quantity * each.price for each in count)


def test_filled_order_followed_by_correction_and_cancellation_of_executions() -> None:
    """FIX 5.0, J.1.a, step by step; corrections name the last execution before them."""
    life = Life().accept().trade("C", "1000", "100").trade("D", "9000", "110")
    life.bust("E", "C", leaves="1000").correct("F", "D", "9000", "100", leaves="1000").trade("G", "1000", "120")
    life.correct("H", "F", "9000", "120")
    steps: list[Step] = [
        (E.TRADE, S.PARTIALLY_FILLED, "10000", "1000", "9000", "100"),
        (E.TRADE, S.FILLED, "10000", "10000", "0", "109"),
        (E.TRADE_CANCEL, S.PARTIALLY_FILLED, "10000", "9000", "1000", "110"),
        (E.TRADE_CORRECT, S.PARTIALLY_FILLED, "10000", "9000", "1000", "100"),
        (E.TRADE, S.FILLED, "10000", "10000", "0", "102"),
        (E.TRADE_CORRECT, S.FILLED, "10000", "10000", "0", "120"),
    ]
    # A filled order is not replaced here (ORDER_NOT_LIVE), so that the matrix is followed to step 8.
    check(life, steps)


def test_correction_of_a_quantity_takes_from_what_is_left() -> None:
    """The last step of J.1.a: 9000 corrected to 9500 leaves 500 less."""
    life = Life("12000").accept().trade("G", "1000", "120").trade("H", "9000", "120").correct("K", "H", "9500", "120")
    assert life.steps[-1] == (E.TRADE_CORRECT, S.PARTIALLY_FILLED, "12000", "10500", "1500", "120")


def test_canceled_order_followed_by_a_busted_execution_and_a_new_execution() -> None:
    """FIX 5.0, J.1.b: CANCELED takes precedence over NEW, and stays when the venue makes the trade anew."""
    life = Life().accept().trade("B", "5000", "50").ask_cancel().told(V.CANCELED, reason="CANCELED_ON_REQUEST")
    life.bust("E", "B").trade("F", "4000", "51")
    check(
        life,
        [
            (E.TRADE, S.PARTIALLY_FILLED, "10000", "5000", "5000", "50"),
            (E.PENDING_CANCEL, S.PENDING_CANCEL, "10000", "5000", "5000", "50"),
            (E.CANCELED, S.CANCELED, "10000", "5000", "0", "50"),
            (E.TRADE_CANCEL, S.CANCELED, "10000", "0", "0", None),
            (E.TRADE, S.CANCELED, "10000", "4000", "0", "51"),
        ],
    )
    assert life.order.reason == "CANCELED_ON_REQUEST"


def test_filled_order_whose_trade_is_taken_back_and_not_opened_again_is_canceled() -> None:
    """A venue that says nothing of leaves has none: an order that has traded less than ordered, and is not live."""
    life = Life().accept().trade("C", "1000", "100").trade("D", "9000", "110").bust("E", "C")
    assert life.steps[-1] == (E.TRADE_CANCEL, S.CANCELED, "10000", "9000", "0", "110")
    assert life.order.reason == "TRADE_CANCELED"
    assert life.events[-1].reason == "TRADE_CANCELED"


def test_filled_order_that_is_corrected_back_to_its_quantity_is_filled_again() -> None:
    """FILLED takes precedence over CANCELED."""
    life = Life().accept().trade("C", "10000", "100").correct("D", "C", "9000", "100").correct("E", "D", "10000", "100")
    assert [step[1] for step in life.steps[-2:]] == [S.CANCELED, S.FILLED]
    assert (life.order.reason, life.order.text) == ("", "")


def test_live_order_whose_trade_is_taken_back_has_it_to_trade_again() -> None:
    """By FIX the quantity taken back is left again when the venue does not say otherwise."""
    life = Life().accept().trade("B", "4000", "100").bust("C", "B")
    assert life.steps[-1] == (E.TRADE_CANCEL, S.NEW, "10000", "0", "10000", None)


def test_live_order_at_a_venue_that_does_not_open_it_again_is_smaller() -> None:
    """What is left stays: what was taken back is no longer ordered, so that quantity = cumulative + leaves."""
    life = Life().accept().trade("B", "4000", "100").trade("C", "1000", "100").bust("D", "B", leaves="5000")
    assert life.steps[-1] == (E.TRADE_CANCEL, S.PARTIALLY_FILLED, "6000", "1000", "5000", "100")


def test_a_correction_that_fills_a_live_order_ends_it() -> None:
    """As a fill would."""
    life = Life().accept().trade("B", "4000", "100").correct("C", "B", "10000", "100")
    assert life.steps[-1] == (E.TRADE_CORRECT, S.FILLED, "10000", "10000", "0", "100")


@pytest.mark.parametrize("ask", ["cancel", "replace"])
def test_a_bust_leaves_what_is_on_its_way_as_it_is(ask: str) -> None:
    """A pending cancel or replace waits on for the venue's answer."""
    life = Life().accept().trade("B", "4000", "100")
    life = life.ask_cancel() if ask == "cancel" else life.ask_replace("12000")
    pending = life.order.status
    life.bust("C", "B")
    assert life.steps[-1] == (E.TRADE_CANCEL, pending, "10000", "0", "10000", None)
    life.told(V.CANCEL_REJECTED)
    assert life.order.status is S.NEW


def test_expired_order_stays_expired() -> None:
    """Whatever becomes of its trades."""
    life = Life().accept().trade("B", "4000", "100").told(V.EXPIRED, reason="TRADING_DAY_ENDED")
    life.correct("C", "B", "3000", "99").bust("D", "C")
    assert [step[1] for step in life.steps[-2:]] == [S.EXPIRED, S.EXPIRED]
    assert life.order.reason == "TRADING_DAY_ENDED"
    assert life.order.average is None


@pytest.mark.parametrize("named", ["B", "C"])
def test_the_same_bust_again_changes_nothing(named: str) -> None:
    """By whatever id of the execution the venue names it."""
    life = Life().accept().trade("B", "4000", "100").correct("C", "B", "3000", "99").bust("D", named)
    before = life.order
    life.bust("E", "B").bust("F", "C")
    assert life.order is before
    assert life.ignored == [Ignored.REPEATED_ADJUSTMENT] * 2


def test_the_same_correction_again_changes_nothing() -> None:
    """Also under another id."""
    life = Life().accept().trade("B", "4000", "100").correct("C", "B", "3000", "99").correct("D", "B", "3000", "99")
    assert life.ignored == [Ignored.REPEATED_ADJUSTMENT]


def test_what_is_not_there_to_be_adjusted_is_told() -> None:
    """A bust of an unknown execution, and the correction of one that was taken back."""
    life = Life().accept().trade("B", "4000", "100").bust("C", "Z").bust("D", "B").correct("E", "B", "1", "1")
    assert life.ignored == [Ignored.UNKNOWN_EXECUTION, Ignored.CANCELED_EXECUTION]


def test_a_correction_without_price_makes_no_sense() -> None:
    """It is refused, and the order stays as it is."""
    life = Life().accept().trade("B", "4000", "100")
    told = report(life.order, V.TRADE_CORRECTED, quantity="1", adjustment=VenueAdjustment("B"))
    with pytest.raises(ValueError, match="without price or quantity"):
        adjust(life.order, told, life.executions, 9, 20)


def test_an_order_is_restated_to_less() -> None:
    """The venue has declined a part: what is left is less, what has traded stays."""
    life = Life().accept().trade("B", "4000", "100").restate("7000")
    assert life.steps[-1] == (E.RESTATED, S.PARTIALLY_FILLED, "7000", "4000", "3000", "100")
    assert life.order.replace is None


def test_an_order_is_restated_to_another_price() -> None:
    """It is repriced, with the quantity that it had."""
    life = Life().accept().restate(price="186", reason=RestatementReason.REPRICING)
    assert life.order.terms.limit_price == D(186)
    assert life.order.terms.quantity == D(10000)


def test_an_order_restated_to_what_has_traded_is_filled() -> None:
    """Nothing is left of it."""
    life = Life().accept().trade("B", "4000", "100").restate("3000")
    assert life.steps[-1] == (E.RESTATED, S.FILLED, "4000", "4000", "0", "100")


def test_an_order_told_anew_at_the_start_of_a_day_is_restated_as_it_is() -> None:
    """FIX says GT renewal though nothing changed; another restatement to the same terms is a repetition."""
    life = Life().accept().restate(reason=RestatementReason.GT_RENEWAL).restate("10000")
    assert life.steps[-1] == (E.RESTATED, S.NEW, "10000", "0", "10000", None)
    assert life.ignored == [Ignored.REPEATED_RESTATEMENT]


def test_a_restatement_leaves_what_is_on_its_way_as_it_is() -> None:
    """The replace is answered on top of it."""
    life = Life().accept().ask_replace("12000").restate("8000")
    assert life.steps[-1] == (E.RESTATED, S.PENDING_REPLACE, "8000", "0", "8000", None)
    life.told(V.REPLACED)
    assert life.steps[-1] == (E.REPLACED, S.NEW, "12000", "0", "12000", None)


def test_an_order_that_has_ended_is_not_restated() -> None:
    """The report is late."""
    life = Life().accept().told(V.CANCELED).restate("7000")
    assert life.ignored == [Ignored.ENDED]


@pytest.mark.parametrize("pending", ["", "cancel", "replace"])
def test_unsolicited_cancel(pending: str) -> None:
    """The venue cancels what nobody asked it to: the rest is gone, fills stand, a replace on its way is refused."""
    life = Life().accept().trade("B", "4000", "100")
    if pending:
        life = life.ask_cancel() if pending == "cancel" else life.ask_replace("12000")
    life.told(V.CANCELED, reason="TRADING_DAY_ENDED", text="the venue closes")
    assert life.steps[-1] == (E.CANCELED, S.CANCELED, "10000", "4000", "0", "100")
    assert (life.order.reason, life.order.text) == ("TRADING_DAY_ENDED", "the venue closes")
    if pending == "replace":
        assert life.order.replace is not None
        assert life.order.replace.status is ReplaceStatus.REJECTED


def test_a_rejected_order_that_trades_after_all_was_canceled() -> None:
    """REJECTED says that nothing has traded: a fill made anew after a bust leaves the order CANCELED with it."""
    life = Life("100").accept().trade("A", "10", "5").bust("B", "A").told(V.REJECTED)
    assert life.order.status is S.REJECTED
    life.trade("C", "10", "5")
    assert (life.order.status, life.order.live, life.order.cumulative) == (S.CANCELED, False, 10)
