"""The scenarios of the FIX order state change matrices (FIX 4.4, volume 4, appendix D), as far as orders have them.

Those of replaces are in `test_order_replace_states.py`. Scenarios of suspended, stopped and calculated orders, and of
corrections belong to what the contract does not have yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest

from services.order.domain.applying import apply, lose
from services.order.domain.events import place, refuse, request_cancel
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.values import ExecutionType as E
from services.order.domain.values import OrderStatus as S
from services.order.domain.venue import VenueReport
from services.order.domain.venue import VenueReportType as V
from tests.fakes.orders import event, placed, report, terms


class Life:
    """An order that is led through a scenario, with what happened at each step."""

    def __init__(self, quantity: str = "10000") -> None:
        first = place(terms(quantity=quantity), 1, 10)
        self.order: Order = first.order
        self.steps: list[tuple[E, S, str, str]] = [self._step(first)]
        self.ignored: list[Ignored] = []
        self.sequence = 1

    def accept(self) -> Life:
        return self.take(report(self.order, V.ACCEPTED))

    def trade(self, quantity: str, price: str = "10") -> Life:
        return self.take(report(self.order, V.TRADE, quantity=quantity, price=price))

    def ask_cancel(self) -> Life:
        made = request_cancel(self.order, self.sequence + 1, 20)
        assert made is not None
        return self._add(made)

    def cancel(self) -> Life:
        return self.take(report(self.order, V.CANCELED))

    def refuse_cancel(self) -> Life:
        return self.take(report(self.order, V.CANCEL_REJECTED, reason="UNKNOWN_ORDER"))

    def reject(self) -> Life:
        return self.take(report(self.order, V.REJECTED, reason="VENUE_REJECTED", text="no"))

    def expire(self) -> Life:
        return self.take(report(self.order, V.EXPIRED, reason="TRADING_DAY_ENDED"))

    def take(self, told: VenueReport) -> Life:
        made = apply(self.order, told, self.sequence + 1, 20)
        if isinstance(made, Ignored):
            self.ignored.append(made)
            return self
        return self._add(made)

    def _add(self, made: OrderEvent) -> Life:
        self.sequence += 1
        self.order = made.order
        self.steps.append(self._step(made))
        return self

    @staticmethod
    def _step(made: OrderEvent) -> tuple[E, S, str, str]:
        return made.type, made.order.status, str(made.order.cumulative), str(made.order.leaves)


def check(life: Life, steps: Sequence[tuple[E, S, str, str]], ignored: Sequence[Ignored] = ()) -> None:
    """Compares a life, from its placing on."""
    assert life.steps == [(E.PENDING_NEW, S.PENDING_NEW, "0", "10000"), *steps]
    assert life.ignored == list(ignored)


def test_order_filled_in_parts() -> None:
    """An order filled in three parts counts up to FILLED, and leaves count down to 0."""
    check(
        Life().accept().trade("2000").trade("1000").trade("7000"),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.TRADE, S.PARTIALLY_FILLED, "2000", "8000"),
            (E.TRADE, S.PARTIALLY_FILLED, "3000", "7000"),
            (E.TRADE, S.FILLED, "10000", "0"),
        ],
    )


def test_order_expires_after_a_part() -> None:
    """A day order partly filled ends EXPIRED at the end of the day, with nothing left."""
    check(
        Life().accept().trade("2000").expire(),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.TRADE, S.PARTIALLY_FILLED, "2000", "8000"),
            (E.EXPIRED, S.EXPIRED, "2000", "0"),
        ],
    )


def test_order_filled_without_being_accepted_first() -> None:
    """A fill that comes before the venue's acceptance counts as acceptance; the late one is ignored."""
    check(
        Life().trade("10000").accept(),
        [(E.TRADE, S.FILLED, "10000", "0")],
        [Ignored.ENDED],
    )


def test_acceptance_after_a_part_is_ignored() -> None:
    """An order that has traded is known to be accepted."""
    life = Life().trade("1").accept()
    assert (life.order.status, life.ignored) == (S.PARTIALLY_FILLED, [Ignored.REPEATED_ACCEPT])


def test_order_rejected_by_the_venue() -> None:
    """An order that the venue refuses ends REJECTED, with its reason."""
    life = Life().reject()
    check(life, [(E.REJECTED, S.REJECTED, "0", "0")])
    assert (life.order.reason, life.order.text) == ("VENUE_REJECTED", "no")
    assert not life.order.refused_at_entry


def test_order_rejected_after_acceptance() -> None:
    """An order may be refused after it was accepted, as long as it has not traded."""
    check(Life().accept().reject(), [(E.NEW, S.NEW, "0", "10000"), (E.REJECTED, S.REJECTED, "0", "0")])


def test_rejection_after_a_part_cancels_the_rest() -> None:
    """REJECTED means that nothing has traded; an order that has is CANCELED instead."""
    check(
        Life().trade("1").reject(),
        [(E.TRADE, S.PARTIALLY_FILLED, "1", "9999"), (E.CANCELED, S.CANCELED, "1", "0")],
    )


def test_cancel_of_an_order_that_has_not_traded() -> None:
    """Pending cancel, then canceled."""
    check(
        Life().accept().ask_cancel().cancel(),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.PENDING_CANCEL, S.PENDING_CANCEL, "0", "10000"),
            (E.CANCELED, S.CANCELED, "0", "0"),
        ],
    )


def test_cancel_of_an_order_partly_filled_while_the_cancel_is_on_its_way() -> None:
    """A part filled while the cancel is pending counts, and the order stays PENDING_CANCEL."""
    check(
        Life().accept().trade("2000").ask_cancel().trade("3000").cancel(),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.TRADE, S.PARTIALLY_FILLED, "2000", "8000"),
            (E.PENDING_CANCEL, S.PENDING_CANCEL, "2000", "8000"),
            (E.TRADE, S.PENDING_CANCEL, "5000", "5000"),
            (E.CANCELED, S.CANCELED, "5000", "0"),
        ],
    )


def test_order_filled_before_the_cancel_reached_the_venue() -> None:
    """The fill wins; the refusal of the cancel that follows is late and changes nothing."""
    check(
        Life().accept().ask_cancel().trade("10000").refuse_cancel(),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.PENDING_CANCEL, S.PENDING_CANCEL, "0", "10000"),
            (E.TRADE, S.FILLED, "10000", "0"),
        ],
        [Ignored.ENDED],
    )


def test_refused_cancel_restores_new() -> None:
    """When the cancel is refused, an order that has not traded is NEW again."""
    life = Life().accept().ask_cancel().refuse_cancel()
    assert life.steps[-1] == (E.CANCEL_REJECTED, S.NEW, "0", "10000")
    assert life.order.reason == ""


def test_refused_cancel_restores_partially_filled() -> None:
    """When the cancel is refused, an order that has traded meanwhile is PARTIALLY_FILLED, not what it was."""
    life = Life().accept().ask_cancel().trade("1").refuse_cancel()
    assert life.steps[-1] == (E.CANCEL_REJECTED, S.PARTIALLY_FILLED, "1", "9999")


def test_refused_cancel_restores_pending_new() -> None:
    """When the cancel of an order not accepted yet is refused, it is PENDING_NEW again."""
    life = Life().ask_cancel().refuse_cancel()
    assert life.steps[-1] == (E.CANCEL_REJECTED, S.PENDING_NEW, "0", "10000")


def test_cancel_can_be_asked_for_again_after_a_refusal() -> None:
    """A refused cancel leaves nothing behind: the next one goes its way."""
    life = Life().accept().ask_cancel().refuse_cancel().ask_cancel().cancel()
    assert [step[1] for step in life.steps[-2:]] == [S.PENDING_CANCEL, S.CANCELED]


def test_acceptance_while_a_cancel_is_pending() -> None:
    """An acceptance that crosses the cancel is reported; the order stays PENDING_CANCEL."""
    life = Life().ask_cancel().accept()
    assert life.steps[-1] == (E.NEW, S.PENDING_CANCEL, "0", "10000")
    assert life.refuse_cancel().order.status is S.NEW


def test_rejection_while_a_cancel_is_pending() -> None:
    """An order that the venue refuses while its cancel is on its way ends REJECTED."""
    assert Life().ask_cancel().reject().order.status is S.REJECTED


def test_unsolicited_cancel() -> None:
    """A venue may cancel without being asked, in any live state."""
    for life in (Life(), Life().accept(), Life().accept().trade("1"), Life().accept().ask_cancel()):
        assert life.cancel().order.status is S.CANCELED
        assert life.order.leaves == 0


def test_immediate_or_cancel_with_a_part() -> None:
    """An immediate-or-cancel order trades what it can, and the rest is canceled."""
    check(
        Life().accept().trade("1000").cancel(),
        [
            (E.NEW, S.NEW, "0", "10000"),
            (E.TRADE, S.PARTIALLY_FILLED, "1000", "9000"),
            (E.CANCELED, S.CANCELED, "1000", "0"),
        ],
    )


def test_fill_or_kill_that_cannot_be_filled() -> None:
    """A fill-or-kill order that cannot be filled is canceled without a trade."""
    check(Life().accept().cancel(), [(E.NEW, S.NEW, "0", "10000"), (E.CANCELED, S.CANCELED, "0", "0")])


def test_repeated_fill_by_the_venues_own_count() -> None:
    """A fill that the venue's cumulative quantity holds already is booked once."""
    life = Life().accept().take(report("o", V.TRADE, quantity="5", price="10", cumulative="5"))
    life.take(report("o", V.TRADE, quantity="5", price="10", cumulative="5"))
    assert life.order.cumulative == 5
    assert life.ignored == [Ignored.REPEATED_FILL]


@pytest.mark.parametrize("end", [Life.cancel, Life.reject, Life.expire, lambda life: life.trade("10000")])
def test_an_order_that_has_ended_never_changes(end: Callable[[Life], object]) -> None:
    """After an end of any kind, no report and no request changes the order."""
    life = Life().accept()
    end(life)
    ended, count = life.order, len(life.steps)
    life.accept().cancel().refuse_cancel().reject().expire().trade("1")
    assert life.order is ended
    assert len(life.steps) == count
    assert life.ignored[-1] is Ignored.FILL_AFTER_END
    assert request_cancel(ended, 9, 9) is None
    assert lose(ended, 9, 9, "gone") is None


def test_cancel_of_a_pending_cancel_makes_no_event() -> None:
    """A second request while one is on its way changes nothing."""
    assert request_cancel(Life().ask_cancel().order, 9, 9) is None


def test_refused_cancel_that_nobody_waits_for() -> None:
    """A refusal of a cancel that was not asked for is ignored."""
    assert Life().accept().refuse_cancel().ignored == [Ignored.NO_CANCEL_PENDING]


def test_refusal_by_risk_is_the_only_event_of_its_order() -> None:
    """An order that risk refuses begins and ends REJECTED, and is told from one that the venue refuses."""
    made = refuse(terms(), 7, 70, reason="RISK_LIMIT_EXCEEDED", text="too much", breach=None)
    assert (made.type, made.order.status, made.order.version) == (E.REJECTED, S.REJECTED, 1)
    assert made.order.refused_at_entry
    assert made.order.leaves == 0


def test_a_fill_beyond_the_quantity_is_booked_and_fills_the_order() -> None:
    """A venue that overfills is believed: the fill is booked, the order is FILLED, and leaves are not negative."""
    life = Life("100").accept().trade("150")
    assert life.order.status is S.FILLED
    assert life.order.cumulative == 150
    assert life.order.leaves == 0


def test_order_lost_by_its_venue_is_canceled_with_a_text() -> None:
    """An order whose venue has lost its history ends CANCELED and says why."""
    made = lose(placed(), 5, 50, "the venue has lost it")
    assert made is not None
    assert (made.order.status, made.order.text, made.order.reason) == (
        S.CANCELED,
        "the venue has lost it",
        "VENUE_UNAVAILABLE",
    )


def test_versions_and_sequences_count_events() -> None:
    """Each event raises the version by one and has its own sequence; commands keep the sequences that number them."""
    life = Life().accept().ask_cancel().refuse_cancel().ask_cancel()
    order = life.order
    assert (order.version, order.sequence, order.placed_sequence, order.cancel_sequence) == (5, 5, 1, 5)


def test_average_price_of_fills_at_different_prices() -> None:
    """The average is the exact sum of price x quantity over the quantity."""
    life = Life("300").trade("100", "10.01").trade("200", "10.04")
    assert life.order.average == Decimal("10.03")


def test_average_price_that_does_not_end_is_rounded_half_to_even_at_twelve_digits() -> None:
    """1/3 is told with twelve digits; what is kept is the exact sum, so that no error adds up."""
    life = Life("3").trade("1", "1").trade("2", "2")
    assert life.order.average == Decimal("1.666666666667")
    assert life.order.notional == 5


def test_an_order_that_has_not_traded_has_no_average() -> None:
    """Nothing is told where there is nothing to average."""
    assert placed().average is None


def test_a_fill_without_price_makes_no_sense() -> None:
    """A fill must say price and quantity."""
    with pytest.raises(ValueError, match="fill"):
        apply(placed(), report("o", V.TRADE, quantity="1"), 2, 2)
    with pytest.raises(ValueError, match="not a fill"):
        fill_of(place(terms(), 1, 1))


def test_a_report_teaches_connection_and_venue_order_id() -> None:
    """The order knows its connection and the venue's id from the first report on."""
    made = event(apply(placed(), report("o", V.ACCEPTED), 2, 2))
    assert (made.order.connection_id, made.order.venue_order_id) == ("simulation", "v-1")
