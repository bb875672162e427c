"""Stop prices, expiries, post-only and display quantities: rules, states, the log, commands to risk and venue."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import execution_report_pb2, order_entry_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import rules
from services.order.domain.applying import apply
from services.order.domain.events import place, request_cancel, request_replace
from services.order.domain.ignored import Ignored
from services.order.domain.instruction_rules import check_new_stop_price
from services.order.domain.instructions import Instructions
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.replacing import ReplaceRequest, asked_terms, only_reduces
from services.order.domain.terms import OrderTerms, fingerprint_of
from services.order.domain.values import ExecutionType as E
from services.order.domain.values import OrderStatus as S
from services.order.domain.values import OrderType, TimeInForce, Topic, topic_of
from services.order.domain.venue import VenueReportType as V
from services.order.peers.risk_messages import remaining_of, reservation_of
from services.order.peers.risk_replaces import terms_on_their_way, with_new_terms
from services.order.peers.venue_messages import outstanding
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.servicer.messages import replace_request, terms_of
from services.order.store.encoding import encode
from services.order.wire import order_message, order_of
from tests.fakes.order_world import request as place_request
from tests.fakes.orders import AAPL, CountingIdentifiers, event, report, terms

NOW = 1_000_000_000_000
STOP, STOP_LIMIT = OrderType.STOP, OrderType.STOP_LIMIT
GTD = TimeInForce.GTD


def instructed(
    *, stop: str = "", until: int | None = None, post_only: bool = False, display: str = "", **changes: Any
) -> OrderTerms:
    """Returns terms with instructions."""
    instructions = Instructions(
        Decimal(stop) if stop else None, until, post_only, Decimal(display) if display else None
    )
    return terms(instructions=instructions, **changes)


ALLOWED: list[dict[str, Any]] = [
    {"type": STOP, "limit_price": None, "stop": "190"},
    {"type": STOP_LIMIT, "stop": "190"},
    {"type": STOP_LIMIT, "stop": "190", "display": "10"},
    {"time_in_force": GTD, "until": NOW + 1},
    {"time_in_force": GTD, "until": NOW + 1, "post_only": True, "display": "99"},
    {"type": STOP_LIMIT, "stop": "190", "time_in_force": GTD, "until": NOW + 1},
    *({"type": STOP, "limit_price": None, "stop": "190", "time_in_force": TimeInForce(each)} for each in range(1, 5)),
    *({"post_only": True, "display": "1", "time_in_force": TimeInForce(each)} for each in (1, 2)),
]
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"type": STOP, "limit_price": None}, "STOP_PRICE_MISMATCH", "stop_price"),
    ({"type": STOP_LIMIT}, "STOP_PRICE_MISMATCH", "stop_price"),
    ({"stop": "190"}, "STOP_PRICE_MISMATCH", "stop_price"),
    ({"type": STOP, "stop": "190"}, "LIMIT_PRICE_MISMATCH", "limit_price"),
    ({"type": STOP_LIMIT, "stop": "190", "limit_price": None}, "LIMIT_PRICE_MISMATCH", "limit_price"),
    ({"type": STOP_LIMIT, "stop": "190.001"}, "PRICE_OFF_TICK", "stop_price"),
    ({"type": STOP_LIMIT, "stop": "999999999999999999"}, "PRICE_OUT_OF_RANGE", "stop_price"),
    ({"time_in_force": GTD}, "EXPIRE_AT_MISMATCH", "expire_at"),
    ({"until": NOW + 1}, "EXPIRE_AT_MISMATCH", "expire_at"),
    ({"time_in_force": GTD, "until": NOW}, "EXPIRE_AT_REACHED", "expire_at"),
    ({"time_in_force": GTD, "until": 0}, "EXPIRE_AT_REACHED", "expire_at"),
    ({"post_only": True, "time_in_force": TimeInForce.IOC}, "POST_ONLY_MISMATCH", "post_only"),
    ({"post_only": True, "time_in_force": TimeInForce.FOK}, "POST_ONLY_MISMATCH", "post_only"),
    ({"post_only": True, "type": STOP_LIMIT, "stop": "190"}, "POST_ONLY_MISMATCH", "post_only"),
    ({"display": "10", "time_in_force": TimeInForce.IOC}, "DISPLAY_QUANTITY_MISMATCH", "display_quantity"),
    (
        {"display": "10", "type": STOP, "stop": "190", "limit_price": None},
        "DISPLAY_QUANTITY_MISMATCH",
        "display_quantity",
    ),
    ({"display": "100"}, "DISPLAY_QUANTITY_MISMATCH", "display_quantity"),
    ({"display": "0.5"}, "QUANTITY_OFF_LOT", "display_quantity"),
]


@pytest.mark.parametrize("changes", ALLOWED)
def test_what_goes_together_is_allowed(changes: dict[str, Any]) -> None:
    """A stop order takes any time in force; the rest goes with limit orders that may rest."""
    rules.check(instructed(**changes), AAPL, NOW)


@pytest.mark.parametrize(("changes", "reason", "field"), REFUSED)
def test_what_does_not_go_together_is_refused(changes: dict[str, Any], reason: str, field: str) -> None:
    """Each rule has a reason of the contract, and names the field at fault."""
    with pytest.raises(CodedError) as caught:
        rules.check(instructed(**changes), AAPL, NOW)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, reason)
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    "changes",
    [{"type": STOP, "limit_price": None}, {"type": STOP_LIMIT}, {"time_in_force": GTD}],
)
def test_a_type_that_needs_an_instruction_is_refused_without_any(changes: dict[str, Any]) -> None:
    """Also where nothing at all was said beyond price and quantity."""
    with pytest.raises(CodedError, match="MISMATCH"):
        rules.check(terms(**changes), AAPL, NOW)


def test_each_instruction_makes_another_fingerprint() -> None:
    """And an order without any has the digest that it had before there were instructions."""
    plain = terms()
    assert fingerprint_of(plain) == fingerprint_of(terms(instructions=Instructions()))
    made = [
        plain,
        instructed(stop="190"),
        instructed(stop="191"),
        instructed(display="190"),
        instructed(post_only=True),
        instructed(until=190),
    ]
    assert len({fingerprint_of(each) for each in made}) == len(made)
    assert fingerprint_of(instructed(stop="190")) == fingerprint_of(instructed(stop="190.00"))


def test_a_request_is_read_with_its_instructions() -> None:
    """A plain request has none at all."""
    asked = place_request(
        type=4, time_in_force=5, stop_price="190.50", display_quantity="10", expire_at=Timestamp(seconds=7, nanos=8)
    )
    read = terms_of(asked, "o", 1).instructions
    assert read == Instructions(Decimal("190.5"), 7_000_000_008, False, Decimal(10))
    assert terms_of(place_request(post_only=True), "o", 1).instructions == Instructions(post_only=True)
    assert terms_of(place_request(), "o", 1).instructions is None


@pytest.mark.parametrize("nanos", [-1, 1_000_000_000])
def test_an_expiry_that_is_no_time_is_refused(nanos: int) -> None:
    """What JSON cannot say, gRPC can."""
    with pytest.raises(CodedError, match="INVALID_FIELD") as caught:
        terms_of(place_request(expire_at=Timestamp(seconds=7, nanos=nanos)), "o", 1)
    assert [violation.field for violation in caught.value.violations] == ["expire_at"]


class Life:
    """A buy order of 100 that waits for 190, and what happens to it."""

    def __init__(self, **changes: Any) -> None:
        fields: dict[str, Any] = {"type": STOP_LIMIT, "stop": "190", "display": "10"} | changes
        made = place(instructed(**fields), 1, 10)
        self.events: list[OrderEvent] = [made]

    @property
    def order(self) -> Order:
        return self.events[-1].order

    def take(self, type_: V, **values: Any) -> Life:
        self.events.append(event(apply(self.order, report(self.order, type_, **values), len(self.events) + 1, 20)))
        return self

    def ask(self, request: ReplaceRequest) -> Life:
        self.events.append(event(request_replace(self.order, request, len(self.events) + 1, 20)))
        return self

    def ask_cancel(self) -> Life:
        self.events.append(event(request_cancel(self.order, len(self.events) + 1, 20)))
        return self


def test_a_stop_order_is_released_once() -> None:
    """ExecType L: the order is NEW and has its terms; a repetition, and an order that never waited, change nothing."""
    life = Life().take(V.ACCEPTED).take(V.TRIGGERED)
    made = life.events[-1]
    assert (made.type, made.order.status, made.order.version) == (E.TRIGGERED_OR_ACTIVATED_BY_SYSTEM, S.NEW, 3)
    assert topic_of(made.type) is Topic.PLACED
    instructions = made.order.terms.instructions
    assert instructions is not None
    assert (instructions.stop_price, instructions.triggered, instructions.waits) == (Decimal(190), True, False)
    assert made.order.terms.fingerprint == life.events[0].order.terms.fingerprint
    assert apply(life.order, report(life.order, V.TRIGGERED), 4, 20) is Ignored.NOT_WAITING
    plain = place(terms(), 1, 1).order
    assert apply(plain, report(plain, V.TRIGGERED), 2, 2) is Ignored.NOT_WAITING
    ended = life.take(V.CANCELED).order
    assert apply(ended, report(ended, V.TRIGGERED), 9, 20) is Ignored.ENDED


def test_a_trigger_leaves_a_change_that_is_on_its_way() -> None:
    """A pending cancel or replace takes precedence, as over a partial fill."""
    canceled = Life().take(V.ACCEPTED).ask_cancel().take(V.TRIGGERED)
    assert canceled.order.status is S.PENDING_CANCEL
    replaced = Life().take(V.ACCEPTED).ask(ReplaceRequest("o", "r", Decimal(80), None)).take(V.TRIGGERED)
    assert replaced.order.status is S.PENDING_REPLACE
    done = replaced.take(V.REPLACED).order
    assert (done.status, done.terms.quantity) == (S.NEW, Decimal(80))
    assert done.terms.instructions is not None
    assert done.terms.instructions.triggered


def test_a_replace_gives_another_stop_price_and_leaves_the_rest() -> None:
    """Display quantity stays, also when it is as much as the whole order then; the original terms are told."""
    life = Life().take(V.ACCEPTED).ask(ReplaceRequest("o", "r", Decimal(10), None, stop_price=Decimal("189.5")))
    assert life.order.terms.instructions == Instructions(Decimal(190), None, False, Decimal(10))
    after = life.take(V.REPLACED).order
    assert after.terms.instructions == Instructions(Decimal("189.5"), None, False, Decimal(10))
    assert after.replace is not None
    assert (after.replace.stop_price, after.replace.original_stop_price) == (Decimal("189.5"), Decimal(190))
    rules.check_terms(after.terms, AAPL)


def test_what_a_new_stop_price_must_satisfy() -> None:
    """On tick, for an order that waits; it never only reduces."""
    waiting = Life().take(V.ACCEPTED)
    request = ReplaceRequest("o", "r", None, None, stop_price=Decimal("189.505"))
    assert not only_reduces(request, waiting.order.terms)
    assert only_reduces(ReplaceRequest("o", "r", Decimal(5), None, stop_price=Decimal(190)), waiting.order.terms)
    with pytest.raises(CodedError, match="PRICE_OFF_TICK"):
        rules.check_terms(asked_terms(request, waiting.order.terms), AAPL)
    with pytest.raises(CodedError, match="STOP_PRICE_MISMATCH"):
        rules.check_terms(asked_terms(ReplaceRequest("o", "r", None, None, stop_price=Decimal(1)), terms()), AAPL)
    check_new_stop_price(waiting.order.terms)
    with pytest.raises(CodedError, match="STOP_PRICE_MISMATCH"):
        check_new_stop_price(waiting.take(V.TRIGGERED).order.terms)


def test_a_replace_is_told_apart_by_its_stop_price() -> None:
    """Another stop price under the same id is another request; a request for nothing is none."""
    fields: dict[str, Any] = {"order_id": "01890000-0000-7000-8000-000000000000", "replace_id": "r"}
    request = replace_request(order_entry_pb2.ReplaceOrderRequest(stop_price="189.50", **fields))
    assert request.asked == (None, None, Decimal("189.5"), None, None)
    replace = Life().ask(request).order.replace
    assert replace is not None
    assert replace.asks_for(request)
    assert not replace.asks_for(ReplaceRequest("o", "r", None, None, stop_price=Decimal(189)))
    with pytest.raises(CodedError, match="expire_at or trailing_stop must be given"):
        replace_request(order_entry_pb2.ReplaceOrderRequest(**fields))


def logged(events: list[OrderEvent]) -> list[execution_report_pb2.ExecutionReport]:
    """Returns the reports of events as the log has them."""
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 0})
    draft = Draft(book, 5_000_000_000)
    identifiers = CountingIdentifiers()
    for made in events:
        draft.append(made, identifiers.new_id())
    encode(draft)
    return [execution_report_pb2.ExecutionReport.FromString(entry.payload) for entry in draft.entries]


def test_the_log_holds_the_instructions_and_gives_them_back() -> None:
    """At each step: waiting, with a new stop price on its way, released; the order read back is what was written."""
    life = Life(time_in_force=GTD, until=NOW + 1, stop="190").take(V.ACCEPTED)
    life.ask(ReplaceRequest("o", "r", None, None, stop_price=Decimal(191))).take(V.REPLACED).take(V.TRIGGERED)
    life.take(V.EXPIRED, reason="EXPIRE_AT_REACHED", text="its expiry has come")
    told = logged(life.events)
    assert [each.stop_price for each in told] == ["190", "190", "190", "191", "191", "191"]
    assert [each.triggered for each in told] == [False, False, False, False, True, True]
    assert {(each.display_quantity, each.expire_at.ToNanoseconds()) for each in told} == {("10", NOW + 1)}
    assert told[2].replace.stop_price == "191"
    for made, each in zip(life.events, told, strict=True):
        read = order_of(
            each,
            fingerprint=made.order.terms.fingerprint,
            notional=made.order.notional,
            accepted=made.order.accepted,
            placed_sequence=1,
            cancel_sequence=0,
            created_at_ns=made.order.created_at_ns,
        )
        assert read.terms.instructions == made.order.terms.instructions
        assert order_message(read).triggered == each.triggered
        assert order_message(read).expire_at == each.expire_at


def test_the_log_of_a_plain_order_is_what_it_was() -> None:
    """None of the fields is in it, and it is read back without instructions."""
    [told] = logged([place(terms(), 1, 1)])
    names = {field.name for field, _ in told.ListFields()}
    assert not names & {"stop_price", "expire_at", "post_only", "display_quantity", "triggered"}


def test_commands_that_a_connection_has_not_seen_carry_all_terms() -> None:
    """The order with its instructions, the replace with its new stop price only."""
    life = Life(time_in_force=GTD, until=NOW + 1).ask(ReplaceRequest("o", "r", None, None, stop_price=Decimal(191)))
    new, replace = outstanding([life.order], "simulation", 0)
    told = new.new_order.instructions
    assert (told.stop_price, told.display_quantity, told.expire_at.ToNanoseconds()) == ("190", "10", NOW + 1)
    assert (new.new_order.type, new.new_order.time_in_force) == (4, 5)
    assert replace.replace.stop_price == "191"
    [plain] = outstanding([place(terms(), 1, 1).order], "simulation", 0)
    assert not plain.new_order.HasField("instructions")


def test_risk_is_told_what_an_order_waits_for() -> None:
    """The stop price while it waits, beside a new one; not once it was released, and never of plain orders."""
    life = Life(type=STOP, limit_price=None, display="").take(V.ACCEPTED)
    assert (reservation_of(life.order.terms).stop_price, reservation_of(life.order.terms).limit_price) == ("190", "")
    assert reservation_of(terms()).stop_price == ""
    pending = life.ask(ReplaceRequest("o", "r", None, None, stop_price=Decimal(191))).order
    new_terms = terms_on_their_way(pending)
    assert new_terms is not None
    held = with_new_terms(remaining_of(pending), pending, new_terms)
    assert (held.stop_price, held.replace.stop_price) == ("190", "191")
    assert remaining_of(life.take(V.TRIGGERED).order).stop_price == ""
