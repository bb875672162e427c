"""What the engine changes on its own, and what its operator has it do to trades, in the engine's terms."""

from __future__ import annotations

import re
from typing import Final

from ordermesh.engine.v1 import execution_pb2, order_pb2, trade_adjustment_pb2
from services.broker.domain.messages import Adjustment, Correction, Report, ReportKind, RestatementReason
from services.broker.domain.terms import Terms
from services.broker.peers.instruments import Instruments
from services.kernel.errors import CodedError, ErrorKind, invalid_field, not_found, precondition

_EXECUTION_ID: Final = re.compile(r"([1-9][0-9]{0,18})-[BS](-[0-9]{1,19})?")


def execution_id(execution: execution_pb2.Execution) -> str:
    """Returns the id of a trade for one of its sides."""
    return f"{execution.trade_id}-{'B' if execution.side == order_pb2.SIDE_BUY else 'S'}"


def adjusted(execution: execution_pb2.Execution, kind: ReportKind, order_id: str, terms: Terms, fee: str) -> Report:
    """Returns the report of a trade that was taken back or corrected, or of an order that became smaller."""
    quantities = terms.quantities
    if kind is ReportKind.RESTATED:
        prevented = execution.reason == execution_pb2.EXECUTION_REASON_SELF_TRADE_PREVENTION
        reason = RestatementReason.PARTIAL_DECLINE if prevented else RestatementReason.OTHER
        told = Adjustment(quantity=quantities.text(execution.quantity_lots), reason=reason)
        return Report(
            execution.execution_sequence,
            kind,
            order_id,
            str(execution.venue_order_id),
            cumulative_quantity=quantities.text(execution.cumulative_quantity_lots),
            text="less of it stays, for it met another order of the same account" if prevented else "",
            time_ns=execution.time_ns,
            adjustment=told,
        )
    corrected = kind is ReportKind.TRADE_CORRECTED
    return Report(
        execution.execution_sequence,
        kind,
        order_id,
        str(execution.venue_order_id),
        # The execution's own number tells what became of a trade from the trade, and from what became of it before.
        f"{execution_id(execution)}-{execution.execution_sequence}",
        terms.prices.text(execution.last_price_ticks) if corrected else "",
        quantities.text(execution.last_quantity_lots) if corrected else "",
        fee=fee if corrected else "",
        time_ns=execution.time_ns,
        adjustment=Adjustment(execution_id(execution), quantities.text(execution.leaves_quantity_lots)),
    )


async def request_of(
    venue_execution_id: str, participants: list[str], correction: Correction | None, instruments: Instruments
) -> trade_adjustment_pb2.AdjustTradeRequest:
    """Returns what to ask of the engine.

    Raises:
        CodedError: UNKNOWN_TRADE, UNKNOWN_INSTRUMENT, PRICE_OFF_TICK, QUANTITY_OFF_LOT, or the terms of the instrument
            cannot be asked for now.
    """
    parts = _EXECUTION_ID.fullmatch(venue_execution_id)
    if parts is None or not participants:
        raise unknown_trade(venue_execution_id)
    request = trade_adjustment_pb2.AdjustTradeRequest(trade_id=int(parts[1]), participants=participants)
    if correction is None:
        return request
    terms = await instruments.load(correction.instrument)
    if terms is None:
        raise not_found("UNKNOWN_INSTRUMENT", f"there is no instrument {correction.instrument}")
    request.correction.instrument_id = terms.venue_number
    request.correction.price_ticks = terms.prices.count(correction.price, "price")
    request.correction.quantity_lots = terms.quantities.count(correction.quantity, "quantity")
    return request


def refusal(error: CodedError, venue_execution_id: str) -> CodedError:
    """Returns what the engine refuses as the contract names it; other errors stay what they are."""
    match error.kind:
        case ErrorKind.NOT_FOUND:
            return unknown_trade(venue_execution_id)
        case ErrorKind.PRECONDITION:
            return precondition(
                "TRADE_CANCELED", f"the trade {venue_execution_id} was canceled and cannot be corrected"
            )
        case ErrorKind.INVALID:
            return invalid_field("price, quantity", f"must be what the venue takes: {error.message}")
        case _:
            return error


def unknown_trade(venue_execution_id: str) -> CodedError:
    """Returns the error for a trade that the engine does not know for the connection, or keeps no longer."""
    text = f"the venue knows no trade {venue_execution_id} of the connection, or keeps it no longer"
    return not_found("UNKNOWN_TRADE", text, venue_execution_id=venue_execution_id)
