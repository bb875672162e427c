"""Replaces of the expiry: rules, states, the log, commands to risk and venue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from ordermesh.order.v1 import execution_report_pb2, order_entry_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import refusals
from services.order.domain.applying import apply
from services.order.domain.events import place, request_replace
from services.order.domain.held import replace_here
from services.order.domain.instruction_rules import check_new_expiry
from services.order.domain.instructions import Instructions
from services.order.domain.order import Order
from services.order.domain.replacing import ReplaceRequest, asked_terms, only_reduces
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, TimeInForce
from services.order.domain.venue import VenueReportType as V
from services.order.peers.risk_replaces import terms_on_their_way
from services.order.peers.venue_messages import outstanding
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.servicer.messages import replace_request
from services.order.store.encoding import encode
from services.order.wire import order_message, order_of
from services.order.wire_replaces import replace_message, replace_of
from tests.fakes.orders import CountingIdentifiers, event, report, terms
from tests.unit.order.test_order_replacing import ReplaceWorld, replaceable

NOW = 1_000_000_000_000
ASKED: dict[str, Any] = {"order_id": "01890000-0000-7000-8000-000000000000", "replace_id": "r"}


def dated(until: int = NOW, **changes: Any) -> OrderTerms:
    """Returns terms with an expiry."""
    return terms(time_in_force=TimeInForce.GTD, instructions=Instructions(expire_at_ns=until), **changes)


def moved(until: int, quantity: Decimal | None = None) -> ReplaceRequest:
    """Returns a request for another expiry."""
    return ReplaceRequest("o", "r", quantity, None, expire_at_ns=until)


def replaced(order: Order, request: ReplaceRequest) -> tuple[Order, Order]:
    """Returns an order while a replace is on its way, and after it."""
    pending = event(request_replace(order, request, 2, 20)).order
    return pending, event(apply(pending, report(pending, V.REPLACED), 3, 30)).order


def test_a_replace_gives_another_expiry_and_leaves_the_rest() -> None:
    """The original one holds until the venue has answered, and is told beside the new one."""
    pending, after = replaced(place(dated(), 1, 10).order, moved(NOW + 5))
    assert pending.terms.instructions == Instructions(expire_at_ns=NOW)
    assert after.terms.instructions == Instructions(expire_at_ns=NOW + 5)
    assert (after.status, after.terms.quantity) == (OrderStatus.NEW, 100)
    assert after.replace is not None
    assert (after.replace.expire_at_ns, after.replace.original_expire_at_ns) == (NOW + 5, NOW)
    assert after.terms.fingerprint == pending.terms.fingerprint


def test_an_order_that_is_held_here_gets_it_at_once() -> None:
    """No venue has to be asked."""
    after = replace_here(place(dated(), 1, 10).order, moved(NOW + 5), 2, 20).order
    assert after.terms.instructions == Instructions(expire_at_ns=NOW + 5)


def test_one_that_changes_nothing_of_it_leaves_the_expiry() -> None:
    """Another quantity alone."""
    _, after = replaced(place(dated(), 1, 10).order, ReplaceRequest("o", "r", Decimal(80), None))
    assert after.terms.instructions == Instructions(expire_at_ns=NOW)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (moved(NOW - 1), True),
        (moved(NOW), True),
        (moved(NOW + 1), False),
        (moved(NOW - 1, Decimal(80)), True),
        (moved(NOW - 1, Decimal(120)), False),
        (moved(NOW + 1, Decimal(80)), False),
    ],
)
def test_only_an_earlier_expiry_takes_away(request_: ReplaceRequest, expected: bool) -> None:
    """A later one lets the order live on: it is held against risk and the instrument's phase as a new order."""
    assert only_reduces(request_, dated()) is expected


@pytest.mark.parametrize("time_in_force", [each for each in TimeInForce if each is not TimeInForce.GTD])
def test_an_order_without_an_expiry_gets_none(time_in_force: TimeInForce) -> None:
    """Another time in force is another order."""
    with pytest.raises(CodedError) as caught:
        check_new_expiry(terms(time_in_force=time_in_force), NOW + 1, NOW)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, "EXPIRE_AT_MISMATCH")
    assert [violation.field for violation in caught.value.violations] == ["expire_at"]


def test_an_expiry_must_be_in_the_future() -> None:
    """One that has come would end the order at once; for that there is the cancel."""
    check_new_expiry(dated(), NOW + 1, NOW)
    with pytest.raises(CodedError, match="EXPIRE_AT_REACHED"):
        check_new_expiry(dated(), NOW, NOW)


def test_a_request_is_read_and_told_apart_by_its_expiry() -> None:
    """It may ask for nothing else; another expiry under the same id is another request."""
    asked = order_entry_pb2.ReplaceOrderRequest(expire_at=Timestamp(seconds=7, nanos=8), **ASKED)
    request = replace_request(asked)
    assert request.asked == (None, None, None, 7_000_000_008, None)
    replace = event(request_replace(place(dated(), 1, 10).order, request, 2, 20)).order.replace
    assert replace is not None
    assert replace.asks_for(request)
    assert not replace.asks_for(moved(7_000_000_009))
    assert not replace.asks_for(ReplaceRequest("o", "r", None, None))
    with pytest.raises(CodedError, match="INVALID_FIELD"):
        replace_request(order_entry_pb2.ReplaceOrderRequest(expire_at=Timestamp(nanos=-1), **ASKED))


def test_venue_and_risk_are_told_the_new_expiry() -> None:
    """The venue with the other terms as they are; risk by the terms that it would have."""
    pending, _ = replaced(place(dated(), 1, 10).order, moved(NOW + 5))
    _, command = outstanding([pending], "simulation", 0)
    told = command.replace
    assert (told.quantity, told.limit_price, told.expire_at.ToNanoseconds()) == ("100", "187.25", NOW + 5)
    new_terms = terms_on_their_way(pending)
    assert new_terms is not None
    assert new_terms.instructions == Instructions(expire_at_ns=NOW + 5)
    other = event(request_replace(place(dated(), 1, 10).order, ReplaceRequest("o", "r", Decimal(9), None), 2, 20))
    _, command = outstanding([other.order], "simulation", 0)
    assert not command.replace.HasField("expire_at")


@given(until=st.integers(1, 2**63 - 1), later=st.integers(1, 2**63 - 1))
def test_the_log_gives_the_replace_back(until: int, later: int) -> None:
    """Every nanosecond of both expiries; the order read back is what was written."""
    made = place(dated(until), 1, 10)
    asked = event(request_replace(made.order, moved(later), 2, 20))
    done = event(apply(asked.order, report(asked.order, V.REPLACED), 3, 30))
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 0})
    draft, identifiers = Draft(book, 5_000_000_000), CountingIdentifiers()
    for each in (made, asked, done):
        draft.append(each, identifiers.new_id())
    encode(draft)
    for entry in draft.entries:
        order = entry.order
        read = order_of(
            execution_report_pb2.ExecutionReport.FromString(entry.payload),
            fingerprint=order.terms.fingerprint,
            notional=order.notional,
            accepted=order.accepted,
            placed_sequence=1,
            cancel_sequence=0,
            created_at_ns=order.created_at_ns,
        )
        assert (read.terms.instructions, read.replace) == (order.terms.instructions, order.replace)
    assert order_message(done.order).replace.expire_at.ToNanoseconds() == later
    assert order_message(done.order).expire_at.ToNanoseconds() == later


def test_a_replace_of_something_else_is_written_as_before() -> None:
    """Neither expiry is in it."""
    order = event(request_replace(place(terms(), 1, 10).order, ReplaceRequest("o", "r", Decimal(9), None), 2, 20)).order
    assert order.replace is not None
    message = replace_message(order.replace)
    assert not message.HasField("expire_at")
    assert not message.HasField("original_expire_at")
    assert replace_of(message) == order.replace


@pytest.fixture
async def at() -> AsyncIterator[ReplaceWorld]:
    """An order at its venue."""
    async with replaceable(ordered=dated(2**62)) as running_world:
        yield running_world
        running_world.world.check()


async def test_a_later_expiry_is_asked_of_risk_an_earlier_one_is_not(at: ReplaceWorld) -> None:
    """While risk is away the order can still be made to end sooner, and its repetition is answered."""
    order_id = at.order.terms.order_id
    await at.replacing.replace(ReplaceRequest(order_id, "r-1", None, None, expire_at_ns=2**62 + 1))
    new = at.world.risk.replacing[order_id]
    assert new.instructions == Instructions(expire_at_ns=2**62 + 1)
    await at.tell(V.REPLACED)
    at.world.risk.error = refusals.risk_unavailable()
    request = ReplaceRequest(order_id, "r-2", None, None, expire_at_ns=2**62 - 1)
    assert (await at.replacing.replace(request)).status is OrderStatus.PENDING_REPLACE
    order = await at.tell(V.REPLACED)
    assert order is not None
    assert asked_terms(request, order.terms).instructions == order.terms.instructions
    assert (await at.replacing.replace(request)).status is OrderStatus.NEW


async def test_an_expiry_that_has_come_since_is_not_held_against_a_repetition(at: ReplaceWorld) -> None:
    """The first request decided; the same one as a new one is refused."""
    soon = at.world.clock.now_ns() + 1
    request = ReplaceRequest(at.order.terms.order_id, "r-1", None, None, expire_at_ns=soon)
    await at.replacing.replace(request)
    at.world.clock.advance_ns(1)
    await at.replacing.replace(request)
    await at.tell(V.REPLACED)
    with pytest.raises(CodedError, match="EXPIRE_AT_REACHED"):
        await at.replacing.replace(ReplaceRequest(at.order.terms.order_id, "r-2", None, None, expire_at_ns=soon))
