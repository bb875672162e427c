"""Algorithms between requests, the log and the domain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from ordermesh.order.v1 import algorithm_pb2
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from services.kernel.decimals import ZERO
from services.kernel.errors import CodedError
from services.order.domain.algorithms.terms import (
    Aggressiveness,
    Algorithm,
    Participation,
    Plan,
    Shortfall,
    Strategy,
    Twap,
    Vwap,
)
from services.order.domain.events import place, request_cancel
from services.order.domain.family import OUT_OF_TIME
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.values import OrderStatus
from services.order.pipeline.book import Book
from services.order.pipeline.entries import Draft
from services.order.servicer.algorithms import algorithm_of_request
from services.order.store.encoding import encode
from services.order.wire import order_message, order_of
from tests.fakes.algorithm_world import worked

END = {"end_time": "2026-06-30T10:00:00Z"}
END_NS = 1_782_813_600_000_000_000
PLAN = Plan(
    "of something", (Decimal("1.5"), ZERO), Decimal("0.95"), Decimal("0.0000025"), ZERO, fixed_cost=Decimal("0.0625")
)


def asked(**fields: Any) -> algorithm_pb2.Algorithm:
    return ParseDict(END | fields, algorithm_pb2.Algorithm())


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"twap": {}}, Twap()),
        ({"twap": {"slice_interval": "1.5s", "randomisation": "0.50"}}, Twap(1_500_000_000, Decimal("0.5"))),
        ({"vwap": {}}, Vwap(5)),
        ({"vwap": {"history_days": 9, "slice_interval": "60s"}}, Vwap(9, 60_000_000_000)),
        (
            {"participation_of_volume": {"target_rate": "0.1", "min_child_quantity": "5", "max_child_quantity": "50"}},
            Participation(Decimal("0.1"), Decimal(5), Decimal(50)),
        ),
        ({"implementation_shortfall": {"risk_aversion": "0"}}, Shortfall(ZERO)),
        (
            {
                "implementation_shortfall": {
                    "risk_aversion": "0.000001",
                    "volatility": "0.95",
                    "temporary_impact": "0.0000025",
                    "permanent_impact": "0",
                    "fixed_cost": "0.0625",
                    "slice_interval": "60s",
                }
            },
            Shortfall(
                Decimal("0.000001"), Decimal("0.95"), Decimal("0.0000025"), ZERO, Decimal("0.0625"), 60_000_000_000
            ),
        ),
    ],
)
def test_a_request_is_read_and_stands_in_the_log_as_it_was_read(fields: dict[str, Any], expected: Strategy) -> None:
    """What was asked for is what the log gives back after a restart, the plan with it."""
    more = {"start_time": "2026-06-30T09:00:00Z", "max_participation": "0.2", "cross_at_end": True}
    algorithm = algorithm_of_request(asked(**fields, **more))
    assert algorithm.strategy == expected
    assert (algorithm.end_at_ns, algorithm.start_at_ns) == (END_NS, END_NS - 3_600_000_000_000)
    assert (algorithm.aggressiveness, algorithm.max_participation) == (Aggressiveness.NEUTRAL, Decimal("0.2"))
    for each in (algorithm, algorithm.planned(PLAN)):
        restored = logged(place(worked(each), 1, 2_000))
        assert restored.terms.instructions is not None
        assert restored.terms.instructions.algorithm == each
        assert restored.terms.instructions.works_through_children
        assert not restored.at_venue


def test_a_plan_is_told_and_never_given() -> None:
    """A request with a plan is refused, with the field."""
    with pytest.raises(CodedError) as caught:
        algorithm_of_request(asked(twap={}, plan={"basis": "mine"}))
    assert caught.value.violations[0].field == "algorithm.plan"


def test_why_a_parent_is_to_end_is_in_the_log() -> None:
    """A parent that is PENDING_CANCEL says why, also after a restart: that decides how it ends."""
    order = place(worked(Algorithm(Twap(), END_NS)), 1, 2_000).order
    event = request_cancel(order, 2, 3_000, reason=OUT_OF_TIME, text="over")
    assert event is not None
    restored = logged(event)
    assert (restored.status, restored.reason, restored.text) == (OrderStatus.PENDING_CANCEL, OUT_OF_TIME, "over")
    assert order_message(restored).text == "over"


def logged(event: OrderEvent) -> Order:
    """Returns the order that is read back from the log."""
    book = Book(epoch="epoch")
    book.load_accounts({"demo": 0})
    draft = Draft(book, 3_000)
    entry = draft.append(event, "00000000-0000-7000-8000-000000000001")
    encode(draft)
    order = event.order
    return order_of(
        ExecutionReport.FromString(entry.payload),
        fingerprint=order.terms.fingerprint,
        notional=order.notional,
        accepted=order.accepted,
        placed_sequence=order.placed_sequence,
        cancel_sequence=order.cancel_sequence,
        created_at_ns=order.created_at_ns,
    )
