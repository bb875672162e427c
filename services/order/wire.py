"""Between the contract's messages and the domain's values: reasons, times, breaches, orders, fills."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from functools import lru_cache
from sys import intern
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from ordermesh.order.v1 import execution_report_pb2, order_pb2
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.kernel.decimals import format_decimal
from services.order.domain.breach import RiskBreach
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import OrderStatus, OrderType, Side, TimeInForce
from services.order.wire_instructions import add_instructions, instructions_of
from services.order.wire_replaces import replace_message, replace_of

E = TypeVar("E", bound=IntEnum)

_PREFIX = "ERROR_REASON_"

NUMBER_OF_REASON: dict[str, error_pb2.ErrorReason.ValueType] = {
    name.removeprefix(_PREFIX) if number else "": number for name, number in error_pb2.ErrorReason.items()
}
"""Numbers of error reasons by name without prefix; the empty name is "none"."""
REASON_OF_NUMBER: dict[int, str] = {number: name for name, number in NUMBER_OF_REASON.items()}


def _members(members: type[E]) -> dict[int, E]:
    return {member.value: member for member in members}


_STATUS, _SIDE = _members(OrderStatus), _members(Side)
_TYPE, _TIME_IN_FORCE = _members(OrderType), _members(TimeInForce)
"""Members by number, for what was written here; a look-up costs a fifth of a call of the class."""


def _by_number(members: type[E]) -> tuple[E | None, ...]:
    of_number = {member.value: member for member in members}
    return tuple(of_number.get(number) for number in range(max(of_number) + 1))


SIDES = _by_number(Side)
ORDER_TYPES = _by_number(OrderType)
TIMES_IN_FORCE = _by_number(TimeInForce)
STATUSES = _by_number(OrderStatus)
"""Members by number; None stands for unspecified."""

_BILLION = 1_000_000_000

_number = lru_cache(maxsize=4096)(Decimal)
"""Numbers as they were written: prices and quantities of many orders are the same few, which are kept once."""


def timestamp(at_ns: int) -> Timestamp:
    """Returns the message of a time in nanoseconds since 1970."""
    seconds, nanos = divmod(at_ns, _BILLION)
    return Timestamp(seconds=seconds, nanos=nanos)


def nanoseconds(at: Timestamp) -> int:
    """Returns the nanoseconds since 1970 of a time; 0 when it is absent."""
    return at.seconds * _BILLION + at.nanos


def reason_number(reason: str) -> error_pb2.ErrorReason.ValueType:
    """Returns the number of a reason; one that the contract does not know is an internal one."""
    return NUMBER_OF_REASON.get(reason, error_pb2.ERROR_REASON_INTERNAL)


def decimal_text(value: Decimal | None) -> str:
    """Returns the canonical string of a number, empty for none."""
    return "" if value is None else format_decimal(value)


def breach_message(breach: RiskBreach) -> risk_breach_pb2.RiskBreach:
    """Returns the message of a breach."""
    return risk_breach_pb2.RiskBreach(
        rule=risk_breach_pb2.RiskRule.ValueType(breach.rule),
        limit=breach.limit,
        observed=breach.observed,
        unit=breach.unit,
        text=breach.text,
    )


def breach_of(message: risk_breach_pb2.RiskBreach) -> RiskBreach:
    """Returns the breach of a message."""
    return RiskBreach(message.rule, message.limit, message.observed, message.unit, message.text)


def order_message(order: Order) -> order_pb2.Order:
    """Returns the message of an order."""
    terms = order.terms
    message = order_pb2.Order(
        order_id=terms.order_id,
        client_order_id=terms.client_order_id,
        account_id=terms.account_id,
        instrument=terms.instrument,
        side=terms.side,  # type: ignore[arg-type]  # the number as it is: this path is hot
        type=terms.type,  # type: ignore[arg-type]  # the number as it is: this path is hot
        time_in_force=terms.time_in_force,  # type: ignore[arg-type]  # the number as it is: this path is hot
        quantity=format_decimal(terms.quantity),
        limit_price=decimal_text(terms.limit_price),
        order_status=order.status,  # type: ignore[arg-type]  # the number as it is: this path is hot
        cumulative_quantity=format_decimal(order.cumulative),
        leaves_quantity=format_decimal(order.leaves),
        connection_id=order.connection_id,
        venue_order_id=order.venue_order_id,
        version=order.version,
        sequence=order.sequence,
    )
    # Set where they stay: a message that is put into another one is copied.
    message.created_at.seconds, message.created_at.nanos = divmod(order.created_at_ns, _BILLION)
    message.updated_at.seconds, message.updated_at.nanos = divmod(order.updated_at_ns, _BILLION)
    if order.cumulative:
        message.average_price = decimal_text(order.average)
    if order.reason:
        message.reason = reason_number(order.reason)
        message.text = order.text
    if order.breach is not None:
        message.risk_breach.CopyFrom(breach_message(order.breach))
    if terms.instructions is not None:
        add_instructions(message, terms.instructions)
    if order.replace is not None:
        message.replace.CopyFrom(replace_message(order.replace))
    return message


def order_of(
    report: execution_report_pb2.ExecutionReport,
    *,
    fingerprint: bytes,
    notional: Decimal,
    accepted: bool,
    placed_sequence: int,
    cancel_sequence: int,
    created_at_ns: int,
) -> Order:
    """Returns the order that its newest report and its row tell; what many orders share is kept once."""
    status, times = _STATUS[report.order_status], report.times
    terms = OrderTerms(
        order_id=report.order_id,
        client_order_id=report.client_order_id,
        account_id=intern(report.account_id),
        instrument=intern(report.instrument),
        side=_SIDE[report.side],
        type=_TYPE[report.type],
        time_in_force=_TIME_IN_FORCE[report.time_in_force],
        quantity=_number(report.quantity),
        limit_price=_number(price) if (price := report.limit_price) else None,
        fingerprint=fingerprint,
        received_at_ns=nanoseconds(times.received_at),
        instructions=instructions_of(report),
    )
    order = Order(
        terms,
        status,
        sequence=report.sequence,
        created_at_ns=created_at_ns,
        placed_sequence=placed_sequence,
        cancel_sequence=cancel_sequence,
        accepted=accepted,
        cumulative=_number(report.cumulative_quantity or "0"),
        notional=notional,
        connection_id=intern(report.connection_id),
        venue_order_id=report.venue_order_id,
        version=report.version,
        updated_at_ns=nanoseconds(times.committed_at),
        replace=replace_of(report.replace) if report.HasField("replace") else None,
    )
    of_replace = report.execution_type == execution_report_pb2.EXECUTION_TYPE_REPLACE_REJECTED
    if not order.live or (status is OrderStatus.PENDING_CANCEL and not of_replace):
        order.reason, order.text = REASON_OF_NUMBER.get(report.reason, ""), report.text
    if report.HasField("risk_breach"):
        order.breach = breach_of(report.risk_breach)
    return order


def trade_message(report: execution_report_pb2.ExecutionReport) -> order_pb2.Trade:
    """Returns the fill that a report tells."""
    return order_pb2.Trade(
        trade_id=report.execution_id,
        order_id=report.order_id,
        client_order_id=report.client_order_id,
        account_id=report.account_id,
        instrument=report.instrument,
        side=report.side,
        price=report.last_price,
        quantity=report.last_quantity,
        fee=report.fee,
        connection_id=report.connection_id,
        venue_execution_id=report.venue_execution_id,
        sequence=report.sequence,
        executed_at=report.times.venue_at,
    )
