"""Which orders wait here because their venue does not let them wait there, and what is left for it to take."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ordermesh.broker.v1.broker_connection_pb2 import AdapterCapabilities
from ordermesh.type.v1 import trading_pb2
from services.order.domain.instructions import Instructions
from services.order.domain.links import Links, ListRole
from services.order.domain.terms import OrderTerms
from services.order.domain.trailing import TrailingStop
from services.order.domain.values import OrderType, TimeInForce
from services.order.peers.previews import _supported
from services.order.peers.venue_types import VenueTypes
from tests.fakes.orders import terms

STOP, LIMIT, MARKET = OrderType.STOP, OrderType.LIMIT, OrderType.MARKET


def test_a_connection_that_has_told_nothing_takes_everything() -> None:
    """What it has told counts from then on, also while it is down."""
    known = VenueTypes()
    assert known.takes("a", STOP)
    known.note("a", [MARKET, LIMIT])
    known.note("a", [])
    assert (known.takes("a", STOP), known.takes("a", LIMIT), known.takes("b", STOP)) == (False, True, True)


def test_an_order_that_names_no_connection_waits_at_its_venue_if_all_let_it() -> None:
    """It may go through any of them."""
    known = VenueTypes()
    assert known.takes("", STOP)
    known.note("a", [MARKET, LIMIT, STOP])
    assert known.takes("", STOP)
    known.note("b", [MARKET, LIMIT])
    assert not known.takes("", STOP)


def conditional(type_: OrderType, role: ListRole | None = None) -> OrderTerms:
    """Returns the terms of an order that waits for a price."""
    trails = type_ is OrderType.TRAILING_STOP
    return terms(
        type=type_,
        limit_price="10" if type_ in (OrderType.STOP_LIMIT, OrderType.LIMIT_IF_TOUCHED) else None,
        instructions=Instructions(
            None if trails else Decimal(9),
            trailing=TrailingStop(ticks=1) if trails else None,
            links=None if role is None else Links("list", role),
        ),
    )


@pytest.mark.parametrize(
    ("order", "types", "supported"),
    [
        (conditional(OrderType.TRAILING_STOP), [MARKET], True),
        (conditional(OrderType.TRAILING_STOP), [LIMIT, STOP], False),
        (conditional(OrderType.MARKET_IF_TOUCHED), [MARKET], True),
        (conditional(OrderType.LIMIT_IF_TOUCHED), [LIMIT], True),
        (conditional(OrderType.LIMIT_IF_TOUCHED), [MARKET], False),
        (conditional(STOP), [MARKET], True),
        (conditional(STOP), [STOP], True),
        (conditional(STOP), [LIMIT], False),
        (conditional(STOP, ListRole.EXIT), [STOP], False),
        (terms(), [LIMIT], True),
        (terms(), [MARKET], False),
    ],
)
def test_what_an_adapter_must_take(order: OrderTerms, types: list[OrderType], supported: bool) -> None:
    """Of what waits here, what it becomes: a market order for now, or a limit order."""
    lives = [TimeInForce.IOC, TimeInForce.GTC]
    told = AdapterCapabilities(
        order_types=map(trading_pb2.OrderType.ValueType, types),
        times_in_force=map(trading_pb2.TimeInForce.ValueType, lives),
    )
    assert _supported(order, told) is supported
