"""Reduce-only on its way from the request to risk and into the log."""

from __future__ import annotations

from typing import Any

import pytest

from ordermesh.order.v1 import execution_report_pb2
from ordermesh.risk.v1.reservation_service_pb2 import OrderWithdrawal
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.order.domain import rules
from services.order.domain.events import place
from services.order.domain.instructions import Instructions
from services.order.domain.terms import fingerprint_of
from services.order.domain.values import OrderType, TimeInForce
from services.order.peers.risk_messages import reservation_of, withdrawal_of
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.servicer.messages import terms_of
from services.order.store.encoding import encode
from services.order.wire import order_message
from services.order.wire_instructions import instructions_of
from tests.fakes.order_world import request as place_request
from tests.fakes.orders import AAPL, CountingIdentifiers, terms

REDUCES = Instructions(reduce_only=True)


def test_a_request_is_read() -> None:
    """It is an instruction like others, and makes another request of it."""
    assert terms_of(place_request(reduce_only=True), "o", 1).instructions == REDUCES
    assert terms_of(place_request(), "o", 1).instructions is None
    assert fingerprint_of(terms(instructions=REDUCES)) != fingerprint_of(terms())


@pytest.mark.parametrize("time_in_force", [each for each in TimeInForce if each is not TimeInForce.GTD])
@pytest.mark.parametrize("price", [{}, {"type": OrderType.MARKET, "limit_price": None}])
def test_it_goes_with_every_order(time_in_force: TimeInForce, price: dict[str, Any]) -> None:
    """Whether it reduces the position is risk's to say."""
    if price and time_in_force in (TimeInForce.DAY, TimeInForce.GTC):
        return
    rules.check(terms(time_in_force=time_in_force, instructions=REDUCES, **price), AAPL, 1)


def test_risk_is_told() -> None:
    """Of orders that have it alone."""
    assert reservation_of(terms(instructions=REDUCES)).reduce_only
    assert not reservation_of(terms(instructions=Instructions(post_only=True))).reduce_only
    assert not reservation_of(terms()).reduce_only


def test_the_log_holds_it_and_gives_it_back() -> None:
    """A plain order's entry says nothing of it."""
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 0})
    draft, identifiers = Draft(book, 5_000_000_000), CountingIdentifiers()
    made = place(terms(instructions=REDUCES), 1, 10)
    draft.append(made, identifiers.new_id())
    draft.append(place(terms(), 2, 10), identifiers.new_id())
    encode(draft)
    told, plain = (execution_report_pb2.ExecutionReport.FromString(entry.payload) for entry in draft.entries)
    assert instructions_of(told) == REDUCES
    assert instructions_of(plain) is None
    assert order_message(made.order).reduce_only


def test_a_withdrawal_names_its_rule() -> None:
    """An order that is refused by it, because it was on its way in, is refused with the rule of risk."""
    told = OrderWithdrawal(order_ids=["o"], reason=error_pb2.ERROR_REASON_REDUCE_ONLY, text="too small")
    withdrawal = withdrawal_of(told)
    assert (withdrawal.reason, withdrawal.rule) == ("REDUCE_ONLY", risk_breach_pb2.RISK_RULE_REDUCE_ONLY)
