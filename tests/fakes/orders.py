"""Orders, reports and instruments for tests."""

from __future__ import annotations

import itertools
from decimal import Decimal

from services.order.domain.events import place
from services.order.domain.instructions import Instructions
from services.order.domain.instruments import Instrument
from services.order.domain.order import Order
from services.order.domain.order_event import OrderEvent
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderType, Side, TimeInForce
from services.order.domain.venue import ADJUSTING, VenueAdjustment, VenueReport, VenueReportType

_numbers = itertools.count(1)

AAPL = Instrument("AAPL.XNAS", Decimal("0.01"), Decimal(1), Decimal(1), Decimal(1_000_000))


class CountingIdentifiers:
    """Makes UUIDs that count."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)

    def new_id(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._numbers):012x}"


def terms(
    client_order_id: str = "",
    *,
    account_id: str = "demo",
    instrument: str = "AAPL.XNAS",
    side: Side = Side.BUY,
    type: OrderType = OrderType.LIMIT,  # noqa: A002 - the contract's name
    time_in_force: TimeInForce = TimeInForce.GTC,
    quantity: str = "100",
    limit_price: str | None = "187.25",
    connection_id: str = "",
    instructions: Instructions | None = None,
) -> OrderTerms:
    """Returns terms, with a client order id of their own unless one is given."""
    number = next(_numbers)
    return OrderTerms(
        order_id=f"11111111-0000-7000-8000-{number:012x}",
        client_order_id=client_order_id or f"c-{number}",
        account_id=account_id,
        instrument=instrument,
        side=side,
        type=type,
        time_in_force=time_in_force,
        quantity=Decimal(quantity),
        limit_price=None if limit_price is None else Decimal(limit_price),
        connection_id=connection_id,
        received_at_ns=1_000,
        instructions=instructions,
    )


def placed(quantity: str = "100", sequence: int = 1) -> Order:
    """Returns an order that was just placed."""
    return place(terms(quantity=quantity), sequence, 2_000).order


def report(
    order: Order | str,
    type: VenueReportType,  # noqa: A002 - the contract's name
    *,
    sequence: int = 1,
    quantity: str | None = None,
    price: str | None = None,
    cumulative: str | None = None,
    reason: str = "",
    text: str = "",
    command: int = 0,
    adjustment: VenueAdjustment | None = None,
) -> VenueReport:
    """Returns a report of a venue."""
    return VenueReport(
        "simulation",
        sequence,
        type,
        order if isinstance(order, str) else order.terms.order_id,
        venue_order_id="v-1",
        venue_execution_id=f"x-{sequence}" if type is VenueReportType.TRADE or type in ADJUSTING else "",
        last_price=None if price is None else Decimal(price),
        last_quantity=None if quantity is None else Decimal(quantity),
        cumulative_quantity=None if cumulative is None else Decimal(cumulative),
        reason=reason,
        text=text,
        venue_at_ns=3_000,
        reported_at_ns=4_000,
        command_sequence=command,
        adjustment=adjustment,
    )


def event(made: object) -> OrderEvent:
    """Returns what was made, which must be an event."""
    assert isinstance(made, OrderEvent), made
    return made
