"""Orders for an auction, and what is taken in a call phase."""

from __future__ import annotations

from dataclasses import replace as changed
from decimal import Decimal
from typing import Any

import pytest

from ordermesh.marketdata.v1 import instrument_pb2
from services.kernel.errors import CodedError, ErrorKind
from services.order.domain import rules
from services.order.domain.instructions import Instructions
from services.order.domain.preview import Depth, Level, estimate
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, TimeInForce
from services.order.peers.instruments import _instrument
from services.order.peers.venue_messages import place_command
from tests.fakes.orders import AAPL, placed, terms

NOW = 1_000_000_000_000
AUCTIONS = (TimeInForce.AT_THE_OPENING, TimeInForce.AT_THE_CLOSE)
MARKET: dict[str, Any] = {"type": OrderType.MARKET, "limit_price": None}
COLLECTING = changed(AAPL, collecting=True)


@pytest.mark.parametrize("time_in_force", AUCTIONS)
@pytest.mark.parametrize("instrument", [AAPL, COLLECTING])
@pytest.mark.parametrize("price", [{}, MARKET])
def test_market_and_limit_orders_may_be_for_an_auction(
    time_in_force: TimeInForce, instrument: Any, price: dict[str, Any]
) -> None:
    """Whether its call phase has begun or not: before, they wait for the next."""
    rules.check(terms(time_in_force=time_in_force, **price), instrument, NOW)


@pytest.mark.parametrize("time_in_force", AUCTIONS)
@pytest.mark.parametrize(
    ("changes", "reason", "field"),
    [
        ({"instructions": Instructions(post_only=True)}, "POST_ONLY_MISMATCH", "post_only"),
        ({"instructions": Instructions(display_quantity=Decimal(10))}, "DISPLAY_QUANTITY_MISMATCH", "display_quantity"),
        (
            {"type": OrderType.STOP_LIMIT, "instructions": Instructions(stop_price=Decimal(190))},
            "TIME_IN_FORCE_MISMATCH",
            "time_in_force",
        ),
        (
            {"type": OrderType.STOP, "limit_price": None, "instructions": Instructions(stop_price=Decimal(190))},
            "TIME_IN_FORCE_MISMATCH",
            "time_in_force",
        ),
        ({"instructions": Instructions(expire_at_ns=NOW + 1)}, "EXPIRE_AT_MISMATCH", "expire_at"),
    ],
)
def test_what_does_not_go_with_an_auction_is_refused(
    time_in_force: TimeInForce, changes: dict[str, Any], reason: str, field: str
) -> None:
    """What is not in the book before its auction cannot be passive or hidden, nor wait for two things."""
    with pytest.raises(CodedError) as caught:
        rules.check(terms(time_in_force=time_in_force, **changes), AAPL, NOW)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, reason)
    assert [violation.field for violation in caught.value.violations] == [field]


@pytest.mark.parametrize(
    "order",
    [
        terms(time_in_force=TimeInForce.DAY),
        terms(time_in_force=TimeInForce.GTD, instructions=Instructions(expire_at_ns=NOW + 1)),
        terms(
            type=OrderType.STOP,
            limit_price=None,
            time_in_force=TimeInForce.IOC,
            instructions=Instructions(stop_price=Decimal(190)),
        ),
    ],
)
def test_what_rests_or_waits_is_taken_in_a_call_phase(order: OrderTerms) -> None:
    """A stop order that trades at once when it is released waits until then."""
    rules.check(order, COLLECTING, NOW)


@pytest.mark.parametrize("time_in_force", [TimeInForce.IOC, TimeInForce.FOK])
@pytest.mark.parametrize("price", [{}, MARKET])
def test_what_trades_at_once_or_not_at_all_is_refused_in_a_call_phase(
    time_in_force: TimeInForce, price: dict[str, Any]
) -> None:
    """With a reason that is no fault of the request: later it may be taken."""
    with pytest.raises(CodedError) as caught:
        rules.check(terms(time_in_force=time_in_force, **price), COLLECTING, NOW)
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.PRECONDITION, "AUCTION_CALL_PHASE")


@pytest.mark.parametrize(
    ("status", "takes_orders", "collects"),
    [
        (instrument_pb2.INSTRUMENT_STATUS_TRADING, True, False),
        (instrument_pb2.INSTRUMENT_STATUS_CALL_AUCTION, True, True),
        (instrument_pb2.INSTRUMENT_STATUS_HALTED, False, False),
    ],
)
def test_the_phase_of_an_instrument_is_read(
    status: instrument_pb2.InstrumentStatus.ValueType, takes_orders: bool, collects: bool
) -> None:
    """In a call phase orders are taken, and collect."""
    steps: dict[str, Any] = dict.fromkeys(("tick_size", "lot_size", "min_quantity", "max_quantity"), "1")
    read = _instrument(instrument_pb2.Instrument(instrument="X.TEST", status=status, **steps))
    assert (read.trades_at(NOW), read.collecting) == (takes_orders, collects)


def test_a_venue_is_told_which_auction_an_order_is_for() -> None:
    """By the time in force; a market order has no price."""
    order = placed()
    order.terms = terms(time_in_force=TimeInForce.AT_THE_CLOSE, **MARKET)
    command = place_command(order).new_order
    assert (command.time_in_force, command.type, command.limit_price) == (7, 1, "")


BOOK = Depth((Level(Decimal(102), Decimal(5)),), (Level(Decimal(101), Decimal(10)),), 10, "USD", Decimal(1))


@pytest.mark.parametrize(
    ("order", "collecting"),
    [
        (terms(time_in_force=TimeInForce.AT_THE_OPENING, **MARKET), False),
        (terms(time_in_force=TimeInForce.AT_THE_CLOSE, limit_price="105"), False),
        (terms(limit_price="105"), True),
    ],
)
def test_nothing_fills_before_the_auction(order: OrderTerms, collecting: bool) -> None:
    """An order for one waits apart, and in a call phase a crossed book trades with nobody."""
    cost = estimate(order, changed(BOOK, collecting=collecting))
    assert (cost.filled, cost.remaining, cost.rests) == (0, 100, True)
