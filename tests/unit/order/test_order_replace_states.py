"""The scenarios of the FIX order state change matrices (FIX 4.4, volume 4, appendix D) that have to do with replaces.

A replace below what has traded ends the order FILLED. A filled order is not opened again by a replace (scenario C.1.c
of the matrices leaves that to the venue): an order that has ended never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import pytest

from services.order.domain.applying import apply, lose
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.ignored import Ignored
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, ReplaceStatus, asked_terms, only_reduces
from services.order.domain.values import ExecutionType as E
from services.order.domain.values import OrderStatus as S
from services.order.domain.venue import VenueReport
from services.order.domain.venue import VenueReportType as V
from tests.fakes.orders import report, terms

Step = tuple[E, S, str, str, str]
"""What happened; status, quantity, cumulative and leaves afterwards."""


def asked(quantity: str | None = None, price: str | None = None, replace_id: str = "r") -> ReplaceRequest:
    """Returns a request."""
    return ReplaceRequest("o", replace_id, quantity and Decimal(quantity), price and Decimal(price))  # type: ignore[arg-type]  # an empty text is never given


class Life:
    """An order of 10,000 at 10 that is led through a scenario, with what happened at each step."""

    def __init__(self) -> None:
        first = place(terms(quantity="10000", limit_price="10"), 1, 10)
        self.order: Order = first.order
        self.steps: list[Step] = []
        self.ignored: list[Ignored] = []
        self.sequence = 1

    def accept(self) -> Life:
        return self.take(report(self.order, V.ACCEPTED))

    def trade(self, quantity: str) -> Life:
        return self.take(report(self.order, V.TRADE, quantity=quantity, price="10"))

    def ask(self, quantity: str | None = None, price: str | None = None, replace_id: str = "r") -> Life:
        made = request_replace(self.order, asked(quantity, price, replace_id), self.sequence + 1, 20)
        assert made is not None
        return self._add(made)

    def replace(self, command: int = 0) -> Life:
        return self.take(report(self.order, V.REPLACED, command=command))

    def ask_cancel(self) -> Life:
        made = request_cancel(self.order, self.sequence + 1, 20)
        assert made is not None
        return self._add(made)

    def cancel(self) -> Life:
        return self.take(report(self.order, V.CANCELED))

    def refuse(self, command: int = 0) -> Life:
        """The venue refuses a cancel or a replace: it has one word for both."""
        return self.take(report(self.order, V.CANCEL_REJECTED, reason="VENUE_REJECTED", text="no", command=command))

    def take(self, told: VenueReport) -> Life:
        made = apply(self.order, told, self.sequence + 1, 20)
        if isinstance(made, Ignored):
            self.ignored.append(made)
            return self
        return self._add(made)

    def _add(self, made: OrderEvent) -> Life:
        self.sequence += 1
        order = self.order = made.order
        self.steps.append(
            (made.type, order.status, str(order.terms.quantity), str(order.cumulative), str(order.leaves))
        )
        return self

    @property
    def outcome(self) -> ReplaceStatus:
        assert self.order.replace is not None
        return self.order.replace.status


def check(life: Life, steps: Sequence[Step], ignored: Sequence[Ignored] = ()) -> None:
    """Compares a life from its acceptance on."""
    assert life.steps == [(E.NEW, S.NEW, "10000", "0", "10000"), *steps]
    assert life.ignored == list(ignored)


def test_increase_of_an_order_that_has_not_traded() -> None:
    """C.1.a: pending replace with the original terms, then replaced with the new ones, and fills up to them."""
    check(
        Life().accept().ask("11000").replace().trade("1000").trade("10000"),
        [
            (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000", "0", "10000"),
            (E.REPLACED, S.NEW, "11000", "0", "11000"),
            (E.TRADE, S.PARTIALLY_FILLED, "11000", "1000", "10000"),
            (E.TRADE, S.FILLED, "11000", "11000", "0"),
        ],
    )


def test_increase_of_a_part_filled_order_that_trades_meanwhile() -> None:
    """C.1.b: a fill while the replace is on its way carries the original terms; after it the new ones hold."""
    check(
        Life().accept().trade("1000").ask("12000").trade("100").replace().trade("10900"),
        [
            (E.TRADE, S.PARTIALLY_FILLED, "10000", "1000", "9000"),
            (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000", "1000", "9000"),
            (E.TRADE, S.PENDING_REPLACE, "10000", "1100", "8900"),
            (E.REPLACED, S.PARTIALLY_FILLED, "12000", "1100", "10900"),
            (E.TRADE, S.FILLED, "12000", "12000", "0"),
        ],
    )


def test_a_filled_order_is_not_opened_again() -> None:
    """C.1.c, as it is decided here: no request, no event."""
    order = Life().accept().trade("10000").order
    assert request_replace(order, asked("12000"), 9, 9) is None


def test_change_of_price_refused_because_the_order_was_filled_first() -> None:
    """C.2.a: the fill wins; the refusal that follows is late. The replace is told as rejected with the end."""
    life = Life().accept().ask(price="11").trade("10000").refuse()
    check(
        life,
        [
            (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000", "0", "10000"),
            (E.TRADE, S.FILLED, "10000", "10000", "0"),
        ],
        [Ignored.ENDED],
    )
    assert (life.outcome, life.order.terms.limit_price) == (ReplaceStatus.REJECTED, 10)


def test_decrease_of_an_order_that_trades_meanwhile() -> None:
    """C.3.a: what is left is the new quantity less all that has traded."""
    check(
        Life().accept().ask("8000").trade("500").replace(),
        [
            (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000", "0", "10000"),
            (E.TRADE, S.PENDING_REPLACE, "10000", "500", "9500"),
            (E.REPLACED, S.PARTIALLY_FILLED, "8000", "500", "7500"),
        ],
    )


@pytest.mark.parametrize("traded", ["8000", "9000"])
def test_decrease_to_what_has_traded_or_less(traded: str) -> None:
    """C.3.b and C.3.c: the order is done with what has traded, which its quantity becomes."""
    life = Life().accept().ask("8000").trade(traded).replace()
    assert life.steps[-1] == (E.REPLACED, S.FILLED, traded, traded, "0")
    assert (life.outcome, life.order.live) == (ReplaceStatus.REPLACED, False)


@pytest.mark.parametrize(
    ("life", "status"),
    [
        (Life(), S.PENDING_NEW),
        (Life().accept(), S.NEW),
        (Life().accept().trade("10"), S.PARTIALLY_FILLED),
    ],
)
def test_a_refused_replace_restores_the_state_before(life: Life, status: S) -> None:
    """Status and terms are what they were; the report says why, the order does not hold it as its own reason."""
    life.ask("12000", "11").refuse()
    assert life.steps[-1][:3] == (E.REPLACE_REJECTED, status, "10000")
    assert (life.order.terms.limit_price, life.order.reason, life.outcome) == (10, "", ReplaceStatus.REJECTED)


def test_a_refused_replace_of_an_order_that_has_traded_meanwhile() -> None:
    """It is PARTIALLY_FILLED then, not what it was."""
    life = Life().accept().ask("12000").trade("10").refuse()
    assert life.steps[-1] == (E.REPLACE_REJECTED, S.PARTIALLY_FILLED, "10000", "10", "9990")


def test_acceptance_while_a_replace_is_pending() -> None:
    """An order may be replaced before the venue has accepted it; the acceptance crosses and changes no status."""
    life = Life().ask("12000").accept()
    assert life.steps[-1][:2] == (E.NEW, S.PENDING_REPLACE)
    assert life.refuse().order.status is S.NEW


def test_replaced_without_being_accepted_first() -> None:
    """A venue that replaces an order has taken it."""
    order = Life().ask("12000").replace().order
    assert (order.status, order.accepted) == (S.NEW, True)


def test_a_chain_of_replaces_each_done() -> None:
    """D.1.a: each follows the outcome of the one before, and starts from the terms that it left."""
    life = Life().accept().ask("12000", replace_id="1").replace().ask(price="11", replace_id="2").replace()
    order = life.order
    assert (order.status, order.terms.quantity, order.terms.limit_price) == (S.NEW, 12000, 11)
    assert order.replace is not None
    assert (order.replace.replace_id, order.replace.original_quantity, order.replace.original_limit_price) == (
        "2",
        12000,
        10,
    )


def test_a_chain_of_a_replace_refused_and_one_done() -> None:
    """D.1.b: the second starts from the original terms."""
    life = Life().accept().ask("12000", replace_id="1").refuse().ask("9000", replace_id="2").replace()
    assert [step[:3] for step in life.steps[-2:]] == [
        (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000"),
        (E.REPLACED, S.NEW, "9000"),
    ]


@pytest.mark.parametrize("life", [Life().accept().ask("9000"), Life().accept().ask_cancel()])
def test_no_replace_while_a_change_is_pending(life: Life) -> None:
    """D.1.d: the second request makes no event while the first is on its way; a cancel on its way bars it, too."""
    assert request_replace(life.order, asked("8000"), 9, 9) is None


def test_cancel_that_crosses_a_replace_which_is_done() -> None:
    """Both answered in their order: replaced while the cancel is pending, then canceled with the new terms."""
    check(
        Life().accept().ask("8000").ask_cancel().trade("100").replace().cancel(),
        [
            (E.PENDING_REPLACE, S.PENDING_REPLACE, "10000", "0", "10000"),
            (E.PENDING_CANCEL, S.PENDING_CANCEL, "10000", "0", "10000"),
            (E.TRADE, S.PENDING_CANCEL, "10000", "100", "9900"),
            (E.REPLACED, S.PENDING_CANCEL, "8000", "100", "7900"),
            (E.CANCELED, S.CANCELED, "8000", "100", "0"),
        ],
    )


def test_cancel_that_crosses_a_replace_which_is_refused() -> None:
    """The refusal is the replace's, told by its command or by its being the older request; the cancel goes on."""
    for command in (0, 3):
        life = Life().accept().ask("8000").ask_cancel().refuse(command)
        assert life.steps[-1][:2] == (E.REPLACE_REJECTED, S.PENDING_CANCEL)
        assert life.cancel().order.status is S.CANCELED


def test_refused_cancel_that_crosses_a_replace() -> None:
    """Told by its command to be the cancel's, the refusal brings back the pending replace, which is done later."""
    life = Life().accept().ask("8000").ask_cancel().refuse(command=4)
    assert life.steps[-1][:2] == (E.CANCEL_REJECTED, S.PENDING_REPLACE)
    assert life.replace().steps[-1] == (E.REPLACED, S.NEW, "8000", "0", "8000")


def test_a_replace_that_ends_the_order_while_its_cancel_is_pending() -> None:
    """The order is FILLED; the refusal of the cancel that follows is late."""
    life = Life().accept().trade("9000").ask("8000").ask_cancel().replace().refuse(command=5)
    assert (life.order.status, life.ignored) == (S.FILLED, [Ignored.ENDED])


@pytest.mark.parametrize("end", ["CANCELED", "EXPIRED", "REJECTED", "lost"])
def test_an_order_that_ends_ends_its_replace(end: str) -> None:
    """Whatever ends it; the venue's late answer changes nothing."""
    life = Life().accept().ask("12000")
    if end == "lost":
        made = lose(life.order, 9, 9, "gone")
        assert made is not None
        life.order = made.order
    else:
        life.take(report(life.order, V[end]))
    ended = life.order
    life.replace().refuse()
    assert life.order is ended
    assert (life.outcome, life.ignored, ended.terms.quantity) == (ReplaceStatus.REJECTED, [Ignored.ENDED] * 2, 10000)


def test_answers_that_nobody_waits_for() -> None:
    """A replace not asked for, decided already, or numbered by another command changes nothing."""
    life = Life().accept().replace().ask("9000").replace(command=77).refuse(command=77).replace(command=3).replace()
    assert life.ignored == [
        Ignored.NO_REPLACE_PENDING,
        Ignored.NO_REPLACE_PENDING,
        Ignored.NO_CANCEL_PENDING,
        Ignored.NO_REPLACE_PENDING,
    ]
    assert life.order.terms.quantity == 9000


def test_new_terms_keep_what_makes_the_order_known() -> None:
    """Ids and the digest of the first request stay, so that its repetition finds the order."""
    before = Life().accept().order.terms
    after = Life().accept().ask("9000", "11").replace().order.terms
    assert (after.client_order_id.split("-")[0], after.quantity, after.limit_price) == ("c", 9000, 11)
    new = asked_terms(asked("9000", "11"), before)
    assert (new.order_id, new.fingerprint, new.received_at_ns) == (
        before.order_id,
        before.fingerprint,
        before.received_at_ns,
    )


@pytest.mark.parametrize(
    ("quantity", "price", "reduces"),
    [("9000", None, True), ("9000", "10", True), ("10001", None, False), ("9000", "9", False), (None, "10", True)],
)
def test_what_only_reduces(quantity: str | None, price: str | None, reduces: bool) -> None:
    """The same price and no more quantity: what a cancel of a part would be."""
    assert only_reduces(asked(quantity, price), Life().order.terms) is reduces


def test_sequences_and_versions_count_replaces() -> None:
    """The request's sequence numbers its command."""
    order = Life().accept().ask("9000").replace().order
    assert order.replace is not None
    assert (order.version, order.sequence, order.replace.sequence) == (4, 4, 3)
