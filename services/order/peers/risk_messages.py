"""What is said to RiskService about orders, and what it answers, as the domain's values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ordermesh.risk.v1.reservation_service_pb2 import (
    OrderWithdrawal,
    Reservation,
    ReservationDecision,
    ReserveRequest,
    Settlement,
)
from ordermesh.type.v1 import error_pb2, risk_breach_pb2
from services.kernel.decimals import format_decimal
from services.order.domain.order import Order
from services.order.domain.terms import OrderTerms
from services.order.domain.values import SETTLING, ExecutionType
from services.order.pipeline.ports import ACCEPTED, Decision
from services.order.pipeline.withdrawing import Withdrawal
from services.order.wire import REASON_OF_NUMBER, breach_of, decimal_text
from services.order.wire_events import varint

Message = ReserveRequest | bytes
"""A message to RiskService; settlements are serialised already."""

_SETTLE_TAG: Final = bytes([ReserveRequest.SETTLE_FIELD_NUMBER << 3 | 2])
_REPORT_TAG: Final = bytes([Settlement.REPORTS_FIELD_NUMBER << 3 | 2])
_RULE: Final = {
    error_pb2.ERROR_REASON_TRADING_HALTED: risk_breach_pb2.RISK_RULE_TRADING_HALTED,
    error_pb2.ERROR_REASON_TRADING_REDUCING: risk_breach_pb2.RISK_RULE_TRADING_REDUCING,
    error_pb2.ERROR_REASON_REDUCE_ONLY: risk_breach_pb2.RISK_RULE_REDUCE_ONLY,
}


def decision_of(decision: ReservationDecision) -> Decision:
    """Returns what RiskService has decided on an order."""
    if not decision.reason:
        return ACCEPTED
    breach = breach_of(decision.breach) if decision.HasField("breach") else None
    return Decision(REASON_OF_NUMBER.get(decision.reason, "RISK_LIMIT_EXCEEDED"), decision.text, breach)


def settles(type_: ExecutionType, order: Order) -> bool:
    """Tells whether RiskService hears of an event: it changes what an order holds, or what an account has."""
    return type_ in SETTLING and not order.refused_at_entry


def settlement(payloads: Sequence[bytes], sequence: int) -> bytes:
    """Returns the serialised message of some reports, out of their bytes as they stand in the log."""
    parts = [Settlement(sequence=sequence).SerializeToString()]
    for payload in payloads:
        parts += (_REPORT_TAG, varint(len(payload)), payload)
    message = b"".join(parts)
    return _SETTLE_TAG + varint(len(message)) + message


def serialised(message: Message) -> bytes:
    """Returns the bytes of a message."""
    return message if isinstance(message, bytes) else message.SerializeToString()


def reservation_of(terms: OrderTerms) -> Reservation:
    """Returns what an order may at most become."""
    reservation = Reservation(
        order_id=terms.order_id,
        account_id=terms.account_id,
        instrument=terms.instrument,
        side=terms.side,  # type: ignore[arg-type]  # the number as it is: this path is hot
        type=terms.type,  # type: ignore[arg-type]  # the number as it is: this path is hot
        quantity=format_decimal(terms.quantity),
        limit_price=decimal_text(terms.limit_price),
    )
    if (instructions := terms.instructions) is not None:
        reservation.reduce_only = instructions.reduce_only
        reservation.group_id = terms.sharing_id
        if instructions.waits:
            reservation.stop_price = decimal_text(instructions.stop_price)
    return reservation


def remaining_of(order: Order) -> Reservation:
    """Returns what an open order may still become."""
    reservation = reservation_of(order.terms)
    if order.cumulative:
        reservation.quantity = format_decimal(order.leaves)
    return reservation


def withdrawal_of(told: OrderWithdrawal) -> Withdrawal:
    """Returns which orders may not stay open, and why."""
    reason = REASON_OF_NUMBER.get(told.reason, "TRADING_HALTED")
    return Withdrawal(list(told.order_ids), reason, told.text, _RULE.get(told.reason, 0))
