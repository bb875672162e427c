"""Between the routing contract and the domain: commands out, reports in."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

from ordermesh.broker.v1.routing_service_pb2 import (
    CancelVenueOrder,
    NewVenueOrder,
    ReplaceVenueOrder,
    VenueCommand,
    VenueReport,
)
from ordermesh.broker.v1.venue_adjustment_pb2 import VenueAdjustment
from services.kernel.decimals import format_decimal
from services.order.domain import venue
from services.order.domain.held import venue_terms
from services.order.domain.order import Order
from services.order.domain.values import OrderStatus, RestatementReason
from services.order.wire import REASON_OF_NUMBER, decimal_text, nanoseconds, timestamp
from services.order.wire_instructions import venue_instructions

_TYPES = (None, *venue.VenueReportType)
_RESTATEMENTS = (None, *RestatementReason)


def place_command(order: Order) -> VenueCommand:
    """Returns the command that places an order."""
    terms = venue_terms(order.terms)
    instructions = terms.instructions
    return VenueCommand(
        command_sequence=order.placed_sequence,
        connection_id=order.connection_id,
        new_order=NewVenueOrder(
            order_id=terms.order_id,
            account_id=terms.account_id,
            instrument=terms.instrument,
            side=terms.side,  # type: ignore[arg-type]  # the number as it is: this path is hot
            type=terms.type,  # type: ignore[arg-type]  # the number as it is: this path is hot
            time_in_force=terms.time_in_force,  # type: ignore[arg-type]  # the number as it is: this path is hot
            quantity=format_decimal(terms.quantity),
            limit_price=decimal_text(terms.limit_price),
            instructions=None if instructions is None else venue_instructions(instructions),
        ),
    )


def cancel_command(order: Order) -> VenueCommand:
    """Returns the command that cancels an order."""
    return VenueCommand(
        command_sequence=order.cancel_sequence,
        connection_id=order.connection_id,
        cancel=CancelVenueOrder(order_id=order.terms.order_id, venue_order_id=order.venue_order_id),
    )


def replace_command(order: Order) -> VenueCommand | None:
    """Returns the command that replaces an order; None when no replace is on its way."""
    replace = order.replacing
    if replace is None:
        return None
    return VenueCommand(
        command_sequence=replace.sequence,
        connection_id=order.connection_id,
        replace=ReplaceVenueOrder(
            order_id=order.terms.order_id,
            venue_order_id=order.venue_order_id,
            instrument=order.terms.instrument,
            quantity=format_decimal(replace.new_quantity),
            limit_price=decimal_text(replace.new_limit_price),
            stop_price=decimal_text(replace.stop_price),
            expire_at=None if replace.expire_at_ns is None else timestamp(replace.expire_at_ns),
        ),
    )


def outstanding(orders: Iterable[Order], connection_id: str, above: int) -> list[VenueCommand]:
    """Returns the commands of live orders that a connection has not seen yet, in their order.

    Args:
        orders: Live orders.
        connection_id: The connection. Orders that named none and are not taken by any may be its own.
        above: Last command sequence that it has applied.
    """
    commands: list[VenueCommand] = []
    for order in orders:
        if order.connection_id not in ("", connection_id):
            continue
        # An order that is at no venue has no command sequence.
        if not order.accepted and order.placed_sequence > above:
            commands.append(place_command(order))
        replace = replace_command(order) if order.replace is not None and order.at_venue else None
        if replace is not None and replace.command_sequence > above:
            commands.append(replace)
        if order.status is OrderStatus.PENDING_CANCEL and order.cancel_sequence > above:
            commands.append(cancel_command(order))
    commands.sort(key=lambda command: command.command_sequence)
    return commands


def report_of(message: VenueReport, reported_at_ns: int) -> venue.VenueReport:
    """Returns the report of a message.

    Raises:
        ValueError: It has no type, or a number in it is none.
    """
    type_ = _TYPES[message.type] if message.type < len(_TYPES) else None
    if type_ is None:
        raise ValueError(f"a report of unknown type {message.type}")
    return venue.VenueReport(
        message.connection_id,
        message.sequence,
        type_,
        message.order_id,
        venue_order_id=message.venue_order_id,
        venue_execution_id=message.venue_execution_id,
        last_price=_decimal(message.last_price),
        last_quantity=_decimal(message.last_quantity),
        cumulative_quantity=_decimal(message.cumulative_quantity),
        fee=_decimal(message.fee),
        reason=REASON_OF_NUMBER.get(message.reason, "INTERNAL"),
        text=message.text,
        venue_at_ns=nanoseconds(message.venue_time) if message.HasField("venue_time") else 0,
        reported_at_ns=reported_at_ns,
        command_sequence=message.command_sequence,
        adjustment=_adjustment(message.adjustment) if message.HasField("adjustment") else None,
    )


def _adjustment(message: VenueAdjustment) -> venue.VenueAdjustment:
    reason = message.restatement_reason
    return venue.VenueAdjustment(
        message.venue_execution_reference_id,
        _decimal(message.leaves_quantity),
        _decimal(message.quantity),
        _decimal(message.limit_price),
        _RESTATEMENTS[reason] if reason < len(_RESTATEMENTS) else RestatementReason.OTHER,
    )


def _decimal(text: str) -> Decimal | None:
    if not text:
        return None
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"not a number: {text}") from None
