"""Serialises execution reports for the log; the same bytes go to streams, to risk and to the bus."""

from __future__ import annotations

from ordermesh.order.v1.execution_report_pb2 import ExecutionReport, HopTimes
from services.kernel.decimals import format_decimal
from services.order.domain.order_event import OrderEvent, fill_of
from services.order.domain.terms import OrderTerms
from services.order.pipeline.entries import Draft, Entry
from services.order.wire import breach_message, decimal_text, reason_number, timestamp
from services.order.wire_adjustments import add_adjustment
from services.order.wire_instructions import add_instructions
from services.order.wire_quotes import encoded_arrival
from services.order.wire_replaces import replace_message


def encode(draft: Draft) -> None:
    """Sets the payload of each entry of a draft.

    A report is written in parts, one after the other, which protobuf reads as one message: what the terms decide (once
    per order), what this event says, the time of the commit (once per draft), and, where an order begins, the quote at
    its arrival (once per quote).
    """
    committed = ExecutionReport(times=HopTimes(committed_at=timestamp(draft.at_ns))).SerializeToString()
    for entry in draft.entries:
        terms = entry.event.order.terms
        if terms.encoded is None:
            terms.encoded = _of_terms(terms)
        entry.payload = terms.encoded + _of_event(entry) + committed
        if entry.arrival is not None:
            entry.payload += encoded_arrival(entry.arrival)


def _of_terms(terms: OrderTerms) -> bytes:
    message = ExecutionReport(
        order_id=terms.order_id,
        client_order_id=terms.client_order_id,
        account_id=terms.account_id,
        instrument=terms.instrument,
        side=terms.side,  # type: ignore[arg-type]  # the number as it is: this path is hot
        type=terms.type,  # type: ignore[arg-type]  # the number as it is: this path is hot
        time_in_force=terms.time_in_force,  # type: ignore[arg-type]  # the number as it is: this path is hot
        quantity=format_decimal(terms.quantity),
        limit_price=decimal_text(terms.limit_price),
    )
    if terms.received_at_ns:
        received = message.times.received_at
        received.seconds, received.nanos = divmod(terms.received_at_ns, 1_000_000_000)
    if terms.instructions is not None:
        add_instructions(message, terms.instructions)
    return message.SerializeToString()


def _of_event(entry: Entry) -> bytes:
    event = entry.event
    order = event.order
    message = ExecutionReport(
        execution_id=entry.execution_id,
        sequence=entry.sequence,
        account_sequence=entry.account_sequence,
        execution_type=event.type,  # type: ignore[arg-type]  # the number as it is: this path is hot
        order_status=order.status,  # type: ignore[arg-type]  # the number as it is: this path is hot
        cumulative_quantity=format_decimal(order.cumulative),
        leaves_quantity=format_decimal(order.leaves),
        connection_id=order.connection_id,
        venue_order_id=order.venue_order_id,
        version=order.version,
    )
    if order.cumulative:
        message.average_price = decimal_text(order.average)
    if event.report is not None:
        _add_report(message, event)
    if event.reason or event.text:
        message.reason = reason_number(event.reason)
        message.text = event.text
    elif order.reason:
        # Of an order that is to end: the newest entry must say why.
        message.reason = reason_number(order.reason)
        message.text = order.text
    if order.breach is not None:
        message.risk_breach.CopyFrom(breach_message(order.breach))
    if order.replace is not None:
        message.replace.CopyFrom(replace_message(order.replace))
    return message.SerializeToString()


def _add_report(message: ExecutionReport, event: OrderEvent) -> None:
    report = event.report
    if report is None:
        return
    if event.is_fill:
        price, quantity = fill_of(event)
        message.last_price = format_decimal(price)
        message.last_quantity = format_decimal(quantity)
        message.fee = "0" if report.fee is None else format_decimal(report.fee)
        message.venue_execution_id = report.venue_execution_id
    elif report.adjustment is not None:
        add_adjustment(message, event)
    times = message.times
    if report.venue_at_ns:
        times.venue_at.seconds, times.venue_at.nanos = divmod(report.venue_at_ns, 1_000_000_000)
    if report.reported_at_ns:
        times.reported_at.seconds, times.reported_at.nanos = divmod(report.reported_at_ns, 1_000_000_000)
