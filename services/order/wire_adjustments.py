"""Between the contract's messages and the domain's values: what venues change on their own."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from ordermesh.order.v1 import execution_report_pb2, order_pb2
from ordermesh.order.v1.execution_report_pb2 import ExecutionReport
from ordermesh.order.v1.trade_adjustment_pb2 import TradeAdjustment
from ordermesh.type.v1 import restatement_pb2
from services.kernel.decimals import ZERO, format_decimal
from services.order.domain.adjusting import AdjustmentEvent
from services.order.domain.order_event import OrderEvent
from services.order.domain.order_trades import Execution, Executions
from services.order.domain.values import ExecutionType, RestatementReason
from services.order.wire import nanoseconds, timestamp, trade_message


def add_adjustment(message: ExecutionReport, event: OrderEvent) -> None:
    """Adds to a report what is in few of them: which trade was canceled or corrected, or why an order was restated."""
    report = event.report
    if report is None or report.adjustment is None:
        return
    if event.type is ExecutionType.RESTATED:
        told = report.adjustment.reason or RestatementReason.OTHER
        message.restatement_reason = restatement_pb2.RestatementReason.ValueType(told)
    if not isinstance(event, AdjustmentEvent):
        return
    adjustment = event.adjustment
    before = adjustment.before
    message.execution_reference_id = before.execution_id
    message.venue_execution_id = report.venue_execution_id
    if adjustment.quantity:
        message.last_price = format_decimal(adjustment.price)
        message.last_quantity = format_decimal(adjustment.quantity)
        message.fee = format_decimal(adjustment.fee)
    message.trade_adjustment.CopyFrom(
        TradeAdjustment(
            trade_id=before.trade_id,
            venue_execution_reference_id=adjustment.reference_id,
            previous_price=format_decimal(before.price),
            previous_quantity=format_decimal(before.quantity),
            previous_fee=format_decimal(before.fee),
            executed_at=timestamp(before.executed_at_ns) if before.executed_at_ns else None,
            committed_at=timestamp(before.committed_at_ns),
        )
    )


def executions_of(reports: Iterable[ExecutionReport]) -> Executions:
    """Returns the trades of an order out of the reports of them, oldest first."""
    executions = Executions()
    for report in reports:
        if report.execution_type == execution_report_pb2.EXECUTION_TYPE_TRADE:
            executions.put(_execution(report))
        elif (known := executions.get(report.trade_adjustment.trade_id)) is not None:
            executions.put(_adjusted(known, report))
    return executions


def _execution(report: ExecutionReport) -> Execution:
    return Execution(
        report.execution_id,
        report.execution_id,
        (report.venue_execution_id,) if report.venue_execution_id else (),
        Decimal(report.last_price),
        Decimal(report.last_quantity),
        Decimal(report.fee) if report.fee else ZERO,
        nanoseconds(report.times.venue_at),
        nanoseconds(report.times.committed_at),
    )


def _adjusted(execution: Execution, report: ExecutionReport) -> Execution:
    if report.execution_type == execution_report_pb2.EXECUTION_TYPE_TRADE_CANCEL:
        return execution.as_canceled(report.execution_id)
    return execution.as_corrected(
        report.execution_id,
        report.venue_execution_id,
        Decimal(report.last_price),
        Decimal(report.last_quantity),
        Decimal(report.fee) if report.fee else ZERO,
    )


def told_trade(report: ExecutionReport) -> order_pb2.Trade:
    """Returns the trade that a report tells, for the first time or anew."""
    trade = trade_message(report)
    if report.HasField("trade_adjustment"):
        before = report.trade_adjustment
        trade.trade_id = before.trade_id
        trade.executed_at.CopyFrom(before.executed_at)
        mark(trade, report)
    return trade


def mark(trade: order_pb2.Trade, report: ExecutionReport) -> None:
    """Lets a trade be as the report of its cancel or correction leaves it."""
    trade.adjusted_by_execution_id = report.execution_id
    if report.execution_type == execution_report_pb2.EXECUTION_TYPE_TRADE_CANCEL:
        before = report.trade_adjustment
        trade.adjustment_type = order_pb2.TRADE_ADJUSTMENT_TYPE_CANCELED
        trade.price, trade.quantity, trade.fee = before.previous_price, before.previous_quantity, before.previous_fee
    else:
        trade.adjustment_type = order_pb2.TRADE_ADJUSTMENT_TYPE_CORRECTED
        trade.price, trade.quantity, trade.fee = report.last_price, report.last_quantity, report.fee
